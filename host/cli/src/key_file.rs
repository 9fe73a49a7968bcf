//! The file of a new key: it is there before the key is, and only with it for longer.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use artifacts_report::Failure;
use artifacts_seam::Secret;

/// An empty file that only its owner reads. It is removed unless an identity is written to it.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl KeyFile {
    /// Creates it, and the directories above it. Nothing that exists is replaced.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(above);
            made.map_err(|error| failed(path, &error))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(file) => Ok(Self { path: path.to_owned(), file, written: false }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Writes the identity, and keeps the file.
    pub fn write(mut self, identity: &Secret) -> Result<(), Failure> {
        let written = self.file.write_all(identity.expose()).and_then(|()| self.file.write_all(b"\n"));
        written.and_then(|()| self.file.sync_all()).map_err(|error| failed(&self.path, &error))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if !self.written {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, error: &Error) -> Failure {
    Failure::new(path.display().to_string(), format!("cannot write the identity: {error}"))
}

fn exists(path: &Path) -> Failure {
    Failure::new(path.display().to_string(), "it exists; an identity is never overwritten")
        .hint(Some("pass another file with -o, or move this one away"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn identity(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn a_file_is_its_owners_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        KeyFile::create(&path).unwrap().write(&identity("one")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(KeyFile::create(&path).unwrap_err().message.contains("never overwritten"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        assert!(KeyFile::create(&dir.path().join("link")).is_err());
    }

    #[test]
    fn a_file_is_there_before_its_key_and_gone_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let file = KeyFile::create(&path).unwrap();
        assert!(path.exists());
        drop(file);
        assert!(!path.exists(), "no key came");
        // A full disk.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        std::fs::write(&path, "").unwrap();
        let file = KeyFile { path: path.clone(), file: full, written: false };
        assert!(file.write(&identity("one")).unwrap_err().message.contains("cannot write the identity"));
        assert!(!path.exists(), "nothing is left that is cut");
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert!(KeyFile::create(&dir.path().join("file/key")).unwrap_err().message.contains("cannot write"));
    }

    #[test]
    fn directories_above_it_are_made_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        KeyFile::create(&dir.path().join("sops/age/keys.txt")).unwrap().write(&identity("one")).unwrap();
        for made in ["sops", "sops/age"] {
            assert_eq!(std::fs::metadata(dir.path().join(made)).unwrap().permissions().mode() & 0o777, 0o700, "{made}");
        }
    }
}
