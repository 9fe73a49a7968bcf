//! How the program ends.

use std::process::ExitCode;

/// Holds an exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    pub const DONE: Self = Self(0);
    /// Something failed.
    pub const FAILED: Self = Self(1);
    /// Wrong usage.
    pub const USAGE: Self = Self(2);
}

impl From<u8> for Exit {
    fn from(status: u8) -> Self {
        Self(status)
    }
}

impl From<Exit> for ExitCode {
    fn from(status: Exit) -> Self {
        Self::from(status.0)
    }
}
