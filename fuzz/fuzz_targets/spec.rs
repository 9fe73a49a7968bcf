//! Any text as a spec and as a registry.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = artifacts_declared::parse(text);
    let _ = artifacts_declared::from_text(text);
    if let Ok(value) = serde_json::from_str(text) {
        let _ = artifacts_declared::from_value(&value);
        let _ = artifacts_declared::backends_from_value(&value);
    }
});
