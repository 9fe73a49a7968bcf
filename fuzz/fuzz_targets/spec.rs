//! Any text as a spec, as a target's own, and as a registry.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = artifacts_declared::parse(text);
    let _ = artifacts_declared::parse_target(text);
    let _ = artifacts_declared::parse_backends(text);
});
