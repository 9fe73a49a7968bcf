//! Any bytes as a component: refused or taken, and what is taken can be annotated. Never a panic.
#![no_main]

use artifacts_contract::{Component, annotate, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let seen = inspect(bytes);
    let taken = Component::read(bytes.to_vec());
    assert_eq!(seen.refusal.is_none(), taken.is_ok());
    if let Ok(component) = taken {
        let annotated = annotate(bytes, component.manifest()).expect("what is taken can be annotated");
        assert_eq!(Component::read(annotated).expect("and is taken again").manifest(), component.manifest());
    }
});
