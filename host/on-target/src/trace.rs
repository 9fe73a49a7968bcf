//! Following a path as the kernel would, and telling each step.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{Metadata, read_link, symlink_metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Where a path led.
#[derive(Debug)]
pub enum PathEnd {
    /// To something that is no link.
    Found(PathBuf, Metadata),
    /// To a name that is not there.
    Missing(PathBuf),
    /// Nowhere, for another reason.
    Broken(PathBuf, io::Error),
}

/// Follows `path`. Each name is reported with its directory, itself without links, *before* it is looked up: anyone who starts to
/// watch the directory then misses no change.
pub fn trace(path: &Path, mut tell: impl FnMut(&Path, &OsStr)) -> PathEnd {
    let mut here = PathBuf::from("/");
    let mut rest = VecDeque::new();
    let mut links = 0;
    let mut last = None;
    if !path.is_absolute() {
        return PathEnd::Broken(path.to_owned(), io::Error::new(io::ErrorKind::InvalidInput, "not absolute"));
    }
    prepend(&mut rest, path);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        tell(&here, &name);
        let next = here.join(&name);
        let meta = match symlink_metadata(&next) {
            Ok(meta) => meta,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return PathEnd::Missing(next),
            Err(why) => return PathEnd::Broken(next, why),
        };
        if meta.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return PathEnd::Broken(next, io::Error::from_raw_os_error(rustix::io::Errno::LOOP.raw_os_error()));
            }
            match read_link(&next) {
                Ok(to) => {
                    if to.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    prepend(&mut rest, &to);
                }
                Err(why) if why.kind() == io::ErrorKind::NotFound => return PathEnd::Missing(next),
                Err(why) => return PathEnd::Broken(next, why),
            }
        } else {
            here = next;
            last = Some(meta);
        }
    }
    match last.map_or_else(|| symlink_metadata(&here), Ok) {
        Ok(meta) => PathEnd::Found(here, meta),
        Err(why) => PathEnd::Broken(here, why),
    }
}

/// Puts the components of a path before what is left to walk.
pub(crate) fn prepend(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::symlink;

    fn steps(path: &Path, base: &Path) -> (Vec<String>, PathEnd) {
        let mut steps = Vec::new();
        let end = trace(path, |directory, name| {
            if let Ok(below) = directory.strip_prefix(base) {
                steps.push(below.join(name).display().to_string());
            }
        });
        (steps, end)
    }

    #[test]
    fn the_farm_of_links_is_told_step_by_step() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(base.join("d/7/attic")).unwrap();
        std::fs::create_dir(base.join("artifacts")).unwrap();
        symlink("d/7", base.join("agenix")).unwrap();
        std::fs::write(base.join("d/7/attic/env"), "x").unwrap();
        symlink(base.join("agenix/attic/env"), base.join("artifacts/env")).unwrap();
        let (told, end) = steps(&base.join("artifacts/env"), &base);
        assert!(matches!(end, PathEnd::Found(at, meta) if at == base.join("d/7/attic/env") && meta.len() == 1));
        assert_eq!(told, ["artifacts", "artifacts/env", "agenix", "d", "d/7", "d/7/attic", "d/7/attic/env"]);
        std::fs::remove_file(base.join("agenix")).unwrap();
        let (told, end) = steps(&base.join("artifacts/env"), &base);
        assert!(matches!(end, PathEnd::Missing(at) if at == base.join("agenix")));
        assert_eq!(told, ["artifacts", "artifacts/env", "agenix"]);
    }

    #[test]
    fn a_circle_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(matches!(trace(&dir.path().join("a"), |_, _| ()), PathEnd::Broken(..)));
    }

    #[test]
    fn a_file_in_the_way_and_a_relative_path_are_broken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "").unwrap();
        assert!(matches!(trace(&dir.path().join("f/x"), |_, _| ()), PathEnd::Broken(..)));
        assert!(matches!(trace(Path::new("f"), |_, _| ()), PathEnd::Broken(..)));
    }

    #[test]
    fn it_ends_where_the_kernel_ends() {
        for path in ["/", "/proc/self/../..", "/etc/../etc/passwd", "/bin/sh"] {
            let PathEnd::Found(at, _) = trace(Path::new(path), |_, _| ()) else { panic!("{path}") };
            assert_eq!(at, Path::new(path).canonicalize().unwrap());
        }
    }
}
