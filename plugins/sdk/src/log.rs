//! Writes messages for the user and the audit log; they must not contain a secret. The host cuts a message at 4 KiB
//! and the messages of a call at 64 KiB.

use crate::bindings::artifacts::backend::log::{Level, log};

/// Reports that something failed.
pub fn error(message: &str) {
    log(Level::Error, message);
}

/// Reports something unusual.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Reports what the backend does.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// Reports details for the author of the backend.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}
