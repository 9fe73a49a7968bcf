//! Whatever is in the files and options of another tool: nothing panics, and what is printed says what was found.
#![allow(missing_docs)]

mod any;

use proptest::prelude::{ProptestConfig, any as anything, proptest};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]
    #[test]
    fn what_is_printed_is_what_was_found(bytes in proptest::collection::vec(anything::<u8>(), 0..600)) {
        any::check(&bytes);
    }
}
