use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use rustix::io::Errno;

/// Symbolic links in a path that are followed: as many as the kernel follows.
const LINKS: usize = 40;

/// Tells where a path of the Nix store really is, which is another place if the store has a root of its own
/// (`--store local?root=DIR`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorePath {
    /// The path as programs in the store name it.
    pub path: PathBuf,
    /// The path on this machine.
    pub real: PathBuf,
}

impl From<PathBuf> for StorePath {
    /// Takes a path that is what it says.
    fn from(path: PathBuf) -> Self {
        Self { real: path.clone(), path }
    }
}

/// Returns where a path really is, with these store paths.
pub fn real(path: &Path, store: &[StorePath]) -> PathBuf {
    let below = |one: &StorePath| {
        let rest = path.strip_prefix(&one.path).ok()?;
        // Joining an empty path would add a slash.
        Some(if rest.as_os_str().is_empty() { one.real.clone() } else { one.real.join(rest) })
    };
    store.iter().find_map(below).unwrap_or_else(|| path.to_owned())
}

/// Follows all symbolic links of an absolute path, as a program does that sees these store paths where they say they
/// are. The result is a path of the same view.
///
/// # Errors
/// If it does not exist.
pub fn follow(path: &Path, store: &[StorePath]) -> io::Result<PathBuf> {
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().to_owned()).collect::<Vec<OsString>>();
    let (mut done, mut links) = (PathBuf::from("/"), 0);
    let mut rest = VecDeque::from(parts(path));
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => drop(done.pop()),
            Some(Component::Normal(name)) => {
                let next = done.join(name);
                match link(&next, store)? {
                    None => done = next,
                    Some(_) if links == LINKS => return Err(Errno::LOOP.into()),
                    Some(target) => {
                        links += 1;
                        parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
                    }
                }
            }
            Some(Component::RootDir) => done = PathBuf::from("/"),
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    Ok(done)
}

/// Returns what a symbolic link names; `None` for anything else.
fn link(path: &Path, store: &[StorePath]) -> io::Result<Option<PathBuf>> {
    // What is above a store path need not exist on this machine.
    if store.iter().any(|one| one.path != path && one.path.starts_with(path)) {
        return Ok(None);
    }
    match fs::read_link(real(path, store)) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    /// Store paths of a store that is at `/nix/store` only inside.
    fn store(dir: &Path, names: &[&str]) -> Vec<StorePath> {
        let path = |name: &&str| StorePath { path: Path::new("/no/such/store").join(name), real: dir.join(name) };
        names.iter().map(path).collect()
    }

    #[test]
    fn links_are_followed_where_the_store_says_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("a/bin")).unwrap();
        fs::write(at("a/bin/g"), "").unwrap();
        symlink("/no/such/store/a", at("b")).unwrap();
        symlink("../b/bin/../bin/g", at("a/r")).unwrap();
        symlink("/no/such/store/b/bin/g", at("outside")).unwrap();
        symlink("/no/such/store/l", at("l")).unwrap();
        let store = store(dir.path(), &["a", "b", "l"]);
        let followed = |path: &str| follow(Path::new(path), &store).unwrap();
        for path in ["/no/such/store/a/bin/g", "/no/such/store/b/bin/g", "/no/such/store/a/r", "/no/such/store/b/r"] {
            assert_eq!(followed(path), Path::new("/no/such/store/a/bin/g"), "{path}");
        }
        let outside = at("outside");
        assert_eq!(followed(outside.to_str().unwrap()), Path::new("/no/such/store/a/bin/g"));
        assert_eq!(real(&followed("/no/such/store/b/r"), &store), at("a/bin/g"));
        assert_eq!(real(Path::new("/no/such/store/b"), &store), at("b"));
        let fails = |path: &str| follow(Path::new(path), &store).unwrap_err().raw_os_error();
        assert_eq!(fails("/no/such/store/a/none"), Some(Errno::NOENT.raw_os_error()));
        assert_eq!(fails("/no/such/store/unknown"), Some(Errno::NOENT.raw_os_error()), "it is not in the closure");
        assert_eq!(fails("/no/such/store/l"), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn without_a_store_it_is_what_the_kernel_does() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/f"), "").unwrap();
        symlink("d/../d", dir.join("l")).unwrap();
        symlink(dir.join("l/f"), dir.join("m")).unwrap();
        for path in ["d/f", "l/f", "m", "l/./../m", "d"].map(|path| dir.join(path)) {
            assert_eq!(follow(&path, &[]).unwrap(), path.canonicalize().unwrap(), "{}", path.display());
        }
        assert!(follow(&dir.join("d/f/x"), &[]).is_err());
    }
}
