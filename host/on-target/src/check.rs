//! Whether an artifact's files are all there, as declared.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use artifacts_declared::Name;

use crate::accounts::Accounts;
use crate::manifest::{DeployedArtifact, DeployedFile};
use crate::trace::{PathEnd, trace};

/// A file that is not as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMismatch {
    /// Which.
    pub file: Name,
    /// Where it is expected.
    pub path: String,
    /// What is wrong with it.
    pub cause: MismatchCause,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MismatchCause {
    /// This name, on the way there, does not exist.
    Missing(PathBuf),
    /// This name, on the way there, cannot be followed.
    Broken(PathBuf, String),
    /// It is something else than a regular file.
    Kind(&'static str),
    /// Its mode differs.
    Mode {
        /// As declared.
        expected: String,
        /// As it is.
        found: u32,
    },
    /// The declared mode is no octal number.
    NoMode(String),
    /// Its owner or group differs.
    Account {
        /// `owner` or `group`.
        what: &'static str,
        /// As declared.
        expected: String,
        /// Number as it is.
        found: u32,
    },
    /// The declared owner or group does not exist here.
    NoAccount {
        /// `owner` or `group`.
        what: &'static str,
        /// As declared.
        expected: String,
    },
}

impl fmt::Display for FileMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file `{}` ({}): {}", self.file, self.path.escape_debug(), self.cause)
    }
}

impl fmt::Display for MismatchCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(at) => write!(f, "{} does not exist", at.display()),
            Self::Broken(at, why) => write!(f, "{}: {why}", at.display()),
            Self::Kind(found) => write!(f, "expected a regular file, found {found}"),
            Self::Mode { expected, found } => write!(f, "expected mode {expected}, found {found:04o}"),
            Self::NoMode(text) => write!(f, "its declared mode `{}` is not an octal number", text.escape_debug()),
            Self::Account { what, expected, found } => write!(f, "expected {what} {expected}, found {found}"),
            Self::NoAccount { what, expected } => write!(f, "unknown {what} `{}`", expected.escape_debug()),
        }
    }
}

/// Every file of an artifact that is not as declared; empty when it is complete.
pub fn check(artifact: &DeployedArtifact, accounts: &mut Accounts) -> Vec<FileMismatch> {
    let faults = artifact.files.iter().filter_map(|(name, file)| {
        let cause = file_fault(file, trace(Path::new(&file.path), |_, _| ()), accounts)?;
        Some(FileMismatch { file: name.clone(), path: file.path.clone(), cause })
    });
    faults.collect()
}

/// What is wrong with a file whose path led to `end`.
pub(crate) fn file_fault(file: &DeployedFile, end: PathEnd, accounts: &mut Accounts) -> Option<MismatchCause> {
    match end {
        PathEnd::Missing(at) => Some(MismatchCause::Missing(at)),
        PathEnd::Broken(at, why) => Some(MismatchCause::Broken(at, why.to_string())),
        PathEnd::Found(_, meta) => kind_fault(&meta)
            .or_else(|| mode_fault(&file.mode, &meta))
            .or_else(|| account_fault("owner", file.owner.as_deref(), meta.uid(), |name| accounts.user(name)))
            .or_else(|| account_fault("group", file.group.as_deref(), meta.gid(), |name| accounts.group(name))),
    }
}

fn kind_fault(meta: &Metadata) -> Option<MismatchCause> {
    let kind = meta.file_type();
    let found = match () {
        () if kind.is_file() => return None,
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Some(MismatchCause::Kind(found))
}

fn mode_fault(expected: &str, meta: &Metadata) -> Option<MismatchCause> {
    let found = meta.mode() & 0o7777;
    match u32::from_str_radix(expected, 8) {
        Ok(mode) if mode == found => None,
        Ok(_) => Some(MismatchCause::Mode { expected: expected.to_owned(), found }),
        Err(_) => Some(MismatchCause::NoMode(expected.to_owned())),
    }
}

fn account_fault(
    what: &'static str,
    expected: Option<&str>,
    found: u32,
    look: impl FnOnce(&str) -> Option<u32>,
) -> Option<MismatchCause> {
    let expected = expected?;
    match look(expected) {
        Some(id) if id == found => None,
        Some(_) => Some(MismatchCause::Account { what, expected: expected.to_owned(), found }),
        None => Some(MismatchCause::NoAccount { what, expected: expected.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn artifact(path: &Path, mode: &str, owner: Option<&str>) -> DeployedArtifact {
        let file = DeployedFile {
            path: path.display().to_string(),
            mode: mode.to_owned(),
            owner: owner.map(str::to_owned),
            group: None,
            restart_units: vec![],
            reload_units: vec![],
        };
        DeployedArtifact {
            unit: "artifact-a.service".to_owned(),
            bind_units: vec![],
            installers: vec![],
            on_target: false,
            files: [(Name::new("f").unwrap(), Box::new(file))].into(),
        }
    }

    fn cause(artifact: &DeployedArtifact) -> Option<String> {
        check(artifact, &mut Accounts::default()).first().map(ToString::to_string)
    }

    #[test]
    fn each_difference_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("f");
        let me = rustix::process::getuid().as_raw().to_string();
        let good = artifact(&path, "0400", Some(&me));
        let at = path.display();
        assert_eq!(cause(&good).unwrap(), format!("file `f` ({at}): {at} does not exist"));
        std::fs::write(&path, "x").unwrap();
        assert_eq!(cause(&good).unwrap(), format!("file `f` ({at}): expected mode 0400, found 0644"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        assert_eq!(cause(&good), None);
        assert_eq!(cause(&artifact(&path, "400", None)), None);
        assert!(
            cause(&artifact(&path, "u=r", None)).unwrap().ends_with("its declared mode `u=r` is not an octal number")
        );
        let other = artifact(&path, "0400", Some("4711"));
        assert!(cause(&other).unwrap().ends_with(&format!("expected owner 4711, found {me}")));
        let nobody = artifact(&path, "0400", Some("no-such-user"));
        assert!(cause(&nobody).unwrap().ends_with("unknown owner `no-such-user`"));
        if me == "0" {
            chown(&path, Some(4711), None).unwrap();
            assert_eq!(cause(&other), None);
        }
    }

    #[test]
    fn a_link_is_followed_and_its_end_is_what_counts() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        symlink(base.join("end"), base.join("f")).unwrap();
        let declared = artifact(&base.join("f"), "0600", None);
        assert!(cause(&declared).unwrap().ends_with(&format!("{} does not exist", base.join("end").display())));
        std::fs::create_dir(base.join("end")).unwrap();
        assert!(cause(&declared).unwrap().ends_with("expected a regular file, found a directory"));
        std::fs::remove_dir(base.join("end")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, base.join("end"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(cause(&declared).unwrap().ends_with("expected a regular file, found a pipe"));
    }
}
