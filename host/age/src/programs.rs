//! Programs that hold or print keys: they are the caller's, and never the repository's.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Finds programs in the directories of a search path that are outside of a repository.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    dirs: Vec<PathBuf>,
    repository: Vec<PathBuf>,
}

impl Programs {
    /// Takes a search path as `PATH` has it, of which absolute directories count, and the directories of the repository, which are
    /// without symbolic links.
    pub fn new(search_path: &OsStr, repository: Vec<PathBuf>) -> Self {
        let mut programs = Self { dirs: Vec::new(), repository };
        let dirs = std::env::split_paths(search_path).filter(|dir| dir.is_absolute() && programs.is_outside(dir));
        programs.dirs = dirs.collect();
        programs
    }

    /// Returns the first program of this name that is outside of the repository, also where a link leads to it.
    pub fn find(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        self.dirs.iter().map(|dir| dir.join(&name)).find(|program| program.is_file() && self.is_outside(program))
    }

    /// Returns the programs whose names begin like this, by the rest of their names, as [`Programs::find`] finds them.
    pub fn beginning_with(&self, begin: &str) -> BTreeSet<String> {
        let listed = self.dirs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten();
        let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let rests = names.filter_map(|name| Some(name.strip_prefix(begin)?.to_owned()));
        rests.filter(|rest| self.find(format!("{begin}{rest}")).is_some()).collect()
    }

    /// Returns whether a path exists, and what it leads to is outside of the repository.
    pub fn is_outside(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|real| !self.repository.iter().any(|top| real.starts_with(top)))
    }

    /// Returns the search path of what is run: it has no directory of the repository.
    pub fn search_path(&self) -> OsString {
        // What was split can be joined.
        std::env::join_paths(&self.dirs).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_program_of_the_repository_is_found() {
        let (repository, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (own, link) = (repository.path().join("bin"), bin.path().join("link"));
        std::fs::create_dir(&own).unwrap();
        symlink(&own, &link).unwrap();
        for program in [own.join("its"), own.join("both"), bin.path().join("mine")] {
            std::fs::write(program, "").unwrap();
        }
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("both"), "").unwrap();
        symlink(own.join("its"), bin.path().join("its")).unwrap();
        symlink(own.join("both"), bin.path().join("both")).unwrap();
        let dirs = [&own, &link, Path::new("bin"), Path::new("/nowhere"), bin.path(), other.path()];
        let path = std::env::join_paths(dirs).unwrap();
        let programs = Programs::new(&path, vec![repository.path().canonicalize().unwrap()]);
        assert_eq!(programs.find("mine"), Some(bin.path().join("mine")));
        assert_eq!(programs.find("its"), None);
        assert_eq!(programs.beginning_with("m"), BTreeSet::from(["ine".to_owned()]));
        assert_eq!(programs.beginning_with("it"), BTreeSet::new(), "the repository's");
        assert_eq!(programs.find("both"), Some(other.path().join("both")), "of the same name, elsewhere");
        let kept = std::env::join_paths([bin.path(), other.path()]).unwrap();
        assert_eq!(programs.search_path(), kept, "nor by what is run");
    }
}
