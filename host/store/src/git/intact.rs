//! Finds the last version of an entry that git has and that is as its receipt says.

use std::collections::BTreeMap;
use std::path::Path;

use artifacts_declared::InstanceName;

use super::objects::Objects;
use super::tree::{self, Group};
use super::view::{View, over_itself};
use super::{Git, Warning, run};
use crate::names::{PUBLIC, RECEIPT};
use crate::{MAX_RECEIPT, MAX_TOTAL, Receipt, Repository, Root};

/// So many commits that changed an entry are looked at, the newest first.
const COMMITS: &str = "8";
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
        let by_path = names.into_iter().map(|name| (format!("{storage}/{name}"), name));
        let by_path: BTreeMap<String, &InstanceName> = by_path.collect();
        let paths: Vec<String> = by_path.keys().cloned().collect();
        let mut found = BTreeMap::new();
        let mut in_commits = IN_COMMITS;
        for group in tree::groups(self, root, &paths, &mut Vec::new(), &mut Vec::new()) {
            let Ok(view) = View::open(self, &group.repository) else { continue };
            let Ok(objects) = Objects::open(&view) else { continue };
            let head = head(self, &group.repository).ok();
            let mut versions = Versions { view: &view, group: &group, objects, head, in_commits };
            for entry in group.entries.iter().take_while(|_| !is_cancelled()) {
                let Some(name) = by_path.get(entry) else { continue };
                let command = versions.command(entry, name).ok().flatten();
                found.extend(command.map(|command| ((*name).clone(), command)));
            }
            in_commits = versions.in_commits;
        }
        found
    }
}

/// Returns the name of the commit that is checked out. That reads references alone, which starts no program.
fn head(git: &Git, repository: &Repository) -> Result<String, Warning> {
    let mut command = over_itself(git, repository, Path::new("/"));
    let head = run(command.args(["rev-parse", "--verify", "--quiet", "HEAD"]), b"")?;
    Ok(String::from_utf8_lossy(&head).trim().to_owned())
}

/// What git has of the entries of one repository.
struct Versions<'a> {
    view: &'a View<'a>,
    group: &'a Group,
    objects: Objects,
    /// The commit that is checked out, if there is one.
    head: Option<String>,
    /// Of how many more entries the commits are looked at.
    in_commits: usize,
}

impl Versions<'_> {
    /// Returns the command that brings an entry back.
    fn command(&mut self, entry: &str, name: &InstanceName) -> Result<Option<String>, Warning> {
        let Some(path) = self.group.in_git(entry) else { return Ok(None) };
        if self.is_intact(INDEX, &path, name)? {
            return Ok(Some(self.group.command("restore", [entry])));
        }
        let Some(head) = self.head.as_ref().filter(|_| self.in_commits > 0) else { return Ok(None) };
        self.in_commits -= 1;
        let mut list = self.view.command();
        let list = run(list.args(["rev-list", "--max-count", COMMITS, head, "--", &path]), b"")?;
        for commit in String::from_utf8_lossy(&list).lines() {
            if self.is_intact(commit, &path, name)? {
                let commit = commit.get(..SHORT).unwrap_or(commit);
                return Ok(Some(self.group.command(&format!("restore --source {commit}"), [entry])));
            }
        }
        Ok(None)
    }

    /// Whether a version has all files that its receipt lists, with these very bytes.
    fn is_intact(&mut self, version: &str, path: &str, name: &InstanceName) -> Result<bool, Warning> {
        let note = self.objects.find(version, &format!("{path}/{RECEIPT}"))?;
        let Some(note) = note.filter(|note| note.size <= MAX_RECEIPT) else { return Ok(false) };
        let receipt = Receipt::parse(&self.objects.content(&note)?);
        let Some(receipt) = receipt.ok().filter(|receipt| receipt.instance == *name) else { return Ok(false) };
        let public = receipt.public.iter().map(|(file, stored)| (format!("{path}/{PUBLIC}/{file}"), stored));
        let files = receipt.files.iter().map(|(file, stored)| (format!("{path}/{file}"), stored));
        for (file, stored) in files.chain(public) {
            let found = self.objects.find(version, &file)?;
            let Some(found) = found.filter(|found| found.size == stored.size && found.size <= MAX_TOTAL) else {
                return Ok(false);
            };
            if self.objects.stored(&found)? != *stored {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
