//! Which git repository holds a directory, found by its `.git` alone.
//!
//! Git's own discovery takes every directory that looks like a repository for one, also one that a push planted. Git refuses to
//! check out anything named `.git`, so only that name counts here; and what a `.git` file names has to agree to it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// Represents a repository and one of its working trees. All paths are absolute and without symbolic links.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    /// Top of the working tree.
    pub work_tree: PathBuf,
    /// Directory of this working tree alone, with `HEAD` and the index.
    pub git_dir: PathBuf,
    /// Directory that all working trees share, with objects and configuration. Equal to `git_dir` if there is one
    /// working tree.
    pub common_dir: PathBuf,
}

/// Name that git reserves for itself.
const DOT_GIT: &str = ".git";
/// Longest pointer or configuration that is read, in bytes.
const MAX_TEXT: u64 = 1 << 20;

impl Repository {
    /// Finds the repository whose working tree contains a path, which need not exist. `None` outside of git.
    ///
    /// A `.git` file (working trees, submodules) counts if its repository names this working tree in turn, or if there
    /// is no other repository above it. What it names is never among the files of a repository above.
    ///
    /// # Errors
    /// If the repository belongs to another user (neither this one nor root), or its `.git` differs from what git
    /// creates.
    pub fn containing(path: &Path) -> Result<Option<Self>, Error> {
        Self::containing_or(path, &|_| false)
    }

    /// Does the same; `is_trusted` names working trees whose owner does not matter.
    pub(crate) fn containing_or(path: &Path, is_trusted: &dyn Fn(&Path) -> bool) -> Result<Option<Self>, Error> {
        let start = existing(path)?;
        for work_tree in start.ancestors() {
            if let Some(repository) = Self::at(work_tree, is_trusted)? {
                return Ok(Some(repository));
            }
        }
        Ok(None)
    }

    /// Finds the repository above the working tree, of which this one may be a submodule.
    ///
    /// # Errors
    /// As [`Repository::containing`].
    pub fn above(&self) -> Result<Option<Self>, Error> {
        self.work_tree.parent().map_or(Ok(None), Self::containing)
    }

    /// Opens the repository whose working tree has this top.
    fn at(work_tree: &Path, is_trusted: &dyn Fn(&Path) -> bool) -> Result<Option<Self>, Error> {
        let dot_git = work_tree.join(DOT_GIT);
        let Some(found) = looked(&dot_git)? else { return Ok(None) };
        let named = if found.is_dir() { dot_git.clone() } else { pointed(&dot_git, &found)? };
        let Ok(git_dir) = named.canonicalize() else {
            return Err(invalid(&dot_git, format!("`{}` does not exist", named.display())));
        };
        let common_dir = common_dir(&git_dir)?;
        if !is_repository(&git_dir, &common_dir) {
            // Git passes over such a directory, but not over such a file.
            return if found.is_dir() { Ok(None) } else { Err(invalid(&dot_git, "it names no git repository")) };
        }
        let repository = Self { work_tree: work_tree.to_owned(), git_dir, common_dir };
        let owned = repository.check_owner(&dot_git, found.uid());
        if owned.is_err() && !is_trusted(work_tree) {
            owned?;
        }
        if !found.is_dir() {
            repository.check_pointer(&dot_git)?;
        }
        Ok(Some(repository))
    }

    /// Rejects the repository of another user, who could have made it to be found.
    fn check_owner(&self, dot_git: &Path, owner: u32) -> Result<(), Error> {
        check_owner(dot_git, owner)?;
        for dir in [&self.git_dir, &self.common_dir] {
            let owner = fs::metadata(dir).map_err(|error| Error::io(dir.to_string_lossy(), "read", error))?.uid();
            check_owner(dir, owner)?;
        }
        Ok(())
    }

    /// Checks a `.git` file, which could name any repository of this user.
    fn check_pointer(&self, dot_git: &Path) -> Result<(), Error> {
        let Some(above) = self.above()? else { return Ok(()) };
        if above.common_dir == self.common_dir {
            return Ok(());
        }
        for dir in [&self.git_dir, &self.common_dir] {
            // Files of the repository above can have any content, but none of them is below a `.git`.
            if let Ok(below) = dir.strip_prefix(&above.work_tree)
                && !below.iter().any(|part| part == DOT_GIT)
            {
                let why = format!("it names `{}`, which is a part of the repository above", dir.display());
                return Err(invalid(dot_git, why));
            }
        }
        if self.names(dot_git) {
            return Ok(());
        }
        Err(invalid(dot_git, format!("`{}` belongs to another working tree", self.git_dir.display())))
    }

