//! Reads every receipt that git has: of all commits that references lead to, wherever an entry was then.

use std::collections::BTreeSet;

use super::objects::Objects;
use super::tree::{self, Group};
use super::view::View;
use super::{Git, Warning, each_line, run, run_to};
use crate::names::RECEIPT;
use crate::{MAX_RECEIPT, Receipt, Repository, Root};

/// So many receipts of one repository are read.
const MOST: usize = 500_000;
/// Reference to the newest stash.
const STASH: &str = "refs/stash";
/// What is missing where git lacks an object.
const LACKS: &str = "this clone lacks objects of its history (a partial clone?), which were not searched";

/// Names what is missing from a history that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryGaps(BTreeSet<String>);

impl HistoryGaps {
    /// Returns a sentence for each; none where all that this clone could have was read.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn add(&mut self, gap: impl Into<String>) {
        self.0.insert(gap.into());
    }
}

impl Git {
    /// Shows each different receipt that the repositories of these storages have in any commit, with git's path of it. Branches, tags,
    /// stashes, and what was fetched are searched. Runs nothing of a repository, and writes nothing. Returns what could not be searched.
    pub fn past_receipts(
        &self,
        root: &Root,
        storages: &[String],
        is_cancelled: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&str, Receipt),
    ) -> HistoryGaps {
        let (mut gaps, mut warnings, mut refused) = (HistoryGaps::default(), Vec::new(), Vec::new());
        // A storage may be a repository itself.
        let inside: Vec<String> = storages.iter().map(|storage| format!("{storage}/{RECEIPT}")).collect();
        let groups = tree::groups(self, root, &inside, &mut warnings, &mut refused);
        let in_git: BTreeSet<&String> = groups.iter().flat_map(|group| &group.entries).chain(&refused).collect();
        if inside.iter().any(|path| !in_git.contains(path)) {
            gaps.add("no git repository holds the storage, so only what is stored now and the trash were searched");
        }
        for group in &groups {
            if let Err(warning) = self.search(group, storages, is_cancelled, visit, &mut gaps) {
                warnings.push(warning);
            }
        }
        for warning in warnings {
            gaps.add(format!("git's history could not be searched: {warning}"));
        }
        gaps
    }

    fn search(
        &self,
        group: &Group,
        storages: &[String],
        is_cancelled: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&str, Receipt),
        gaps: &mut HistoryGaps,
    ) -> Result<(), Warning> {
        let view = View::open(self, &group.repository)?;
        let tips = tips(self, &group.repository, gaps)?;
        if group.repository.common_dir.join("shallow").metadata().is_ok_and(|file| file.len() > 0) {
            gaps.add("this is a shallow clone: older commits were not searched; `git fetch --unshallow` gets them");
        }
        let mut objects = Objects::open(&view)?;
        let mut called = Called::default();
        // What was found until git failed still counts.
        let walked = called.find(&view, &tips, &mut objects, is_cancelled, gaps);
        let mut damaged = BTreeSet::new();
        for (name, path) in called.receipts.iter().take_while(|_| !is_cancelled()) {
            match objects.named(name)? {
                None => gaps.add(LACKS),
                Some(blob) if blob.size > MAX_RECEIPT => _ = damaged.insert(name.as_str()),
                Some(blob) => match Receipt::parse(&objects.content(&blob)?) {
                    Ok(receipt) => visit(path, receipt),
                    Err(_) => _ = damaged.insert(name.as_str()),
                },
            }
        }
        // Other programs have files of this name, too.
        if !damaged.is_empty() {
            for path in stored(&view, &tips, &group.pathspecs(storages), &damaged, is_cancelled)? {
                gaps.add(format!("`{path}` cannot be read in one of its versions"));
            }
        }
        if is_cancelled() {
            gaps.add("interrupted before all of git's history was searched");
        }
        walked
    }
}

/// The files that some directory of a history calls a receipt.
#[derive(Default)]
struct Called {
    /// Names of the objects.
    seen: BTreeSet<String>,
    /// The same with one path of each, the newest first.
    receipts: Vec<(String, String)>,
}

