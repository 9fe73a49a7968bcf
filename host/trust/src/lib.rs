//! What the admin has accepted, remembered outside of the repository, which proposes but does not decide.
//!
//! One file an acceptance, in a folder of the user alone. Its name is the SHA-256 of what was accepted and its content is
//! that very text, so that a person can read it, and remove it to take it back.

mod headers;
mod private;
mod readers;

use std::path::PathBuf;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use private::Private;

pub use headers::{CheckoutRecord, Commit, HeaderPlace, KnownHeaders, StoredHeaders};
pub use readers::{Agreed, ByFile, Readers};

/// Why the memory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("{path} cannot be {what}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Others could have written there.
    #[error(
        "{path} is another user's or can be written by others (mode {mode:o}); what is accepted there proves nothing"
    )]
    Open {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not what this program writes.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A line of a file is not what this program writes.
    #[error("{path} is damaged: line {line}: {why}")]
    DamagedLine {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// What to do.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::File { .. } => Some("make the folder writable for this user, or set XDG_STATE_HOME"),
            Self::Open { .. } => Some("look at what is in there, then `chmod 700` it"),
            Self::Damaged { .. } => Some("look at it; without it, everything counts as seen for the first time"),
            Self::DamagedLine { .. } => Some(
                "remove that line: the headers in it then count as unknown, and are decrypted where they are stored now, if in one \
                 place only",
            ),
        }
    }
}

/// A folder of acceptances.
#[derive(Debug, Clone)]
pub struct Trust(Private);

impl Trust {
    /// The memory in a folder; it is made when something is accepted first.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(Private::new(folder))
    }

    /// Whether exactly this was accepted.
    ///
    /// # Errors
    /// When it cannot be told, or others could have written it.
    pub fn accepted(&self, what: &impl Serialize) -> Result<bool, Error> {
        let (name, text) = named(what);
        Ok(self.0.read(&name)?.is_some_and(|found| found == text))
    }

    /// Remembers that this was accepted.
    ///
    /// # Errors
    /// When it cannot be written, or others could write there too.
    pub fn accept(&self, what: &impl Serialize) -> Result<(), Error> {
        let (name, text) = named(what);
        self.0.write(&name, &text)
    }
}

fn named(what: &impl Serialize) -> (String, Vec<u8>) {
    // Only a map with keys that are no text could fail; what cannot be written is never found again.
    let mut text = serde_json::to_vec_pretty(what).unwrap_or_default();
    text.push(b'\n');
    (format!("{:x}.json", Sha256::digest(&text)), text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn exactly_what_was_accepted_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust::new(folder.path().join("state/accepted"));
        let what = json!({"sha256": "00", "grants": {"plaintext": true}});
        assert!(!trust.accepted(&what).unwrap());
        trust.accept(&what).unwrap();
        assert!(trust.accepted(&what).unwrap());
        assert!(!trust.accepted(&json!({"sha256": "01", "grants": {"plaintext": true}})).unwrap());
        assert!(!trust.accepted(&json!({"sha256": "00", "grants": {"identities": true}})).unwrap());
    }

    #[test]
    fn a_folder_that_others_can_write_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust::new(folder.path().join("accepted"));
        trust.accept(&1).unwrap();
        fs::set_permissions(folder.path().join("accepted"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(trust.accepted(&1), Err(Error::Open { .. })));
        assert!(matches!(trust.accept(&2), Err(Error::Open { .. })));
    }

    #[test]
    fn a_file_of_other_content_accepts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Trust::new(folder.path().join("accepted"));
        trust.accept(&1).unwrap();
        let file = fs::read_dir(folder.path().join("accepted")).unwrap().next().unwrap().unwrap().path();
        fs::write(file, "2\n").unwrap();
        assert!(!trust.accepted(&1).unwrap());
    }
}
