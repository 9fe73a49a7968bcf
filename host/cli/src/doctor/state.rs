//! The directory of what this machine knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use artifacts_doctor::StateFacts;
use artifacts_report::Failure;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::Doctor;

/// Levels of directories that are looked into.
const LEVELS: usize = 2;

impl Doctor<'_> {
    pub(super) fn state(&self) -> Result<StateFacts, Failure> {
        let path = self.environment.state().ok_or_else(|| {
            Failure::new("", "no directory to keep accepted recipients and grants in")
                .hint(Some("set HOME or XDG_STATE_HOME"))
        })?;
        let mut denied = Vec::new();
        look(&path, LEVELS, &mut denied);
        Ok(StateFacts {
            ownership: artifacts_trust::check_ownership(&path).map_err(Failure::from),
            tracked: self.git().and_then(|git| git.tracks(&path).map_err(|warning| Failure::about("", warning))),
            mode: fs::metadata(&path).ok().map(|found| found.permissions().mode() & 0o7777),
            denied,
            path,
        })
    }
}

/// Collects what this user cannot read or write. What does not exist is none of it.
fn look(path: &Path, levels: usize, denied: &mut Vec<PathBuf>) {
    let Ok(found) = fs::symlink_metadata(path) else { return };
    let access = Access::READ_OK | Access::WRITE_OK;
    let access = if found.is_dir() { access | Access::EXEC_OK } else { access };
    if accessat(CWD, path, access, AtFlags::EACCESS).is_err() {
        denied.push(path.to_owned());
    } else if found.is_dir() && levels > 0 {
        let mut below: Vec<PathBuf> =
            fs::read_dir(path).into_iter().flatten().flatten().map(|one| one.path()).collect();
        below.sort();
        for path in &below {
            look(path, levels - 1, denied);
        }
    }
}
