//! Stores what the admin accepted, outside of the repository, which proposes and does not decide.
//!
//! Each consent is one file in a directory that only the user can write. Its name is the SHA-256 of what was accepted,
//! and its content is that text, so that people can read it, and remove it to withdraw the consent.

mod accepted_recipients;
mod checkout;
mod headers;
mod ownership;
mod state_dir;

use std::path::PathBuf;

use artifacts_digest::Sha256;
use artifacts_text::{Explain, shell_word};
use serde::Serialize;

use state_dir::StateDir;

pub use accepted_recipients::{AcceptedRecipients, InstanceConsent};
pub use checkout::{Checkout, CheckoutId};
pub use headers::{CheckoutRecord, HeaderCommit, HeaderPlace, KnownHeaders, StoredHeaders};
pub use ownership::check_ownership;

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

/// A directory of acceptances.
#[derive(Debug, Clone)]
pub struct Trust(StateDir);

impl Trust {
    /// The memory in a directory; it is made when something is accepted first.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(StateDir::new(dir))
    }

    /// Whether exactly this was accepted.
    ///
    /// # Errors
    /// When it cannot be determined, or others could have written it.
    pub fn accepted(&self, what: &impl Serialize) -> Result<bool, Error> {
        let (name, text) = named(what);
        match self.0.read(&name)? {
            None => Ok(false),
            Some(found) if found == text => Ok(true),
            Some(_) => Err(Error::Damaged {
                path: self.0.at(&name),
                why: "its content is not the one that its name stands for".to_owned(),
                lost: "this one consent is asked for again",
            }),
        }
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
    (format!("{}.json", Sha256::digest(&text)), text)
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
        let directory = tempfile::tempdir().unwrap();
        let trust = Trust::new(directory.path().join("state/accepted"));
        let what = json!({"sha256": "00", "grants": {"plaintext": true}});
        assert!(!trust.accepted(&what).unwrap());
        trust.accept(&what).unwrap();
        assert!(trust.accepted(&what).unwrap());
        assert!(!trust.accepted(&json!({"sha256": "01", "grants": {"plaintext": true}})).unwrap());
        assert!(!trust.accepted(&json!({"sha256": "00", "grants": {"identities": true}})).unwrap());
    }

    #[test]
    fn a_directory_that_others_can_write_proves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let trust = Trust::new(directory.path().join("accepted"));
        trust.accept(&1).unwrap();
        fs::set_permissions(directory.path().join("accepted"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(trust.accepted(&1), Err(Error::Open { .. })));
        assert!(matches!(trust.accept(&2), Err(Error::Open { .. })));
    }

    #[test]
    fn a_directory_above_that_others_can_write_proves_nothing_either() {
        let directory = tempfile::tempdir().unwrap();
        let above = directory.path().join("artifacts");
        let trust = Trust::new(above.join("accepted"));
        trust.accept(&1).unwrap();
        fs::set_permissions(&above, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(trust.accepted(&1), Err(Error::Open { .. })));
        fs::rename(above.join("accepted"), directory.path().join("gone")).unwrap();
        assert!(matches!(trust.accepted(&1), Err(Error::Open { .. })), "that it is not there proves nothing either");
        assert!(matches!(trust.accept(&2), Err(Error::Open { .. })));
        assert!(!above.join("accepted").exists(), "nothing is written either");
    }

    #[test]
    fn a_file_of_other_content_is_no_acceptance_and_no_silence() {
        let directory = tempfile::tempdir().unwrap();
        let trust = Trust::new(directory.path().join("accepted"));
        trust.accept(&1).unwrap();
        let file = fs::read_dir(directory.path().join("accepted")).unwrap().next().unwrap().unwrap().path();
        for torn in ["2\n", "1", ""] {
            fs::write(&file, torn).unwrap();
            let error = trust.accepted(&1).unwrap_err();
            assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
            assert!(error.hint().unwrap().contains("this one consent is asked for again"));
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(trust.accepted(&1), Err(Error::File { .. })), "something else of that name");
    }
}
