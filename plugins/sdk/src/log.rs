//! Words for the person and the audit record; never a secret. The host cuts a message at 4 KiB and a call at 64 KiB.

use crate::bindings::artifacts::backend::log::{Level, log};

/// Something failed.
pub fn error(message: &str) {
    log(Level::Error, message);
}

/// Something is odd.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// For the curious.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// For authors.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}
