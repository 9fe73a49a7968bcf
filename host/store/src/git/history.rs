//! Reads every receipt that git has: of all commits that references lead to, wherever an entry was then.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::objects::{Blob, Objects};
use super::tree::{self, Group};
use super::view::View;
use super::{Git, Warning, run_to};
use crate::names::RECEIPT;
use crate::{MAX_RECEIPT, Receipt, Repository, Root};

/// So many receipts of one repository are read.
const MOST: usize = 500_000;

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
        let tips = tips(self, &group.repository)?;
        if group.repository.common_dir.join("shallow").metadata().is_ok_and(|file| file.len() > 0) {
            gaps.add("this is a shallow clone: older commits were not searched; `git fetch --unshallow` gets them");
        }
        let mut receipts: Vec<(String, String)> = Vec::new();
        let mut command = view.command();
        command.args(["rev-list", "--objects", "--missing=print", "--stdin"]);
        each_line(&mut command, tips.as_bytes(), |line| {
            let line = String::from_utf8_lossy(line);
            if line.starts_with('?') {
                gaps.add("this clone lacks objects of its history (a partial clone?), which were not searched");
            } else if let Some((name, path)) = line.split_once(' ')
                && path.rsplit('/').next() == Some(RECEIPT)
            {
                if receipts.len() == MOST {
                    gaps.add(format!("only the newest {MOST} receipts in git's history were searched"));
                    return false;
                }
                receipts.push((name.to_owned(), path.to_owned()));
            }
            if is_cancelled() {
                gaps.add("interrupted before all of git's history was searched");
            }
            !is_cancelled()
        })?;
        let storages: Vec<String> = group.pathspecs(storages);
        let is_ours = |path: &str| storages.iter().any(|storage| storage == "." || tree::is_below(path, storage));
        let mut objects = Objects::open(&view)?;
        for (name, path) in receipts.iter().take_while(|_| !is_cancelled()) {
            match read(&mut objects, name)?.map(|text| Receipt::parse(&text)) {
                Some(Ok(receipt)) => visit(path, receipt),
                // Other programs have files of this name, too.
                Some(Err(_)) if !is_ours(path) => {}
                Some(Err(_)) | None => gaps.add(format!("`{path}` cannot be read in one of its versions")),
            }
        }
        Ok(())
    }
}

fn read(objects: &mut Objects, name: &str) -> Result<Option<Vec<u8>>, Warning> {
    let Some(blob) = objects.named(name)?.filter(|blob: &Blob| blob.size <= MAX_RECEIPT) else { return Ok(None) };
    objects.content(&blob).map(Some)
}

/// Returns the objects that references and the commit that is checked out lead to, a line each. That reads references alone.
fn tips(git: &Git, repository: &Repository) -> Result<String, Warning> {
    let mut all = git.over(repository);
    let mut tips = run_to(all.args(["for-each-ref", "--format=%(objectname)"]), b"", 0)?;
    let mut head = git.over(repository);
    // Status 1: nothing is committed yet.
    tips.extend(run_to(head.args(["rev-parse", "--verify", "--quiet", "HEAD"]), b"", 1)?);
    Ok(String::from_utf8_lossy(&tips).into_owned())
}

/// Runs git, and shows what it prints line by line until `each` has seen enough.
fn each_line(command: &mut Command, input: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> Result<(), Warning> {
    let not_started = |source| Warning::NotStarted { source };
    // What it says there would have to be read for it to go on.
    let mut child = command.stderr(Stdio::null()).spawn().map_err(not_started)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let is_whole = std::thread::scope(|scope| -> io::Result<bool> {
        if let Some(mut stdin) = stdin {
            std::thread::Builder::new().spawn_scoped(scope, move || stdin.write_all(input))?;
        }
        let mut lines = BufReader::new(stdout.ok_or(io::ErrorKind::BrokenPipe)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if !each(line.strip_suffix(b"\n").unwrap_or(&line)) {
                return Ok(false);
            }
            line.clear();
        }
        Ok(true)
    });
    if !matches!(is_whole, Ok(true)) {
        let _ = child.kill();
    }
    let status = child.wait().map_err(not_started)?;
    match is_whole {
        Ok(true) if !status.success() => Err(Warning::Refused { said: format!("git rev-list: {status}") }),
        Ok(_) => Ok(()),
        Err(error) => Err(not_started(error)),
    }
}
