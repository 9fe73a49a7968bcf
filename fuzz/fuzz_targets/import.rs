//! Any files and options of other tools, through an import.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../host/import/tests/any/mod.rs"]
mod any;

fuzz_target!(|bytes: &[u8]| any::check(bytes));
