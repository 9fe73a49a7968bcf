//! How merge conflicts in entries are settled.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use artifacts_text::shell_word;

use super::index::{FileVersion, Index, Versions};
use super::intact::{has_files, receipt, references};
use super::objects::Objects;
use super::staged::{Choice, MergeSide, Settlement};
use super::tree::{Group, is_below};
use super::view::View;
use super::{Warning, run, words};
use crate::Receipt;
use crate::names::RECEIPT;
use crate::receipt::MAX_RECEIPT;

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

/// Finds out how the conflicts in entries are settled, by path relative to the root. Of each entry it reads both receipts,
/// and the names of files. The number of processes does not depend on the number of entries.
pub fn settlements(view: &View<'_>, group: &Group, index: &Index, storages: &[String]) -> BTreeMap<String, Settlement> {
    let unmerged: Vec<&String> = group.entries.iter().filter(|entry| index.is_unmerged(group, entry)).collect();
    if unmerged.is_empty() {
        return BTreeMap::new();
    }
    let sides = [&[OURS][..], &THEIRS].map(|references| commits(view, group, storages, references));
    let mut conflicts = Conflicts { group, index, sides, objects: Objects::open(view).ok() };
    unmerged.into_iter().map(|entry| (entry.clone(), conflicts.settlement(entry))).collect()
}

/// Holds what a commit has below the storages.
struct Commit {
    name: &'static str,
    files: Files,
}

/// Returns the commits that tell of one branch.
fn commits(view: &View<'_>, group: &Group, storages: &[String], references: &[Reference]) -> Vec<Commit> {
    let named = references.iter().filter(|(name, _)| view.repository.git_dir.join(name).is_file());
    let commit = |name: &&'static str| Some(Commit { name, files: files(view, group, storages, name).ok()? });
    named.flat_map(|(_, commits)| *commits).filter_map(commit).collect()
}

/// Returns the files that a commit has below these storages, by git's paths.
fn files(view: &View<'_>, group: &Group, storages: &[String], commit: &str) -> Result<Files, Warning> {
    let name = references(view.git, &view.repository, &["--verify", "--quiet", commit])?;
    let mut list = view.command();
    list.args(["ls-tree", "-r", "-z", "--full-tree", name.trim(), "--"]);
    // To `ls-tree`, the working tree itself has no path.
    list.args(group.pathspecs(storages).iter().filter(|path| *path != "."));
    let list = run(&mut list, b"")?;
    let file = |line: String| {
        let (head, path) = line.split_once('\t')?;
        let [mode, _, object] = head.split(' ').collect::<Vec<_>>()[..] else { return None };
        Some((path.to_owned(), FileVersion::new(mode, object)?))
    };
    Ok(words(&list).filter_map(file).collect())
}

/// The entries of one repository that a merge left in two versions.
struct Conflicts<'a> {
    group: &'a Group,
    index: &'a Index,
    /// Commits of this branch, and of the other one.
    sides: [Vec<Commit>; 2],
    /// None if git does not read them; then nothing is known of receipts.
    objects: Option<Objects>,
}

impl Conflicts<'_> {
    fn settlement(&mut self, entry: &str) -> Settlement {
        let versions = self.index.versions(self.group, entry);
        let receipts = self.receipts(entry, &versions);
        let same_value = receipts.as_ref().map(|[ours, theirs]| ours.generation == theirs.generation);
        let newer = receipts.and_then(|[ours, theirs]| match ours.generated.cmp(&theirs.generated) {
            Ordering::Greater => Some(MergeSide::Ours),
            Ordering::Less => Some(MergeSide::Theirs),
            Ordering::Equal => None,
        });
        let ours = self.choice(entry, &versions, 0, "checkout --ours");
        let theirs = self.choice(entry, &versions, 1, "checkout --theirs");
        Settlement { ours, theirs, add: self.group.command("add", [entry]), same_value, newer }
    }

    /// Returns what chooses the version of one branch, as a whole: git may have merged a part of the entry, which `checkout`
    /// leaves as it is. Where no commit is known, a receipt tells whether it is whole.
    fn choice(
        &mut self,
        entry: &str,
        versions: &BTreeMap<&String, &Versions>,
        side: usize,
        checkout: &str,
    ) -> Option<Choice> {
        let checked_out = self.index.checked_out(self.group, entry, side);
        // Of each file that git did not merge, such a commit has the version of that branch.
        let is_of = |files: &Files| versions.iter().all(|(path, versions)| files.get(*path) == versions[side].as_ref());
        let commits = self.sides[side].iter().map(|commit| (commit.name, self.of_entry(&commit.files, entry)));
        let Some((commit, files)) = commits.into_iter().find(|(_, files)| is_of(files)) else {
            let is_whole = self.is_whole(entry, &checked_out?).unwrap_or(false);
            return is_whole.then(|| Choice::Keeps(self.group.command(checkout, [entry])));
        };
        // There is nothing to restore.
        if files.is_empty() {
            return Some(Choice::Removes(self.group.command("rm -rf", [entry])));
        }
        let is_whole = checked_out.is_some_and(|checked_out| checked_out == files);
        let command = if is_whole { self.group.command(checkout, [entry]) } else { self.of_commit(entry, commit) };
        Some(Choice::Keeps(command))
    }

    /// Returns the commands that bring back the version of a commit as a whole. What git left in the index and beside it goes first: both
    /// versions are in commits.
    fn of_commit(&self, entry: &str, commit: &str) -> String {
        let remove = self.group.command("rm -rfq", [entry]);
        let restore = format!("restore --source={} --staged --worktree", shell_word(commit));
        format!("{remove} && {}", self.group.command(&restore, [entry]))
    }

    /// Returns those of these files that are in an entry.
    fn of_entry(&self, files: &Files, entry: &str) -> Files {
        let path = self.group.in_git(entry).unwrap_or_default();
        let from = files.range(path.clone()..).take_while(|(file, _)| file.starts_with(&path));
        from.filter(|(file, _)| is_below(file, &path)).map(|(file, version)| (file.clone(), version.clone())).collect()
    }

    /// Returns whether these are the files that their receipt lists, with these very bytes.
    fn is_whole(&mut self, entry: &str, files: &Files) -> Result<bool, Warning> {
        let Some((path, objects)) = self.group.in_git(entry).zip(self.objects.as_mut()) else { return Ok(false) };
        let mut find = |objects: &mut Objects, path: &str| match files.get(path) {
            Some(file) if file.is_file() => objects.named(&file.object),
            _ => Ok(None),
        };
        let Some(receipt) = receipt(objects, &path, &mut find)? else { return Ok(false) };
        has_files(objects, &receipt, &path, &mut find)
    }

    /// Returns both versions of the receipt, if git did not merge it and both are valid.
    fn receipts(&mut self, entry: &str, versions: &BTreeMap<&String, &Versions>) -> Option<[Receipt; 2]> {
        let path = self.group.in_git(&format!("{entry}/{RECEIPT}"))?;
        let [ours, theirs] = versions.get(&path)?;
        let objects = self.objects.as_mut()?;
        let mut read = |version: &Option<FileVersion>| {
            let receipt = objects.named(&version.as_ref()?.object).ok()??;
            if receipt.size > MAX_RECEIPT {
                return None;
            }
            Receipt::parse(&objects.content(&receipt).ok()?).ok()
        };
        Some([read(ours)?, read(theirs)?])
    }
}