    /// Returns whether the repository names the working tree in turn, as `git worktree` and `git submodule` arrange
    /// it.
    fn names(&self, dot_git: &Path) -> bool {
        let same =
            |named: &OsStr, as_is: &Path| self.git_dir.join(named).canonicalize().is_ok_and(|path| path == as_is);
        let back = text(&self.git_dir.join("gitdir"));
        if back.is_some_and(|back| same(OsStr::from_bytes(back.trim_ascii_end()), dot_git)) {
            return true;
        }
        let configured = ["config", "config.worktree"].into_iter().filter_map(|name| text(&self.git_dir.join(name)));
        let mut work_trees = configured.filter_map(|config| configured_work_tree(&String::from_utf8_lossy(&config)));
        work_trees.any(|named| same(OsStr::new(&named), &self.work_tree))
    }
}

/// Resolves the part of a path that exists, without symbolic links.
fn existing(path: &Path) -> Result<PathBuf, Error> {
    for path in path.ancestors() {
        match path.canonicalize() {
            Ok(found) => return Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(path.to_string_lossy(), "find", error)),
        }
    }
    Err(Error::io(path.to_string_lossy(), "find", io::Error::from(io::ErrorKind::NotFound)))
}

fn looked(path: &Path) -> Result<Option<fs::Metadata>, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io(path.to_string_lossy(), "read", error)),
    }
}

/// Returns what a `.git` that is not a directory names.
fn pointed(dot_git: &Path, found: &fs::Metadata) -> Result<PathBuf, Error> {
    if found.is_symlink() {
        return Ok(dot_git.to_owned());
    }
    let text = text(dot_git).ok_or_else(|| invalid(dot_git, "it is neither a directory nor a small file"))?;
    let Some(named) = text.strip_prefix(b"gitdir: ") else {
        return Err(invalid(dot_git, "it does not begin with `gitdir: `"));
    };
    let named = Path::new(OsStr::from_bytes(named.trim_ascii_end()));
    Ok(dot_git.parent().unwrap_or(dot_git).join(named))
}

/// Returns the directory that the working trees share.
fn common_dir(git_dir: &Path) -> Result<PathBuf, Error> {
    let Some(text) = text(&git_dir.join("commondir")) else { return Ok(git_dir.to_owned()) };
    let named = git_dir.join(OsStr::from_bytes(text.trim_ascii_end()));
    named.canonicalize().map_err(|error| Error::io(named.to_string_lossy(), "find git's common directory", error))
}

/// Returns whether git accepts the directories as a repository.
fn is_repository(git_dir: &Path, common_dir: &Path) -> bool {
    git_dir.join("HEAD").symlink_metadata().is_ok_and(|head| head.is_file() || head.is_symlink())
        && common_dir.join("objects").is_dir()
        && common_dir.join("refs").is_dir()
}

fn check_owner(path: &Path, owner: u32) -> Result<(), Error> {
    let user = rustix::process::geteuid().as_raw();
    if owner == 0 || owner == user {
        return Ok(());
    }
    Err(Error::RepositoryOwner { path: path.to_owned(), owner, user })
}

fn invalid(path: &Path, why: impl Into<String>) -> Error {
    Error::RepositoryInvalid { path: path.to_owned(), why: why.into() }
}

/// Reads a small regular file.
fn text(path: &Path) -> Option<Vec<u8>> {
    let found = fs::metadata(path).ok()?;
    (found.is_file() && found.len() <= MAX_TEXT).then(|| fs::read(path).ok()).flatten()
}

/// Returns `core.worktree` of a configuration, in the form that git writes.
fn configured_work_tree(config: &str) -> Option<String> {
    let mut in_core = false;
    let mut named = None;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            in_core = line.eq_ignore_ascii_case("[core]");
        } else if let Some((key, value)) = line.split_once('=')
            && in_core
            && key.trim().eq_ignore_ascii_case("worktree")
        {
            named = Some(unquoted(value.trim()));
        }
    }
    named
}

