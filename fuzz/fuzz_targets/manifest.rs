//! Any bytes as a manifest: refused, or read and written as the same.
#![no_main]

use artifacts_contract::BackendManifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = BackendManifest::parse(bytes) {
        assert_eq!(BackendManifest::parse(manifest.to_json().as_bytes()).as_ref(), Ok(&manifest));
    }
});
