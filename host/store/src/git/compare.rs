//! Compares entries with git's index.

use std::collections::{BTreeMap, BTreeSet};

use super::conflict::settlements;
use super::entry_note::{EntryNote, EntryNotes};
use super::files::{Hashes, filtered, hashes, ignored};
use super::index::{Index, check_above};
use super::staged::{IndexReport, Settlement, Staged};
use super::tree::{self, EntryFile, Group, is_below};
use super::untouched::Untouched;
use super::view::View;
use super::{Git, Warning, command_over, run, words};
use crate::file_look::FileLook;
use crate::names::WORK_DIR;
use crate::{Error, Root};

impl Git {
    /// Compares git's index with these entries (paths below the root, of these storages). Writes nothing.
    pub fn compare(&self, root: &Root, storages: &[String], entries: &[String]) -> IndexReport {
        self.compare_noted(root, storages, entries, &EntryNotes::new())
    }

    /// Does the same, where entries were just looked at: one that git has as it was is not looked at again.
    pub fn compare_noted(
        &self,
        root: &Root,
        storages: &[String],
        entries: &[String],
        notes: &EntryNotes,
    ) -> IndexReport {
        let mut report = IndexReport::default();
        let mut refused = Vec::new();
        let mut read = BTreeSet::new();
        for group in tree::groups(self, root, entries, &mut report.warnings, &mut refused) {
            let seen = View::open(self, &group.repository).and_then(|view| {
                check_above(self, &group)?;
                Index::read(&view, &group, storages).map(|index| (view, index))
            });
            match seen {
                Ok((view, index)) => {
                    let conflicts = settlements(&view, &group, &index, storages);
                    let group = &group;
                    report.tracked.extend(storages.iter().flat_map(|storage| tracked_work_dir(&index, group, storage)));
                    read.insert(group.repository.clone());
                    Comparison { root, view, group, index, storages, conflicts, notes }.report(&mut report);
                }
                Err(warning) => {
                    // Where there is no git, nothing is known. Where git cannot tell, nothing counts as staged.
                    if !matches!(warning, Warning::NotStarted { .. }) {
                        refused.extend(group.entries.iter().cloned());
                    }
                    report.warnings.push(warning);
                }
            }
        }
        for entry in refused {
            if tree::files(root, &entry).is_ok_and(|files| !files.is_empty()) {
                let command = command_over("", "add", [entry.as_str()]);
                report.entries.insert(entry, Staged::No { command });
            }
        }
        for storage in storages {
            let inside = [format!("{storage}/{WORK_DIR}/x")];
            let groups = tree::groups(self, root, &inside, &mut Vec::new(), &mut Vec::new());
            for group in groups.iter().filter(|group| !read.contains(&group.repository)) {
                let index = View::open(self, &group.repository)
                    .and_then(|view| Index::read(&view, group, &[format!("{storage}/{WORK_DIR}")]));
                match index {
                    Ok(index) => report.tracked.extend(tracked_work_dir(&index, group, storage)),
                    Err(warning) => report.warnings.push(warning),
                }
            }
        }
        let mut shown = BTreeSet::new();
        report.warnings.retain(|warning| shown.insert(warning.to_string()));
        report
    }
}

/// Compares the entries of one repository with its index.
struct Comparison<'a> {
    root: &'a Root,
    view: View<'a>,
    group: &'a Group,
    index: Index,
    storages: &'a [String],
    /// Entries that a merge left in two versions, by path relative to the root.
    conflicts: BTreeMap<String, Settlement>,
    notes: &'a EntryNotes,
}

/// Says what is known of an entry before a file of it is read.
enum Looked {
    /// How the index has it; none if it is not stored, and git does not know it either.
    Known(Option<Staged>),
    /// Its files, which have to be read.
    Stored(Vec<EntryFile>),
}

/// Holds an entry of the working tree, by path relative to the root.
type StoredEntry<'a> = (&'a String, Vec<EntryFile>);

impl<'a> Comparison<'a> {
    fn report(&self, report: &mut IndexReport) {
        let stored = self.stored(report);
        let hashes = self.hashes(&stored, report);
        match self.compare(&stored, &hashes) {
            Ok(compared) => report.entries.extend(compared),
            Err(warning) => {
                // Where git cannot tell, nothing counts as staged.
                let not_staged = |entry: &String| Staged::No { command: self.group.command("add", [entry.as_str()]) };
                report.entries.extend(stored.iter().map(|(entry, _)| ((*entry).clone(), not_staged(entry))));
                report.warnings.push(warning);
            }
        }
    }