impl Called {
    /// Looks into every directory. Git names each object once, by the first of its paths, and whoever can push decides which one
    /// that is: what a file is called says only the directory that holds it.
    fn find(
        &mut self,
        view: &View<'_>,
        tips: &str,
        objects: &mut Objects,
        is_cancelled: &dyn Fn() -> bool,
        gaps: &mut HistoryGaps,
    ) -> Result<(), Warning> {
        let mut failed = None;
        let mut command = view.command();
        command.args(["rev-list", "--objects", "--filter=blob:none", "--missing=print", "--stdin"]);
        each_line(&mut command, tips.as_bytes(), |line| {
            let line = String::from_utf8_lossy(line);
            if line.starts_with('?') {
                gaps.add(LACKS);
            } else if let Some((tree, dir)) = line.split_once(' ') {
                match objects.called(tree, RECEIPT) {
                    Ok(Some(names)) => names.into_iter().for_each(|name| self.add(name, dir)),
                    Ok(None) => {
                        gaps.add(format!("the directory `{dir}/` is too large in one of its versions to be searched"));
                    }
                    Err(error) => failed = Some(error),
                }
            }
            if self.receipts.len() > MOST {
                gaps.add(format!("only the newest {MOST} receipts in git's history were searched"));
                self.receipts.truncate(MOST);
                return false;
            }
            failed.is_none() && !is_cancelled()
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn add(&mut self, name: String, dir: &str) {
        let path = if dir.is_empty() { RECEIPT.to_owned() } else { format!("{dir}/{RECEIPT}") };
        if self.seen.insert(name.clone()) {
            self.receipts.push((name, path));
        }
    }
}

/// Returns a path of each of these objects that was in a storage in any commit. Git is asked about nothing but storages, so
/// that no other place of the same bytes counts.
fn stored(
    view: &View<'_>,
    tips: &str,
    storages: &[String],
    objects: &BTreeSet<&str>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<BTreeSet<String>, Warning> {
    let commits = run(view.command().args(["rev-list", "--stdin"]), tips.as_bytes())?;
    let commits = String::from_utf8_lossy(&commits).into_owned();
    let storages: Vec<&str> = storages.iter().map(|storage| if storage == "." { "" } else { storage }).collect();
    let versions =
        commits.lines().flat_map(|commit| storages.iter().map(move |storage| format!("{commit}:{storage}\n")));
    let mut found = BTreeSet::new();
    let mut command = view.command();
    // Not every commit has every storage.
    command.args(["rev-list", "--objects", "--missing=print", "--ignore-missing", "--stdin"]);
    each_line(&mut command, versions.collect::<String>().as_bytes(), |line| {
        if let Some((name, path)) = String::from_utf8_lossy(line).split_once(' ')
            && objects.contains(name)
        {
            found.insert(path.to_owned());
        }
        !is_cancelled()
    })?;
    Ok(found)
}

/// Returns the objects that references, stashes and the commit that is checked out lead to, a line each. That reads references and
/// their log alone.
fn tips(git: &Git, repository: &Repository, gaps: &mut HistoryGaps) -> Result<String, Warning> {
    let listed = run(git.over(repository).args(["for-each-ref", "--format=%(objectname) %(refname)"]), b"")?;
    let listed = String::from_utf8_lossy(&listed);
    let mut tips = String::new();
    for (object, name) in listed.lines().filter_map(|line| line.split_once(' ')) {
        tips.extend([object, "\n"]);
        if name == STASH {
            // The reference is the newest one, and its log has the others.
            let stashes = run(git.over(repository).args(["rev-list", "--walk-reflogs", STASH]), b"");
            let stashes = stashes.map(|stashes| String::from_utf8_lossy(&stashes).into_owned()).unwrap_or_default();
            tips.push_str(&stashes);
            // Git passes over those that it lost.
            let log = std::fs::read(repository.common_dir.join("logs").join(STASH)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if stashes.is_empty()
                || log.lines().any(|line| line.split(' ').nth(1).is_none_or(|name| !stashes.contains(name)))
            {
                gaps.add("git does not have some of the older stashes, which were not searched");
            }
        }
    }
    let mut head = git.over(repository);
    // Status 1: nothing is committed yet.
    let head = run_to(head.args(["rev-parse", "--verify", "--quiet", "HEAD"]), b"", 1)?;
    tips.push_str(&String::from_utf8_lossy(&head));
    Ok(tips)
}
