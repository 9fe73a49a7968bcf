use std::io;
use std::path::{Path, PathBuf};

use artifacts_text::Explain;

/// Reports why the log cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, written or read.
    #[error("cannot {what} the audit log {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn new(path: &Path, what: &'static str, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), what, source }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "audit"
    }

    fn hint(&self) -> Option<String> {
        Some("pass `--audit-log FILE` with a writable file outside the repository".to_owned())
    }
}
