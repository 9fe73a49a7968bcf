//! How a merge conflict in an entry is settled.

use std::collections::BTreeMap;

use artifacts_text::shell_word;

use super::index::{FileVersion, Index, Versions};
use super::intact::{has_files, receipt, references};
use super::objects::Objects;
use super::staged::{Choice, Settlement};
use super::tree::Group;
use super::view::View;
use super::{Warning, run, words};
use crate::names::RECEIPT;
use crate::receipt::MAX_RECEIPT;
use crate::{Generation, Receipt};

/// Files by git's paths.
type Files = BTreeMap<String, FileVersion>;

/// A reference, and the commits that it tells of.
type Reference = (&'static str, &'static [&'static str]);

/// The commit of this branch.
const OURS: Reference = ("HEAD", &["HEAD"]);
/// References that git keeps while it merges, rebases, picks or reverts, and the commits whose version the other one may be: what a
/// revert brings back is a parent of what it reverts, and of a merge any of them.
const THEIRS: [Reference; 4] = [
    ("MERGE_HEAD", &["MERGE_HEAD"]),
    ("REBASE_HEAD", &["REBASE_HEAD"]),
    ("CHERRY_PICK_HEAD", &["CHERRY_PICK_HEAD"]),
    ("REVERT_HEAD", &["REVERT_HEAD^", "REVERT_HEAD^2"]),
];

/// Finds out how the conflict in an entry is settled. Of the entry it reads both receipts, and the names of files.
pub fn settlement(view: &View<'_>, group: &Group, index: &Index, entry: &str) -> Settlement {
    let conflict = Conflict { view, group, index, entry, versions: index.versions(group, entry) };
    let same_value = conflict.receipts().and_then(|receipts| {
        let [ours, theirs] = [0, 1].map(|side| generation(view, receipts, side));
        Some(ours? == theirs?)
    });
    let ours = conflict.choice(0, "checkout --ours", &[OURS]);
    let theirs = conflict.choice(1, "checkout --theirs", &THEIRS);
    Settlement { ours, theirs, add: group.command("add", [entry]), same_value }
}

/// An entry that a merge left in two versions.
struct Conflict<'a> {
    view: &'a View<'a>,
    group: &'a Group,
    index: &'a Index,
    entry: &'a str,
    versions: BTreeMap<&'a String, &'a Versions>,
}

impl Conflict<'_> {
    /// Returns what chooses the version of one branch, as a whole: git may have merged a part of the entry, which `checkout`
    /// leaves as it is. Where no commit is known, a receipt tells whether it is whole.
    fn choice(&self, side: usize, checkout: &str, references: &[Reference]) -> Option<Choice> {
        let checked_out = self.index.checked_out(self.group, self.entry, side);
        let named = references.iter().filter(|(name, _)| self.view.repository.git_dir.join(name).is_file());
        let files = |commit: &&'static str| Some((*commit, self.files(commit).ok()?));
        let mut commits = named.flat_map(|(_, commits)| *commits).filter_map(files);
        let Some((commit, files)) = commits.find(|(_, files)| self.is_of(side, files)) else {
            let is_whole = self.is_whole(&checked_out?).unwrap_or(false);
            return is_whole.then(|| Choice::Keeps(self.group.command(checkout, [self.entry])));
        };
        // There is nothing to restore.
        if files.is_empty() {
            return Some(Choice::Removes(self.group.command("rm -rf", [self.entry])));
        }
        let is_whole = checked_out.is_some_and(|checked_out| checked_out == files);
        let command = if is_whole { self.group.command(checkout, [self.entry]) } else { self.of_commit(commit) };
        Some(Choice::Keeps(command))
    }

    /// Returns the commands that bring back the version of a commit as a whole. What git left in the index and beside it goes first: both
    /// versions are in commits.
    fn of_commit(&self, commit: &str) -> String {
        let remove = self.group.command("rm -rfq", [self.entry]);
        let restore = format!("restore --source={} --staged --worktree", shell_word(commit));
        format!("{remove} && {}", self.group.command(&restore, [self.entry]))
    }

    /// Returns whether the files of a commit are those of one branch: of each file that git did not merge, its version.
    fn is_of(&self, side: usize, files: &Files) -> bool {
        self.versions.iter().all(|(path, versions)| files.get(*path) == versions[side].as_ref())
    }

    /// Returns the files that a commit has of the entry, by git's paths.
    fn files(&self, commit: &str) -> Result<Files, Warning> {
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

    /// Returns whether these are the files that their receipt lists, with these very bytes.
    fn is_whole(&self, files: &Files) -> Result<bool, Warning> {
        let Some(path) = self.group.in_git(self.entry) else { return Ok(false) };
        let mut objects = Objects::open(self.view)?;
        let mut find = |objects: &mut Objects, path: &str| match files.get(path) {
            Some(file) if file.mode.starts_with("100") => objects.named(&file.object),
            _ => Ok(None),
        };
        let Some(receipt) = receipt(&mut objects, &path, &mut find)? else { return Ok(false) };
        has_files(&mut objects, &receipt, &path, &mut find)
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
