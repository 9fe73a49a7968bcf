use std::path::PathBuf;

use artifacts_digest::Sha256;
use serde::Serialize;

use crate::error::Error;
use crate::state_dir::StateDir;

/// Stores consents in a directory.
#[derive(Debug, Clone)]
pub struct Trust(StateDir);

impl Trust {
    /// Uses a directory, which is created with the first consent.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(StateDir::new(dir))
    }

    /// Returns whether exactly this was accepted.
    ///
    /// # Errors
    /// If that cannot be determined, or others could have written it.
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

    /// Stores that this was accepted.
    ///
    /// # Errors
    /// If it cannot be written, or others can write there.
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

    use artifacts_text::Explain as _;
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
