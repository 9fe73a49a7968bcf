//! Finds the last version of an entry that git has and that is as its receipt says, or that of a generation.

use std::collections::BTreeMap;

use artifacts_declared::InstanceName;

use super::objects::{Blob, Objects};
use super::tree::{self, Group};
use super::view::View;
use super::{Git, Warning, run};
use crate::names::{PUBLIC, RECEIPT};
use crate::{Generation, MAX_RECEIPT, MAX_TOTAL, Receipt, Repository, Root};

/// So many commits that changed an entry are looked at, the newest first.
const COMMITS: &str = "8";
/// The same for a generation, which may be on any branch.
const COMMITS_OF_ANY: &str = "64";
/// Of so many branches and moves of `HEAD`, the newest ones, the commits are looked at.
const TIPS: usize = 256;
/// Of so many entries, the commits are looked at, each by a process of its own. If more are damaged at once, that was one event,
/// and these show which commit is before it.
const IN_COMMITS: usize = 32;
/// Digits of a commit's name in a command.
const SHORT: usize = 12;
/// The index, as a version.
const INDEX: &str = ":0";

impl Git {
    /// Returns the commands that bring back these entries of a storage (by its path) as this program stored them last: from git's
    /// index, otherwise, of the first ones, from one of the last commits. What git has in no such version, or cannot tell, is left
    /// out, and so are the others as soon as `is_cancelled`. Writes nothing.
    pub fn last_intact<'n>(
        &self,
        root: &Root,
        storage: &str,
        names: impl IntoIterator<Item = &'n InstanceName>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> BTreeMap<InstanceName, String> {
        self.find(root, storage, names.into_iter().map(|name| (name, None)), is_cancelled)
    }

    /// Returns the commands that bring back these generations of entries: from git's index, otherwise, of the first ones, from a commit of
    /// any branch, or one that was checked out lately. Writes nothing.
    pub fn with_generation<'n>(
        &self,
        root: &Root,
        storage: &str,
        wanted: impl IntoIterator<Item = (&'n InstanceName, Generation)>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> BTreeMap<InstanceName, String> {
        let wanted = wanted.into_iter().map(|(name, generation)| (name, Some(generation)));
        self.find(root, storage, wanted, is_cancelled)
    }

    fn find<'n>(
        &self,
        root: &Root,
        storage: &str,
        wanted: impl Iterator<Item = (&'n InstanceName, Option<Generation>)>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> BTreeMap<InstanceName, String> {
        let by_path = wanted.map(|(name, generation)| (format!("{storage}/{name}"), Wanted { name, generation }));
        let by_path: BTreeMap<String, Wanted<'n>> = by_path.collect();
        let paths: Vec<String> = by_path.keys().cloned().collect();
        let mut found = BTreeMap::new();
        let mut in_commits = IN_COMMITS;
        for group in tree::groups(self, root, &paths, &mut Vec::new(), &mut Vec::new()) {
            let Ok(view) = View::open(self, &group.repository) else { continue };
            let Ok(objects) = Objects::open(&view) else { continue };
            let is_any = by_path.values().any(|wanted| wanted.generation.is_some());
            let (head, tips) =
                (head(self, &group.repository).ok(), if is_any { tips(self, &group.repository) } else { Vec::new() });
            let mut versions = Versions { view: &view, group: &group, objects, head, tips, in_commits };
            for entry in group.entries.iter().take_while(|_| !is_cancelled()) {
                let Some(wanted) = by_path.get(entry) else { continue };
                let command = versions.command(entry, *wanted).ok().flatten();
                found.extend(command.map(|command| (wanted.name.clone(), command)));
            }
            in_commits = versions.in_commits;
        }
        found
    }
}

/// Names the version of an entry that is looked for.
#[derive(Clone, Copy)]
struct Wanted<'n> {
    name: &'n InstanceName,
    /// Its generation; any if it is none.
    generation: Option<Generation>,
}

/// Returns the name of the commit that is checked out.
fn head(git: &Git, repository: &Repository) -> Result<String, Warning> {
    Ok(references(git, repository, &["--verify", "--quiet", "HEAD"])?.trim().to_owned())
}

