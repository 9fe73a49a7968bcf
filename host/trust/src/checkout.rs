//! By what a repository is known on this machine.
//!
//! Neither by its path, which a working tree more or a move changes, nor by anything that a push can change or copy: by a random
//! number in git's own directory, which git neither sends nor receives.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use artifacts_digest::Hasher;
use rustix::fs::OFlags;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ownership::check_exclusive;

/// Length of a repository's random ID, in bytes.
const RANDOM: usize = 16;

/// Longest file that is read for it, in bytes.
const MAX_FILE: u64 = 1 << 10;

/// Identifies a root on this machine: the repository that contains it, and the root's place in its working trees.
///
/// It is the same in every working tree of the repository, and another one in every clone. Without git it is derived
/// from the path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CheckoutId(String);

impl CheckoutId {
    /// Returns the SHA-256, in hex.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn new(kind: &str, parts: [&[u8]; 2]) -> Self {
        let mut hash = Hasher::new();
        for part in [kind.as_bytes(), parts[0], parts[1]] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finish().to_string())
    }
}

impl std::fmt::Display for CheckoutId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Describes a root and the repository that contains it.
#[derive(Debug, Clone)]
pub struct Checkout {
    root: PathBuf,
    git: Option<InGit>,
}

#[derive(Debug, Clone)]
struct InGit {
    common_dir: PathBuf,
    /// Path of the root in the working tree.
    inside: PathBuf,
}

impl Checkout {
    /// Describes a root outside of git, by its absolute path without symbolic links.
    pub fn at_path(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), git: None }
    }

    /// Describes a root in a working tree of the repository with this common directory (`git rev-parse
    /// --git-common-dir`). All paths are absolute and without symbolic links.
    pub fn in_repository(root: impl Into<PathBuf>, work_tree: &Path, common_dir: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let inside = root.strip_prefix(work_tree).map(Path::to_owned).ok();
        let git = inside.map(|inside| InGit { common_dir: common_dir.into(), inside });
        Self { root, git }
    }

    /// Returns the path of the root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the identity, if it has one yet. Writes nothing.
    ///
    /// # Errors
    /// If the repository's ID cannot be read, or another user could have written it.
    pub fn id(&self) -> Result<Option<CheckoutId>, Error> {
        let Some(git) = &self.git else { return Ok(Some(self.of_path())) };
        Ok(read(&git.file())?.map(|number| git.id(&number)))
    }

    /// Returns the identity, and creates the repository's ID if there is none.
    ///
    /// # Errors
    /// As [`Checkout::id`], and if git's directory cannot be written.
    pub fn id_or_new(&self) -> Result<CheckoutId, Error> {
        let Some(git) = &self.git else { return Ok(self.of_path()) };
        let file = git.file();
        let number = match read(&file)? {
            Some(number) => number,
            None => create(&git.common_dir, &file)?,
        };
        Ok(git.id(&number))
    }

    fn of_path(&self) -> CheckoutId {
        CheckoutId::new("path", [self.root.as_os_str().as_bytes(), b""])
    }

    /// Returns the paths of the root in all working trees of the repository, its own first.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.root.clone()];
        if let Some(git) = &self.git {
            // Not over a symbolic link: one that is committed there, or made where a working tree was, leads to what is another's.
            let real = |root: PathBuf| root.canonicalize().ok().filter(|real| *real == root);
            let roots = git.work_trees().into_iter().filter_map(|tree| real(tree.join(&git.inside)));
            paths.extend(roots.filter(|root| *root != self.root).collect::<BTreeSet<_>>());
        }
        paths
    }
}

impl InGit {
    /// Returns the file with the repository's ID. Each user has a separate one that no other user can read: who knows
    /// the ID of a repository could pass another one off as it.
    fn file(&self) -> PathBuf {
        self.common_dir.join(format!("artifacts-id-{}", rustix::process::geteuid().as_raw()))
    }

    fn id(&self, number: &str) -> CheckoutId {
        CheckoutId::new("git", [number.as_bytes(), self.inside.as_os_str().as_bytes()])
    }

    /// Returns the working trees that git knows and that exist.
    fn work_trees(&self) -> Vec<PathBuf> {
        let main = self.common_dir.parent().filter(|_| self.common_dir.ends_with(".git")).map(Path::to_owned);
        let linked =
            fs::read_dir(self.common_dir.join("worktrees")).into_iter().flatten().flatten().filter_map(|entry| {
                let named = fs::read(entry.path().join("gitdir")).ok()?;
                // Relative to the entry, if git was reported so.
                let dot_git = without_dots(&entry.path().join(std::ffi::OsStr::from_bytes(named.trim_ascii_end())));
                dot_git.parent().map(Path::to_owned)
            });
        main.into_iter().chain(linked).collect()
    }
}

/// Removes `.` and `..` from a path without looking at the file system.
fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

/// Reads a repository's ID; `None` if there is none.
fn read(file: &Path) -> Result<Option<String>, Error> {
    let failed = |source| Error::File { path: file.to_owned(), what: "read", source };
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let open = match fs::File::options().read(true).custom_flags(flags.bits().cast_signed()).open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let found = open.metadata().map_err(failed)?;
    check_exclusive(file, &found)?;
    let mut text = String::new();
    let regular = found.is_file() && found.len() <= MAX_FILE;
    if regular && io::Read::read_to_string(&mut &open, &mut text).is_err() {
        text.clear();
    }
    let number = text.trim_ascii_end();
    if number.len() == 2 * RANDOM && number.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(Some(number.to_owned()));
    }
    Err(Error::Damaged {
        path: file.to_owned(),
        why: format!("expected {} hexadecimal digits", 2 * RANDOM),
        lost: "this repository counts as one that this machine does not know yet, and its recipients are asked about again",
    })
}

