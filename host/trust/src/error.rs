use std::path::PathBuf;

use artifacts_text::{Explain, shell_word};

/// Reports why the stored consents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// Path of the file or directory.
        path: PathBuf,
        /// Action, as a verb.
        what: &'static str,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// Other users can write it.
    #[error("{path} can be written by others (mode {mode:03o}), so nothing that is stored there can be trusted")]
    Open {
        /// Path of the directory or file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("{path} belongs to the user with the number {owner}, so nothing that is stored there can be trusted")]
    Foreign {
        /// Path of the directory, file or symbolic link.
        path: PathBuf,
        /// User ID of its owner.
        owner: u32,
    },
    /// The content is not what this program writes.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        why: String,
        /// What is lost if it is removed.
        lost: &'static str,
    },
    /// A line is not what this program writes.
    #[error("{path} is damaged: line {line}: {why}")]
    DamagedLine {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Reason.
        why: String,
    },
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "consent"
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::File { .. } => {
                Some("make the directory writable for this user, or set XDG_STATE_HOME to another one".to_owned())
            }
            Self::Open { path, .. } => {
                let path = shell_word(&path.display().to_string());
                Some(format!("review who wrote what is stored there, then run `chmod go-w {path}`"))
            }
            Self::Foreign { .. } => {
                Some("set XDG_STATE_HOME to a directory that only this user and root can change".to_owned())
            }
            Self::Damaged { lost, .. } => Some(format!("repair or remove it; when it is removed, {lost}")),
            Self::DamagedLine { .. } => Some(
                "remove that line: the headers in it then count as unknown, and are decrypted where they are stored now, if in one \
                 place only"
                    .to_owned(),
            ),
        }
    }
}