    /// Returns the entries of the working tree of which files have to be read, with their files; of the others, reports what git knows of
    /// them.
    fn stored(&self, report: &mut IndexReport) -> Vec<StoredEntry<'a>> {
        let mut stored = Vec::new();
        let untouched = Untouched::new(self.root, &self.view, self.group, &self.index, self.storages);
        let submodules = submodules(&self.view, self.group, self.storages).unwrap_or_else(|warning| {
            report.warnings.push(warning);
            BTreeSet::new()
        });
        for entry in &self.group.entries {
            let found = match self.in_submodule(entry, &submodules) {
                Some(staged) => Some(staged),
                None => match self.look(entry, &untouched) {
                    Ok(Looked::Known(staged)) => staged,
                    Ok(Looked::Stored(files)) => {
                        stored.push((entry, files));
                        None
                    }
                    Err(error) => {
                        report.warnings.push(error.into());
                        None
                    }
                },
            };
            report.entries.extend(found.map(|staged| (entry.clone(), staged)));
        }
        stored
    }

    /// Looks at the files of an entry. They need not be read where git noted all of them as they are.
    fn look(&self, entry: &str, untouched: &Untouched<'_>) -> Result<Looked, Error> {
        let is_untouched = |note: &EntryNote| untouched.has(entry, note);
        // What was seen earlier can tell no more than that: all else is looked at now.
        if self.notes.get(entry).is_some_and(is_untouched) {
            return Ok(Looked::Known(Some(Staged::Yes)));
        }
        let found = tree::found(self.root, entry)?;
        if EntryNote::new(&found).as_ref().is_some_and(is_untouched) {
            return Ok(Looked::Known(Some(Staged::Yes)));
        }
        let files = tree::listed(self.root, entry, &found)?;
        Ok(if files.is_empty() { Looked::Known(self.not_stored(entry)) } else { Looked::Stored(files) })
    }

    /// Finds the submodule that holds an entry. The repository of such an entry is the submodule, as soon as it is checked out.
    fn in_submodule(&self, entry: &str, submodules: &BTreeSet<String>) -> Option<Staged> {
        let path = self.group.in_git(entry).unwrap_or_default();
        let submodule = submodules.iter().find(|submodule| is_below(&path, submodule))?;
        let path = self.group.below_root(submodule);
        let command = self.group.command("submodule update --init", [path.as_str()]);
        Some(Staged::Submodule { path, command })
    }

    /// Reports an entry of which the working tree holds nothing; `None` if git does not know it either.
    fn not_stored(&self, entry: &str) -> Option<Staged> {
        let Self { group, index, .. } = self;
        if index.below(group, entry).any(|(_, tracked)| tracked.is_sparse) {
            return Some(Staged::Sparse);
        }
        if let Some(settlement) = self.conflicts.get(entry) {
            return Some(Staged::Conflict(settlement.clone()));
        }
        index.knows(group, entry).then(|| Staged::Deleted { command: group.command("restore", [entry]) })
    }

    /// Hashes all files that are tracked. An entry that cannot be read does not keep the others from being compared.
    fn hashes(&self, stored: &[StoredEntry<'_>], report: &mut IndexReport) -> Hashes {
        if let Ok(hashes) = hashes(&self.view, self.group, stored.iter().flat_map(|entry| self.tracked(entry)), false) {
            return hashes;
        }
        let mut found = Hashes::new();
        for entry in stored {
            match hashes(&self.view, self.group, self.tracked(entry), false) {
                Ok(hashes) => found.extend(hashes),
                Err(warning) => report.warnings.push(warning),
            }
        }
        found
    }

    /// Returns the files of an entry that git tracks in whatever form.
    fn tracked<'s>(&self, (_, files): &'s StoredEntry<'_>) -> impl Iterator<Item = &'s EntryFile> {
        files.iter().filter(|file| self.group.in_git(&file.path).is_some_and(|path| self.index.at(&path).is_some()))
    }

    fn compare(&self, stored: &[StoredEntry<'_>], hashes: &Hashes) -> Result<Vec<(String, Staged)>, Warning> {
        let Self { view, group, index, .. } = self;
        let differs = |(entry, files): &&StoredEntry<'_>| !index.has(view, group, entry, files, hashes);
        let different: Vec<&StoredEntry<'_>> = stored.iter().filter(differs).collect();
        let paths = |entries: &[&StoredEntry<'_>]| {
            let files = entries.iter().flat_map(|(_, files)| files);
            files.map(|file| file.path.clone()).collect::<Vec<_>>()
        };
        let unknown: Vec<&StoredEntry<'_>> =
            different.iter().filter(|(entry, _)| !index.knows(group, entry)).copied().collect();
        let ignored = ignored(view, group, &paths(&unknown))?;
        let filtered = filtered(view, group, paths(&different))?;
        let causes = Causes { hashes, ignored, fresh: self.fresh(&filtered), filtered };
        let different: BTreeSet<&String> = different.iter().map(|(entry, _)| *entry).collect();
        let staged = |(entry, files): &StoredEntry<'_>| {
            let staged = if let Some(settlement) = self.conflicts.get(*entry) {
                Staged::Conflict(settlement.clone())
            } else if different.contains(entry) {
                self.cause(entry, files, &causes)
            } else {
                Staged::Yes
            };
            ((*entry).clone(), staged)
        };
        Ok(stored.iter().map(staged).collect())
    }

    /// Returns those of these files that are in the index and were not touched since, by size and time. Where both fall into one
    /// moment, git itself compares contents, which needs the filter.
    fn fresh(&self, files: &BTreeSet<String>) -> BTreeSet<String> {
        let is_fresh = |path: &&String| {
            let note = self.group.in_git(path).and_then(|path| self.index.at(&path)?.note);
            note.zip(self.root.store_dir().stat(path).ok())
                .is_some_and(|(note, found)| note.is_like(&FileLook::new(&found)))
        };
        files.iter().filter(is_fresh).cloned().collect()
    }

    /// Finds out why the index does not have an entry as it is stored.
    fn cause(&self, entry: &str, files: &[EntryFile], causes: &Causes<'_>) -> Staged {
        let Self { view, group, index, .. } = self;
        let first = |which: &BTreeSet<String>| files.iter().find(|file| which.contains(&file.path));
        let command = group.command("add", [entry]);
        if let Some(file) = first(&causes.ignored) {
            Staged::Ignored { path: file.path.clone(), command: group.command("add --force", [entry]) }
        } else if first(&causes.filtered).is_none() {
            Staged::No { command }
        } else if index.has_but_for(view, group, entry, files, causes.hashes, &causes.fresh) {
            Staged::Yes
        } else {
            Staged::Filtered { command }
        }
    }
}

