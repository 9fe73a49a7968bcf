//! Finds the last version of an entry that git has and that is as its receipt says.

use std::collections::BTreeMap;
use std::path::Path;

use artifacts_declared::InstanceName;

use super::tree::{self, Group};
use super::view::View;
use super::{Git, Warning, run, words};
use crate::names::{PUBLIC, RECEIPT};
use crate::{MAX_RECEIPT, MAX_TOTAL, Receipt, Repository, Root, StoredFile};

/// So many commits that changed an entry are looked at, the newest first.
const COMMITS: &str = "8";
/// Digits of a commit's name in a command.
const SHORT: usize = 12;

/// Maps the files of a version of an entry, by path relative to the entry, to their object names.
type Objects = BTreeMap<String, String>;

impl Git {
    /// Returns the commands that bring back these entries of a storage (by its path) as this program stored them last: from git's
    /// index, otherwise from one of the last commits. What git has in no such version, or cannot tell, is left out. Writes nothing.
    pub fn last_intact<'n>(
        &self,
        root: &Root,
        storage: &str,
        names: impl IntoIterator<Item = &'n InstanceName>,
    ) -> BTreeMap<InstanceName, String> {
        let by_path = names.into_iter().map(|name| (format!("{storage}/{name}"), name));
        let by_path: BTreeMap<String, &InstanceName> = by_path.collect();
        let paths: Vec<String> = by_path.keys().cloned().collect();
        let mut found = BTreeMap::new();
        for group in tree::groups(self, root, &paths, &mut Vec::new(), &mut Vec::new()) {
            let Ok(view) = View::open(self, &group.repository) else { continue };
            let versions = Versions { view: &view, group: &group, head: head(self, &group.repository).ok() };
            let command = |entry: &String| {
                let name = *by_path.get(entry)?;
                Some((name.clone(), versions.command(entry, name).ok()??))
            };
            found.extend(group.entries.iter().filter_map(command));
        }
        found
    }
}

/// Returns the name of the commit that is checked out. That reads references alone, which starts no program.
fn head(git: &Git, repository: &Repository) -> Result<String, Warning> {
    let mut command = git.command(Path::new("/"));
    command
        .env("GIT_DIR", &repository.git_dir)
        .env("GIT_WORK_TREE", &repository.work_tree)
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.bareRepository")
        .env("GIT_CONFIG_VALUE_0", "explicit")
        .args(["rev-parse", "--verify", "--quiet", "HEAD"]);
    Ok(String::from_utf8_lossy(&run(&mut command, b"")?).trim().to_owned())
}

/// What git has of the entries of one repository.
struct Versions<'a> {
    view: &'a View<'a>,
    group: &'a Group,
    /// The commit that is checked out, if there is one.
    head: Option<String>,
}

impl Versions<'_> {
    /// Returns the command that brings an entry back.
    fn command(&self, entry: &str, name: &InstanceName) -> Result<Option<String>, Warning> {
        let Some(path) = self.group.in_git(entry) else { return Ok(None) };
        if self.is_intact(&self.index(&path)?, name)? {
            return Ok(Some(self.group.command("restore", [entry])));
        }
        let Some(head) = &self.head else { return Ok(None) };
        let mut list = self.view.command();
        let list = run(list.args(["rev-list", "--max-count", COMMITS, head, "--", &path]), b"")?;
        for commit in String::from_utf8_lossy(&list).lines() {
            if self.is_intact(&self.commit(commit, &path)?, name)? {
                let commit = commit.get(..SHORT).unwrap_or(commit);
                return Ok(Some(self.group.command(&format!("restore --source {commit}"), [entry])));
            }
        }
        Ok(None)
    }

    /// What the index has of an entry. Two versions of a merge are none.
    fn index(&self, path: &str) -> Result<Objects, Warning> {
        let listed = run(self.view.command().args(["ls-files", "-z", "--stage", "--", path]), b"")?;
        Ok(objects(&listed, path, |[_, object, stage]| (stage == "0").then_some(object)))
    }

    /// What a commit has of it.
    fn commit(&self, commit: &str, path: &str) -> Result<Objects, Warning> {
        let listed = run(self.view.command().args(["ls-tree", "-r", "-z", "--full-tree", commit, "--", path]), b"")?;
        Ok(objects(&listed, path, |[_, kind, object]| (kind == "blob").then_some(object)))
    }

    /// Whether a version has all files that its receipt lists, with these very bytes.
    fn is_intact(&self, objects: &Objects, name: &InstanceName) -> Result<bool, Warning> {
        let Some(note) = objects.get(RECEIPT) else { return Ok(false) };
        if self.size(note)?.is_none_or(|size| size > MAX_RECEIPT) {
            return Ok(false);
        }
        let receipt = Receipt::parse(&self.content(note)?);
        let Some(receipt) = receipt.ok().filter(|receipt| receipt.instance == *name) else { return Ok(false) };
        let public = receipt.public.iter().map(|(file, stored)| (format!("{PUBLIC}/{file}"), stored));
        let files = receipt.files.iter().map(|(file, stored)| (file.clone(), stored));
        for (file, stored) in files.chain(public) {
            let Some(object) = objects.get(&file).filter(|_| stored.size <= MAX_TOTAL) else { return Ok(false) };
            if self.size(object)? != Some(stored.size) || StoredFile::new(&self.content(object)?) != *stored {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn size(&self, object: &str) -> Result<Option<u64>, Warning> {
        let size = run(self.view.command().args(["cat-file", "-s", object]), b"")?;
        Ok(String::from_utf8_lossy(&size).trim().parse().ok())
    }

    fn content(&self, object: &str) -> Result<Vec<u8>, Warning> {
        run(self.view.command().args(["cat-file", "blob", object]), b"")
    }
}

/// The files that a list of git's names, and of each the object that is found in the three words before its path.
fn objects(listed: &[u8], entry: &str, object: impl Fn([String; 3]) -> Option<String>) -> Objects {
    let one = |line: String| {
        let (head, path) = line.split_once('\t')?;
        let head: Vec<String> = head.split(' ').map(str::to_owned).collect();
        let path = path.strip_prefix(entry)?.strip_prefix('/')?;
        Some((path.to_owned(), object(head.try_into().ok()?)?))
    };
    words(listed).filter_map(one).collect()
}
