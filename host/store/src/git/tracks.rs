//! Finds what git tracks of a path that only this user should write.

use std::path::{Component, Path, PathBuf};

use super::view::View;
use super::{Git, Warning, run, words};
use crate::{Error, Repository};

/// Limit for components and symbolic links of a path.
const MAX_STEPS: usize = 4096;

impl Git {
    /// Finds what a repository tracks of a path that only this user should write: a file at or below it, or a symbolic
    /// link or submodule that leads there. Anyone who can push decides its content. The path is absolute and need not
    /// exist.
    ///
    /// # Errors
    /// If that cannot be determined.
    pub fn tracks(&self, path: &Path) -> Result<Option<PathBuf>, Warning> {
        let mut here = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = parts(path);
        for _ in 0..MAX_STEPS {
            let Some(part) = rest.pop() else { return self.tracks_at(&here) };
            if part == Path::new("..") {
                here.pop();
                continue;
            }
            let next = here.join(part);
            let Ok(target) = std::fs::read_link(&next) else {
                here = next;
                continue;
            };
            if let Some(found) = self.tracks_at(&next)? {
                return Ok(Some(found));
            }
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        }
        Err(Error::io(path.to_string_lossy(), "find", rustix::io::Errno::LOOP).into())
    }

    /// Does the same for a path whose directory is not reached over a symbolic link.
    fn tracks_at(&self, path: &Path) -> Result<Option<PathBuf>, Warning> {
        let Some(directory) = path.parent() else { return Ok(None) };
        // What is not there yet may come to be in the repository above.
        let inner = if path.is_symlink() { directory } else { path };
        let repository = match Repository::containing(inner) {
            Ok(Some(repository)) => repository,
            Ok(None) | Err(Error::RepositoryOwner { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Ok(below) = path.strip_prefix(&repository.work_tree) else { return Ok(None) };
        let top = below.iter().next().unwrap_or_else(|| ".".as_ref());
        let view = View::open(self, &repository)?;
        let found = run(view.command().args(["ls-files", "-z", "--"]).arg(top), b"")?;
        let mut found = words(&found).map(PathBuf::from);
        let is_it = |tracked: &PathBuf| tracked.starts_with(below) || below.starts_with(tracked);
        Ok(found.find(is_it).map(|tracked| repository.work_tree.join(tracked)))
    }
}

/// Splits a path into its components, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<PathBuf> = named.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}