/// Gives the repository a number, or finds the one that another run gave it at the same time.
fn create(dir: &Path, file: &Path) -> Result<String, Error> {
    let failed = |source| Error::File { path: file.to_owned(), what: "write", source };
    let mut random = [0; RANDOM];
    let mut filled = 0;
    while let Some(rest) = random.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty()).map_err(|error| failed(error.into()))?;
    }
    let number = format!("{:032x}", u128::from_be_bytes(random));
    let mut new = tempfile::Builder::new().prefix("artifacts-id-new-").tempfile_in(dir).map_err(failed)?;
    writeln!(new, "{number}").and_then(|()| new.as_file().sync_all()).map_err(failed)?;
    match new.persist_noclobber(file) {
        Ok(_) => {
            fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
            Ok(number)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            read(file)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
        }
        Err(error) => Err(failed(error.error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use artifacts_text::Explain as _;

    use super::*;

    /// A repository with a working tree beside it, by hand.
    fn repository() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        for path in ["main/.git/worktrees/wt", "main/nixos", "wt/nixos"] {
            fs::create_dir_all(top.join(path)).unwrap();
        }
        fs::write(top.join("wt/.git"), format!("gitdir: {}\n", top.join("main/.git/worktrees/wt").display())).unwrap();
        fs::write(top.join("main/.git/worktrees/wt/gitdir"), format!("{}\n", top.join("wt/.git").display())).unwrap();
        (dir, top)
    }

    fn checkout(top: &Path, work_tree: &str, root: &str) -> Checkout {
        let work_tree = top.join(work_tree);
        Checkout::in_repository(work_tree.join(root), &work_tree, top.join("main/.git"))
    }

    #[test]
    fn a_repository_is_the_same_in_each_working_tree_and_after_a_move_and_another_one_in_a_clone() {
        let (_dir, top) = repository();
        let main = checkout(&top, "main", "nixos");
        assert_eq!(main.id().unwrap(), None, "looking writes nothing");
        assert_eq!(fs::read_dir(top.join("main/.git")).unwrap().count(), 1);
        let id = main.id_or_new().unwrap();
        assert_eq!(main.id_or_new().unwrap(), id);
        assert_eq!(checkout(&top, "wt", "nixos").id().unwrap(), Some(id.clone()));
        assert_ne!(checkout(&top, "main", "").id().unwrap(), Some(id.clone()), "another root");
        let (_other, other) = repository();
        assert_ne!(checkout(&other, "main", "nixos").id_or_new().unwrap(), id, "another clone");
        fs::rename(top.join("main"), top.join("moved")).unwrap();
        let moved = Checkout::in_repository(top.join("moved/nixos"), &top.join("moved"), top.join("moved/.git"));
        assert_eq!(moved.id().unwrap(), Some(id));
    }

    #[test]
    fn without_git_it_is_the_path() {
        let one = Checkout::at_path("/one").id().unwrap();
        assert_eq!(Checkout::at_path("/one").id_or_new().unwrap(), one.clone().unwrap());
        assert_ne!(Checkout::at_path("/two").id().unwrap(), one);
        let outside = Checkout::in_repository("/one", Path::new("/tree"), "/tree/.git");
        assert_eq!(outside.id().unwrap(), one, "a root that is in no working tree");
    }

    #[test]
    fn two_runs_at_once_agree_on_one_number() {
        let (_dir, top) = repository();
        let ids: Vec<CheckoutId> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                (0..8).map(|_| scope.spawn(|| checkout(&top, "main", "").id_or_new().unwrap())).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let left: Vec<_> = fs::read_dir(top.join("main/.git")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        let file = left.iter().find(|path| !path.ends_with("worktrees")).unwrap();
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_number_that_is_torn_foreign_or_open_to_others_is_an_error_that_names_it() {
        let (_dir, top) = repository();
        let main = checkout(&top, "main", "");
        main.id_or_new().unwrap();
        let file = main.git.as_ref().unwrap().file();
        let good = fs::read_to_string(&file).unwrap();
        for torn in [
            "",
            "0123",
            &good[1..],
            &format!("{good}more"),
            &good.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
        ] {
            fs::write(&file, torn).unwrap();
            for error in [main.id().unwrap_err(), main.id_or_new().unwrap_err()] {
                assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
                assert!(error.hint().unwrap().contains("asked about again"), "{torn}");
            }
        }
        fs::write(&file, &good).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o660)).unwrap();
        assert!(matches!(main.id(), Err(Error::Open { .. })));
        fs::rename(&file, top.join("elsewhere")).unwrap();
        symlink(top.join("elsewhere"), &file).unwrap();
        assert!(matches!(main.id(), Err(Error::File { .. })));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(main.id_or_new().is_err());
    }

    #[test]
    fn the_paths_are_those_in_all_working_trees() {
        let (_dir, top) = repository();
        let both = [top.join("main/nixos"), top.join("wt/nixos")];
        assert_eq!(checkout(&top, "main", "nixos").paths(), both);
        assert_eq!(checkout(&top, "wt", "nixos").paths(), [both[1].clone(), both[0].clone()]);
        assert_eq!(Checkout::at_path("/one").paths(), [PathBuf::from("/one")]);
    }
}
