//! Any bytes from the other end of a worker's pipe.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| artifacts_seam::frame::take_anything(bytes));