fn unquoted(value: &str) -> String {
    let mut plain = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {}
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    fn git(dir: &Path, arguments: &[&str]) {
        let settings = ["user.name=t", "user.email=t@t", "protocol.file.allow=always"];
        let output = Command::new("git")
            .args(settings.into_iter().flat_map(|setting| ["-c", setting]))
            .args(arguments)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A directory with a repository in `main` that has one commit.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir(top.join("main")).unwrap();
        git(&top.join("main"), &["init", "-q"]);
        git(&top.join("main"), &["commit", "-q", "--allow-empty", "-m", "one"]);
        (dir, top)
    }

    fn found(path: &Path) -> Option<Repository> {
        Repository::containing(path).unwrap()
    }

    #[test]
    fn a_repository_is_found_above_a_path_that_does_not_exist_yet() {
        let (_dir, top) = place();
        let main = top.join("main");
        let repository = found(&main.join("secrets/per-machine/web1/a")).unwrap();
        assert_eq!(repository.work_tree, main);
        assert_eq!((&repository.git_dir, &repository.common_dir), (&main.join(".git"), &main.join(".git")));
        // Above the test's own directory there may be one, but it is not this one.
        assert_ne!(found(&top).map(|other| other.git_dir), Some(repository.git_dir));
    }

    #[test]
    fn linked_working_trees_and_submodules_are_found_by_their_own_git_file() {
        let (_dir, top) = place();
        let main = top.join("main");
        git(&main, &["worktree", "add", "-q", "../linked"]);
        git(&main, &["worktree", "add", "-q", "inside"]);
        for linked in [top.join("linked"), main.join("inside")] {
            let repository = found(&linked).unwrap();
            assert_eq!(repository.work_tree, linked);
            assert_eq!(repository.common_dir, main.join(".git"));
            assert!(repository.git_dir.starts_with(main.join(".git/worktrees")));
        }

        let other = top.join("other");
        git(&top, &["clone", "-q", "main", "other"]);
        git(&main, &["submodule", "--quiet", "add", other.to_str().unwrap(), "secrets"]);
        let submodule = found(&main.join("secrets/shared")).unwrap();
        assert_eq!(submodule.work_tree, main.join("secrets"));
        assert_eq!(submodule.git_dir, main.join(".git/modules/secrets"));
        assert_eq!(submodule.above().unwrap().unwrap().work_tree, main);
    }

    #[test]
    fn a_bare_repository_with_working_trees_beside_it_is_found() {
        let (_dir, top) = place();
        let project = top.join("project");
        fs::create_dir(&project).unwrap();
        git(&top, &["clone", "-q", "--bare", "main", "project/.bare"]);
        fs::write(project.join(".git"), "gitdir: ./.bare\n").unwrap();
        git(&project, &["worktree", "add", "-q", "tree"]);
        assert_eq!(found(&project.join("tree")).unwrap().common_dir, project.join(".bare"));
    }

    #[test]
    fn what_looks_like_a_bare_repository_counts_for_nothing() {
        let (_dir, top) = place();
        let planted = top.join("main/secrets/per-machine/web1/a");
        fs::create_dir_all(&planted).unwrap();
        git(&planted, &["init", "-q", "--bare", "."]);
        assert_eq!(found(&planted).unwrap().work_tree, top.join("main"));
    }

    #[test]
    fn a_planted_git_file_is_an_error() {
        let (_dir, top) = place();
        let main = top.join("main");
        let secrets = main.join("secrets");
        fs::create_dir(&secrets).unwrap();
        git(&secrets, &["init", "-q", "--bare", "evil"]);
        fs::create_dir(top.join("other")).unwrap();
        git(&top.join("other"), &["init", "-q"]);
        git(&main, &["worktree", "add", "-q", "../linked"]);
        // One that even names the working tree in turn.
        git(&secrets.join("evil"), &["config", "core.worktree", secrets.to_str().unwrap()]);
        git(&secrets.join("evil"), &["config", "core.bare", "false"]);
        let other = top.join("other/.git").display().to_string();
        for names in ["evil", &other, "/nowhere", ""] {
            fs::write(secrets.join(".git"), format!("gitdir: {names}\n")).unwrap();
            let error = Repository::containing(&secrets.join("shared")).unwrap_err();
            assert!(matches!(error, Error::RepositoryInvalid { .. }), "{names}: {error}");
        }
        fs::write(secrets.join(".git"), "garbage").unwrap();
        assert!(Repository::containing(&secrets).is_err());
        fs::remove_file(secrets.join(".git")).unwrap();
        std::os::unix::fs::symlink("evil", secrets.join(".git")).unwrap();
        assert!(Repository::containing(&secrets).is_err());
    }

    #[test]
    fn an_empty_git_directory_is_passed_over_as_git_does() {
        let (_dir, top) = place();
        fs::create_dir_all(top.join("main/sub/.git")).unwrap();
        assert_eq!(found(&top.join("main/sub")).unwrap().work_tree, top.join("main"));
    }

    #[test]
    fn a_repository_of_another_user_is_an_error() {
        let user = rustix::process::geteuid().as_raw();
        assert!(check_owner(Path::new("/x"), user).is_ok());
        assert!(check_owner(Path::new("/x"), 0).is_ok());
        let error = check_owner(Path::new("/x"), user + 1).unwrap_err();
        assert!(matches!(error, Error::RepositoryOwner { .. }), "{error}");
    }
}
