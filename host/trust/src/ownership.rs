//! Who could have written what a path leads to.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::Error;

/// Largest number of symbolic links that Linux follows in one path, `path_resolution(7)`.
const MAX_LINKS: usize = 40;

/// Permission bits with which group or others may write.
const WRITABLE: u32 = 0o022;

/// Permission bit with which only the owner of a file may remove or rename it in a directory.
const STICKY: u32 = 0o1000;

/// Checks that only root and this user can have written what a path leads to.
///
/// Each directory from `/` down to the path, each symbolic link on the way and the last file belong to root or to this
/// user. Other users may write in a directory only if it is sticky, and never in a file. What does not exist yet is
/// not checked.
///
/// # Errors
/// If another user could have replaced something, or this cannot be determined.
pub fn check_ownership(path: &Path) -> Result<(), Error> {
    let failed = |path: &Path, source| Error::File { path: path.to_owned(), what: "check", source };
    let path = std::path::absolute(path).map_err(|error| failed(path, error))?;
    let mut here = PathBuf::from("/");
    check(&here, &fs::symlink_metadata(&here).map_err(|error| failed(&here, error))?)?;
    let mut rest = parts(&path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(part);
        let found = match fs::symlink_metadata(&next) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&next, error)),
        };
        check(&next, &found)?;
        if !found.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(failed(&next, rustix::io::Errno::LOOP.into()));
        }
        let target = fs::read_link(&next).map_err(|error| failed(&next, error))?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        rest.extend(parts(&target));
    }
    Ok(())
}

/// Checks one directory or file, with nothing granted to a sticky one.
pub fn check_exclusive(path: &Path, found: &Metadata) -> Result<(), Error> {
    check_owner(path, found)?;
    if found.mode() & WRITABLE != 0 { Err(writable(path, found)) } else { Ok(()) }
}

fn check(path: &Path, found: &Metadata) -> Result<(), Error> {
    if found.is_symlink() || found.is_dir() && found.mode() & STICKY != 0 {
        // The mode of a link means nothing.
        check_owner(path, found)
    } else {
        check_exclusive(path, found)
    }
}

fn check_owner(path: &Path, found: &Metadata) -> Result<(), Error> {
    if found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Error::Foreign { path: path.to_owned(), owner: found.uid() })
}

fn writable(path: &Path, found: &Metadata) -> Error {
    Error::Open { path: path.to_owned(), mode: found.mode() & 0o7777 }
}

/// Splits a path into its components, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn open(path: &Path) -> Option<PathBuf> {
        match check_ownership(path) {
            Ok(()) => None,
            Err(Error::Open { path, .. } | Error::Foreign { path, .. }) => Some(path),
            Err(error) => panic!("{error}"),
        }
    }

    /// A directory of three levels, and the path of the lowest.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let lowest = dir.path().join("one/two/three");
        fs::create_dir_all(&lowest).unwrap();
        for path in lowest.ancestors().take(3) {
            chmod(path, 0o755);
        }
        (dir, lowest)
    }

    #[test]
    fn each_directory_above_counts() {
        let (_dir, lowest) = tree();
        assert_eq!(open(&lowest), None);
        assert_eq!(open(&lowest.join("not/there/yet")), None);
        for above in lowest.ancestors().take(4) {
            for mode in [0o777, 0o775, 0o702] {
                let before = fs::metadata(above).unwrap().mode();
                chmod(above, mode);
                for path in [lowest.clone(), lowest.join("not/there/yet")] {
                    assert_eq!(open(&path).as_deref(), Some(above), "{mode:o}");
                }
                chmod(above, 0o1777);
                assert_eq!(open(&lowest), None, "sticky");
                chmod(above, before);
            }
        }
    }

    #[test]
    fn a_link_leads_to_what_is_checked_as_well() {
        let (dir, lowest) = tree();
        let (elsewhere, other) = tree();
        fs::remove_dir(&other).unwrap();
        symlink(lowest.parent().unwrap(), &other).unwrap();
        let path = other.join("three");
        assert_eq!(open(&path), None);
        chmod(&dir.path().join("one"), 0o777);
        assert_eq!(open(&path), Some(dir.path().join("one")), "where it leads to");
        chmod(&dir.path().join("one"), 0o755);
        chmod(&elsewhere.path().join("one"), 0o777);
        assert_eq!(open(&path), Some(elsewhere.path().join("one")), "where it lies");
        let up = dir.path().join("one/two/up");
        symlink("../../one/two/three", &up).unwrap();
        assert_eq!(open(&up), None);
        let round = dir.path().join("round");
        symlink("round", &round).unwrap();
        assert!(matches!(check_ownership(&round), Err(Error::File { .. })));
    }

    #[test]
    fn a_file_that_others_can_write_is_theirs() {
        let (_dir, lowest) = tree();
        let file = lowest.join("file");
        fs::write(&file, "").unwrap();
        chmod(&file, 0o644);
        assert_eq!(open(&file), None);
        for mode in [0o666, 0o664, 0o1666] {
            chmod(&file, mode);
            assert_eq!(open(&file), Some(file.clone()), "{mode:o}");
        }
    }

    #[test]
    fn another_user_s_directory_is_theirs_whatever_its_mode() {
        let (_dir, lowest) = tree();
        let above = lowest.parent().unwrap();
        // Only root can give something away.
        if chown(above, Some(65534), None).is_err() {
            return;
        }
        for mode in [0o700, 0o755, 0o1777] {
            chmod(above, mode);
            assert_eq!(open(&lowest).as_deref(), Some(above), "{mode:o}");
        }
    }
}
