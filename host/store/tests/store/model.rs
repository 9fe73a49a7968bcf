//! Any sequence of commits, removals, crashes and failures leaves an entry that some run has committed, whole.

use artifacts_store::WriterOptions;
use proptest::prelude::*;

use crate::crash::{failing_at, killed_at, whole, work};
use crate::support::*;

#[derive(Debug, Clone)]
enum End {
    Well,
    Killed(usize),
    Failed(usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Well), (0..45usize).prop_map(End::Killed), (0..45usize).prop_map(End::Failed)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_entry_is_always_the_old_or_the_new(runs in prop::collection::vec((any::<bool>(), end()), 1..8)) {
        let checkout = Checkout::new();
        let root = checkout.dir.path();
        let mut lies = None;
        for (number, (puts, end)) in runs.into_iter().enumerate() {
            let what = if puts { format!("put {number}") } else { "remove".to_owned() };
            let new = puts.then(|| number.to_string());
            let finished = match end {
                End::Well => work(root, WriterOptions::at(now()), &what).is_ok(),
                End::Killed(step) => !killed_at(root, step, &what),
                End::Failed(step) => work(root, failing_at(step), &what).is_ok(),
            };
            let left = whole(root);
            prop_assert!(left == new || (!finished && left == lies), "{left:?} instead of {lies:?} or {new:?}");
            lies = left;
        }
        work(root, WriterOptions::at(now()), "put last").unwrap();
        prop_assert_eq!(whole(root), Some("last".to_owned()));
        prop_assert!(checkout.staged().is_empty());
    }
}
