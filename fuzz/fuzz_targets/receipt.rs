//! Any bytes as a receipt.
#![no_main]

use artifacts_store::Receipt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Receipt::parse(bytes);
});