/// Holds what can keep files from being staged, by path relative to the root.
struct Causes<'a> {
    hashes: &'a Hashes,
    ignored: BTreeSet<String>,
    filtered: BTreeSet<String>,
    /// Filtered files that were not touched since they were staged.
    fresh: BTreeSet<String>,
}

/// Submodules of this repository at or above these storages or inside of them, by git's paths.
fn submodules(view: &View<'_>, group: &Group, storages: &[String]) -> Result<BTreeSet<String>, Warning> {
    if view.repository.work_tree.join(".gitmodules").symlink_metadata().is_err() {
        return Ok(BTreeSet::new());
    }
    let mut specs = BTreeSet::new();
    for storage in group.pathspecs(storages) {
        let above = storage.match_indices('/').map(|(at, _)| storage[..at].to_owned());
        specs.extend(above.collect::<Vec<_>>());
        specs.insert(storage);
    }
    let found = run(view.command().args(["ls-files", "-z", "--stage", "--"]).args(&specs), b"")?;
    let path = |line: String| Some(line.strip_prefix("160000 ")?.split_once('\t')?.1.to_owned());
    Ok(words(&found).filter_map(path).collect())
}

/// Returns what is tracked of this program's own directory in a storage, with the command that removes it from the index.
fn tracked_work_dir(index: &Index, group: &Group, storage: &str) -> BTreeMap<String, String> {
    let work_dir = format!("{storage}/{WORK_DIR}");
    if group.in_git(&work_dir).is_none() {
        return BTreeMap::new();
    }
    let command = group.command("rm -r --cached", [work_dir.as_str()]);
    index.below(group, &work_dir).map(|(path, _)| (group.below_root(path), command.clone())).collect()
}