/// Returns the names of the commits that were checked out last, the newest first, and those of branches.
fn tips(git: &Git, repository: &Repository) -> Vec<String> {
    let log = std::fs::read(repository.git_dir.join("logs/HEAD")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let moves = log.lines().rev().flat_map(|line| line.split(' ').take(2).collect::<Vec<_>>().into_iter().rev());
    let branches = references(git, repository, &["--branches", "--remotes"]).unwrap_or_default();
    let mut tips: Vec<String> = Vec::new();
    let is_name = |word: &&str| word.len() >= 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    for name in branches.lines().chain(moves).filter(is_name).filter(|name| name.contains(|digit| digit != '0')) {
        if tips.len() < TIPS && !tips.iter().any(|tip| tip == name) {
            tips.push(name.to_owned());
        }
    }
    tips
}

/// Returns what references name.
pub fn references(git: &Git, repository: &Repository, arguments: &[&str]) -> Result<String, Warning> {
    let said = run(git.over(repository).arg("rev-parse").args(arguments), b"")?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// What git has of the entries of one repository.
struct Versions<'a> {
    view: &'a View<'a>,
    group: &'a Group,
    objects: Objects,
    /// The commit that is checked out, if there is one.
    head: Option<String>,
    /// Commits in whose histories a generation is looked for.
    tips: Vec<String>,
    /// Of how many more entries the commits are looked at.
    in_commits: usize,
}

impl Versions<'_> {
    /// Returns the command that brings an entry back.
    fn command(&mut self, entry: &str, wanted: Wanted<'_>) -> Result<Option<String>, Warning> {
        let Some(path) = self.group.in_git(entry) else { return Ok(None) };
        if self.is_intact(INDEX, &path, wanted)? {
            return Ok(Some(self.group.command("restore", [entry])));
        }
        let Some(head) = self.head.as_ref().filter(|_| self.in_commits > 0) else { return Ok(None) };
        self.in_commits -= 1;
        let mut list = self.view.command();
        if wanted.generation.is_some() {
            // A merge that took one side hides the other one's history otherwise.
            list.args(["rev-list", "--ignore-missing", "--full-history", "--max-count", COMMITS_OF_ANY, head]);
            list.args(&self.tips);
        } else {
            list.args(["rev-list", "--max-count", COMMITS, head]);
        }
        let list = run(list.args(["--", &path]), b"")?;
        for commit in String::from_utf8_lossy(&list).lines() {
            if self.is_intact(commit, &path, wanted)? {
                let commit = commit.get(..SHORT).unwrap_or(commit);
                return Ok(Some(self.group.command(&format!("restore --source {commit}"), [entry])));
            }
        }
        Ok(None)
    }

    /// Whether a version is the wanted one, and has all files that its receipt lists, with these very bytes.
    fn is_intact(&mut self, version: &str, path: &str, wanted: Wanted<'_>) -> Result<bool, Warning> {
        let mut find = |objects: &mut Objects, file: &str| objects.find(version, file);
        let receipt = receipt(&mut self.objects, path, &mut find)?;
        let is_wanted = |receipt: &Receipt| {
            receipt.instance == *wanted.name && wanted.generation.is_none_or(|one| one == receipt.generation)
        };
        let Some(receipt) = receipt.filter(is_wanted) else { return Ok(false) };
        has_files(&mut self.objects, &receipt, path, &mut find)
    }
}

/// Finds a file of a version by git's path.
type Find<'f> = dyn FnMut(&mut Objects, &str) -> Result<Option<Blob>, Warning> + 'f;

/// Reads the receipt of an entry, at git's path of it; none if it is not valid.
pub fn receipt(objects: &mut Objects, path: &str, find: &mut Find<'_>) -> Result<Option<Receipt>, Warning> {
    let note = find(objects, &format!("{path}/{RECEIPT}"))?;
    let Some(note) = note.filter(|note| note.size <= MAX_RECEIPT) else { return Ok(None) };
    Ok(Receipt::parse(&objects.content(&note)?).ok())
}

/// Returns whether a version of an entry, at git's path of it, has all files that its receipt lists, with these very bytes.
pub fn has_files(objects: &mut Objects, receipt: &Receipt, path: &str, find: &mut Find<'_>) -> Result<bool, Warning> {
    let public = receipt.public.iter().map(|(file, stored)| (format!("{path}/{PUBLIC}/{file}"), stored));
    let files = receipt.files.iter().map(|(file, stored)| (format!("{path}/{file}"), stored));
    for (file, stored) in files.chain(public) {
        let found = find(objects, &file)?;
        let Some(found) = found.filter(|found| found.size == stored.size && found.size <= MAX_TOTAL) else {
            return Ok(false);
        };
        if objects.stored(&found)? != *stored {
            return Ok(false);
        }
    }
    Ok(true)
}
