//! How a merge conflict in an entry is settled.

use std::collections::BTreeMap;

use artifacts_text::shell_word;

use super::index::{FileVersion, Index, Versions};
use super::intact::references;
use super::staged::Settlement;
use super::tree::Group;
use super::view::View;
use super::{Warning, run, words};
use crate::names::RECEIPT;
use crate::receipt::MAX_RECEIPT;
use crate::{Generation, Receipt};

/// The commit of this branch.
const OURS: (&str, &[&str]) = ("HEAD", &["HEAD"]);
/// References that git keeps while it merges, rebases, picks or reverts, and the commits whose version the other one may be: what a
/// revert brings back is a parent of what it reverts, and of a merge any of them.
const THEIRS: [(&str, &[&str]); 4] = [
    ("MERGE_HEAD", &["MERGE_HEAD"]),
    ("REBASE_HEAD", &["REBASE_HEAD"]),
    ("CHERRY_PICK_HEAD", &["CHERRY_PICK_HEAD"]),
    ("REVERT_HEAD", &["REVERT_HEAD^", "REVERT_HEAD^2"]),
];

/// Finds out how the conflict in an entry is settled. Of the entry it reads both receipts, and the names of files.
pub fn settlement(view: &View<'_>, group: &Group, index: &Index, entry: &str) -> Settlement {
    let conflict = Conflict { view, group, entry, versions: index.versions(group, entry) };
    let same_value = conflict.receipts().and_then(|receipts| {
        let [ours, theirs] = [0, 1].map(|side| generation(view, receipts, side));
        Some(ours? == theirs?)
    });
    let ours = conflict.choice(0, "checkout --ours", &[OURS]).unwrap_or_else(|| conflict.of_commit("HEAD"));
    let theirs = conflict.choice(1, "checkout --theirs", &THEIRS);
    Settlement { ours, theirs, add: group.command("add", [entry]), same_value }
}

/// An entry that a merge left in two versions.
struct Conflict<'a> {
    view: &'a View<'a>,
    group: &'a Group,
    entry: &'a str,
    versions: BTreeMap<&'a String, &'a Versions>,
}

impl Conflict<'_> {
    /// Returns the command that chooses the version of one branch.
    fn choice(&self, side: usize, checkout: &str, references: &[(&str, &[&str])]) -> Option<String> {
        let commits = references.iter().filter(|(name, _)| self.view.repository.git_dir.join(name).is_file());
        let found = commits.flat_map(|(_, commits)| *commits).find(|commit| self.is_of(side, commit));
        let has_all = self.versions.values().all(|versions| versions[side].is_some());
        if has_all {
            return Some(self.group.command(checkout, [self.entry]));
        }
        found.map(|commit| self.of_commit(commit))
    }

    /// Returns the commands that bring back the version of a commit as a whole. What git left in the index and beside it goes first: both
    /// versions are in commits.
    fn of_commit(&self, commit: &str) -> String {
        let remove = self.group.command("rm -rfq", [self.entry]);
        let restore = format!("restore --source={} --staged --worktree", shell_word(commit));
        format!("{remove} && {}", self.group.command(&restore, [self.entry]))
    }

    /// Returns whether a commit is that of one branch: of each file that git did not merge, it has the version of that branch.
    fn is_of(&self, side: usize, commit: &str) -> bool {
        let Ok(files) = self.files(commit) else { return false };
        self.versions.iter().all(|(path, versions)| files.get(*path) == versions[side].as_ref())
    }

    /// Returns the files that a commit has of the entry, by git's paths.
    fn files(&self, commit: &str) -> Result<BTreeMap<String, FileVersion>, Warning> {
        let name = references(self.view.git, &self.view.repository, &["--verify", "--quiet", commit])?;
        let path = self.group.in_git(self.entry).unwrap_or_default();
        let mut list = self.view.command();
        let list = run(list.args(["ls-tree", "-r", "-z", "--full-tree", name.trim(), "--", &path]), b"")?;
        let file = |line: String| {
            let (head, path) = line.split_once('\t')?;
            let [mode, _, object] = head.split(' ').collect::<Vec<_>>()[..] else { return None };
            Some((path.to_owned(), FileVersion { mode: mode.to_owned(), object: object.to_owned() }))
        };
        Ok(words(&list).filter_map(file).collect())
    }

    /// Returns both versions of the receipt, if git did not merge it.
    fn receipts(&self) -> Option<&Versions> {
        let path = self.group.in_git(&format!("{}/{RECEIPT}", self.entry))?;
        self.versions.get(&path).copied()
    }
}

/// Returns the generation in one version of a receipt.
fn generation(view: &View<'_>, versions: &Versions, side: usize) -> Option<Generation> {
    let object = &versions[side].as_ref()?.object;
    let answer = run(view.command().args(["cat-file", "-s", object]), b"").ok()?;
    let length: u64 = String::from_utf8_lossy(&answer).trim().parse().ok()?;
    if length > MAX_RECEIPT {
        return None;
    }
    let bytes = run(view.command().args(["cat-file", "blob", object]), b"").ok()?;
    Some(Receipt::parse(&bytes).ok()?.generation)
}
