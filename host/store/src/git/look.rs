//! What git knows of entries.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use super::tree::{self, EntryFile, Group, is_below};
use super::view::View;
use super::{Git, Warning, command_over, listed, run, run_to, words};
use crate::names::WORK_DIR;
use crate::{Error, Repository, Root, attributes};

/// Describes how git's index has an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// The index has it as it is stored.
    Yes,
    /// The index does not have it, or with other content.
    No {
        /// Command that stages it.
        command: String,
    },
    /// The index does not have it, because git ignores it.
    Ignored {
        /// First ignored file, relative to the root.
        path: String,
        /// Command that stages it all the same.
        command: String,
    },
    /// The index has other bytes, because a filter has to run.
    Filtered {
        /// Command that runs the filter.
        command: String,
    },
    /// A merge left two versions.
    Conflict {
        /// Command that resolves it; the choice of `--ours` or `--theirs` is left open.
        command: String,
    },
    /// The working tree is sparse and holds nothing of it.
    Sparse,
    /// It belongs to a submodule that is not checked out, so its content is unknown.
    Submodule {
        /// Path of the submodule, relative to the root if it is below.
        path: String,
        /// Command that checks the submodule out.
        command: String,
    },
    /// The working tree holds nothing of it, and git still tracks it.
    Deleted {
        /// Command that restores it.
        command: String,
    },
}

impl Staged {
    /// Returns whether the index has the entry as it is stored.
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }

    /// Returns whether there is an entry to compare.
    pub fn is_stored(&self) -> bool {
        !matches!(self, Self::Sparse | Self::Submodule { .. } | Self::Deleted { .. })
    }
}

/// Reports what git's index has of entries.
#[derive(Debug, Default)]
pub struct IndexReport {
    /// Entries that are stored in a repository, by path relative to the root.
    pub entries: BTreeMap<String, Staged>,
    /// Tracked files below this program's own directories, with the command that removes each from the index: a push
    /// could have brought them.
    pub tracked: BTreeMap<String, String>,
    /// Reasons why something is unknown.
    pub warnings: Vec<Warning>,
}

impl Git {
    /// Compares git's index with these entries (paths below the root, of these storages). Writes nothing.
    pub fn compare(&self, root: &Root, storages: &[String], entries: &[String]) -> IndexReport {
        let mut report = IndexReport::default();
        let mut refused = Vec::new();
        for group in tree::groups(self, root, entries, &mut report.warnings, &mut refused) {
            let seen = View::open(self, &group.repository).and_then(|view| {
                check_above(self, &group)?;
                Index::read(&view, &group, storages).map(|index| (view, index))
            });
            match seen {
                Ok((view, index)) => compare_group(root, &view, &group, (&index, storages), &mut report),
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
            for group in tree::groups(self, root, &inside, &mut Vec::new(), &mut Vec::new()) {
                match tracked_work_dir(self, &group, storage) {
                    Ok(paths) => report.tracked.extend(paths),
                    Err(warning) => report.warnings.push(warning),
                }
            }
        }
        let mut told = BTreeSet::new();
        report.warnings.retain(|warning| told.insert(warning.to_string()));
        report
    }
}

impl Git {
    /// Finds what a repository tracks of a path that only this user should write: a file at or below it, or a symbolic
    /// link or submodule that leads there. Anyone who can push decides its content. The path is absolute and need not
    /// exist.
    ///
    /// # Errors
    /// If that cannot be determined.
    pub fn tracks(&self, path: &Path) -> Result<Option<PathBuf>, Warning> {
        let mut here = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = parts(path);
        for _ in 0..MAX_STEPS {
            let Some(part) = rest.pop() else { return self.tracks_at(&here) };
            if part == Path::new("..") {
                here.pop();
                continue;
            }
            let next = here.join(part);
            let Ok(target) = std::fs::read_link(&next) else {
                here = next;
                continue;
            };
            if let Some(found) = self.tracks_at(&next)? {
                return Ok(Some(found));
            }
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        }
        Err(Error::io(path.to_string_lossy(), "find", rustix::io::Errno::LOOP).into())
    }

    /// Does the same for a path whose directory is not reached over a symbolic link.
    fn tracks_at(&self, path: &Path) -> Result<Option<PathBuf>, Warning> {
        let Some(directory) = path.parent() else { return Ok(None) };
        // What is not there yet may come to be in the repository above.
        let inner = if path.is_symlink() { directory } else { path };
        let repository = match Repository::containing(inner) {
            Ok(Some(repository)) => repository,
            Ok(None) | Err(Error::RepositoryOwner { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Ok(below) = path.strip_prefix(&repository.work_tree) else { return Ok(None) };
        let top = below.iter().next().unwrap_or_else(|| ".".as_ref());
        let view = View::open(self, &repository)?;
        let found = run(view.command().args(["ls-files", "-z", "--"]).arg(top), b"")?;
        let mut found = words(&found).map(PathBuf::from);
        let is_it = |tracked: &PathBuf| tracked.starts_with(below) || below.starts_with(tracked);
        Ok(found.find(is_it).map(|tracked| repository.work_tree.join(tracked)))
    }
}

/// Limit for components and symbolic links of a path.
const MAX_STEPS: usize = 4096;

/// Splits a path into its components, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<PathBuf> = named.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

fn tracked_work_dir(git: &Git, group: &Group, storage: &str) -> Result<BTreeMap<String, String>, Warning> {
    let work_dir = format!("{storage}/{WORK_DIR}");
    let Some(pathspec) = group.in_git(&work_dir) else { return Ok(BTreeMap::new()) };
    let view = View::open(git, &group.repository)?;
    let found = run(view.command().args(["ls-files", "-z", "--", &pathspec]), b"")?;
    let command = group.command("rm -r --cached", [work_dir.as_str()]);
    Ok(words(&found).map(|path| (group.below_root(&path), command.clone())).collect())
}

fn compare_group(
    root: &Root,
    view: &View<'_>,
    group: &Group,
    (index, storages): (&Index, &[String]),
    report: &mut IndexReport,
) {
    let mut open: Vec<(&String, Vec<EntryFile>)> = Vec::new();
    let submodules = submodules(view, group, storages).unwrap_or_else(|warning| {
        report.warnings.push(warning);
        BTreeSet::new()
    });
    for entry in &group.entries {
        let path = group.in_git(entry).unwrap_or_default();
        // The repository that holds an entry in a submodule is the submodule, as soon as it is checked out.
        if let Some(submodule) = submodules.iter().find(|submodule| is_below(&path, submodule)) {
            let submodule = group.below_root(submodule);
            let command = group.command("submodule update --init", [submodule.as_str()]);
            report.entries.insert(entry.clone(), Staged::Submodule { path: submodule, command });
            continue;
        }
        match tree::files(root, entry) {
            Ok(files) if files.is_empty() => {
                if index.below(group, entry).any(|(_, tracked)| tracked.is_sparse) {
                    report.entries.insert(entry.clone(), Staged::Sparse);
                } else if index.knows(group, entry) {
                    let verb = if index.is_unmerged(group, entry) { "restore --ours" } else { "restore" };
                    let command = group.command(verb, [entry.as_str()]);
                    report.entries.insert(entry.clone(), Staged::Deleted { command });
                }
            }
            Ok(files) => open.push((entry, files)),
            Err(error) => report.warnings.push(error.into()),
        }
    }
    let hashes = all_hashes(view, group, &open, report);
    let mut compare = || {
        let left: Vec<_> =
            open.iter().filter(|(entry, files)| !index.has(view, group, entry, files, &hashes)).collect();
        let of = |(entry, files): &&(&String, Vec<EntryFile>)| {
            (!index.knows(group, entry)).then(|| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>())
        };
        let unknown: Vec<String> = left.iter().filter_map(of).flatten().collect();
        let all: Vec<String> = left.iter().flat_map(|(_, files)| files).map(|file| file.path.clone()).collect();
        let (ignored, filtered) = (ignored(view, group, &unknown)?, filtered(view, group, &all)?);
        let fresh = unmodified(view, group, &filtered)?;
        for (entry, files) in &open {
            let first = |which: &BTreeSet<String>| files.iter().find(|file| which.contains(&file.path));
            let entry = entry.as_str();
            let add = || group.command("add", [entry]);
            let staged = if index.is_unmerged(group, entry) {
                Staged::Conflict { command: group.command("checkout --ours", [entry]) }
            } else if !left.iter().any(|(other, _)| *other == entry) {
                Staged::Yes
            } else if let Some(file) = first(&ignored) {
                Staged::Ignored { path: file.path.clone(), command: group.command("add --force", [entry]) }
            } else if first(&filtered).is_some() {
                if index.has_but_for(view, group, entry, files, &hashes, &fresh) {
                    Staged::Yes
                } else {
                    Staged::Filtered { command: add() }
                }
            } else {
                Staged::No { command: add() }
            };
            report.entries.insert(entry.to_owned(), staged);
        }
        Ok(())
    };
    let done: Result<(), Warning> = compare();
    if let Err(warning) = done {
        // Where git cannot tell, nothing counts as staged.
        for (entry, _) in &open {
            let command = group.command("add", [entry.as_str()]);
            report.entries.insert((*entry).clone(), Staged::No { command });
        }
        report.warnings.push(warning);
    }
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

/// Hashes all files. An entry that cannot be read does not keep the others from being compared.
fn all_hashes(
    view: &View<'_>,
    group: &Group,
    entries: &[(&String, Vec<EntryFile>)],
    report: &mut IndexReport,
) -> Hashes {
    if let Ok(hashes) = hashes(view, group, entries.iter().flat_map(|(_, files)| files), false) {
        return hashes;
    }
    let mut found = Hashes::new();
    for (_, files) in entries {
        match hashes(view, group, files, false) {
            Ok(hashes) => found.extend(hashes),
            Err(warning) => report.warnings.push(warning),
        }
    }
    found
}

/// Rejects a repository among files that the repository above tracks, since it hides them from that one. Git never
/// creates one; entries would be staged where no one looks.
pub fn check_above(git: &Git, group: &Group) -> Result<(), Warning> {
    let Ok(Some(above)) = group.repository.above() else { return Ok(()) };
    let Ok(path) = group.repository.work_tree.strip_prefix(&above.work_tree) else { return Ok(()) };
    let view = View::open(git, &above)?;
    let found = run(view.command().args(["ls-files", "-z", "--stage", "--"]).arg(path), b"")?;
    let is_submodule = |line: &String| line.starts_with("160000 ");
    if words(&found).all(|line| is_submodule(&line)) {
        return Ok(());
    }
    Err(Warning::Hidden { path: group.dir().to_owned() })
}

/// Holds what git tracks below the storages, by git's paths.
pub struct Index(BTreeMap<String, Tracked>);

pub struct Tracked {
    mode: String,
    object: String,
    is_unmerged: bool,
    /// Whether git is told to ignore the working tree for it (skip-worktree).
    is_sparse: bool,
}

impl Index {
    pub fn read(view: &View<'_>, group: &Group, storages: &[String]) -> Result<Self, Warning> {
        let mut command = view.command();
        command.args(["ls-files", "-z", "-t", "--stage", "--"]).args(group.pathspecs(storages));
        let answer = run(&mut command, b"")?;
        let mut tracked = BTreeMap::new();
        for line in words(&answer) {
            let Some((head, path)) = line.split_once('\t') else { continue };
            let parts: Vec<&str> = head.split(' ').collect();
            let [tag, mode, object, stage] = parts[..] else {
                return Err(Warning::Refused { said: format!("`{head}` in its list of files is not understood") });
            };
            let one = Tracked {
                mode: mode.to_owned(),
                object: object.to_owned(),
                is_unmerged: stage != "0",
                is_sparse: tag.eq_ignore_ascii_case("S"),
            };
            tracked.insert(path.to_owned(), one);
        }
        Ok(Self(tracked))
    }

    /// Returns what is tracked of an entry, by git's paths.
    pub fn below<'i>(
        &'i self,
        group: &Group,
        entry: &str,
    ) -> impl Iterator<Item = (&'i String, &'i Tracked)> + use<'i> {
        let path = group.in_git(entry).unwrap_or_default();
        let from = self.0.range(path.clone()..);
        // Names that only begin the same way come in between.
        from.take_while({
            let path = path.clone();
            move |(other, _)| other.starts_with(&path)
        })
        .filter(move |(other, _)| is_below(other, &path))
    }

    /// Returns whether anything of an entry is tracked.
    pub fn knows(&self, group: &Group, entry: &str) -> bool {
        self.below(group, entry).next().is_some()
    }

    pub fn is_unmerged(&self, group: &Group, entry: &str) -> bool {
        self.below(group, entry).any(|(_, tracked)| tracked.is_unmerged)
    }

    /// Returns whether a file is tracked as it is stored.
    pub fn has_file(&self, view: &View<'_>, group: &Group, file: &EntryFile, hashes: &Hashes) -> bool {
        let Some(tracked) = group.in_git(&file.path).and_then(|path| self.0.get(&path)) else { return false };
        let is_executable = tracked.mode == "100755";
        let mode = if view.file_mode { is_executable == file.executable } else { tracked.mode.starts_with("100") };
        mode && !tracked.is_unmerged && hashes.get(&file.path) == Some(&tracked.object)
    }

    /// Returns whether an entry is tracked as it is stored: these files, and none that does not exist.
    pub fn has(&self, view: &View<'_>, group: &Group, entry: &str, files: &[EntryFile], hashes: &Hashes) -> bool {
        self.has_but_for(view, group, entry, files, hashes, &BTreeSet::new())
    }

    fn has_but_for(
        &self,
        view: &View<'_>,
        group: &Group,
        entry: &str,
        files: &[EntryFile],
        hashes: &Hashes,
        fresh: &BTreeSet<String>,
    ) -> bool {
        files.iter().all(|file| fresh.contains(&file.path) || self.has_file(view, group, file, hashes))
            && self.gone(view, group, entry).is_empty()
    }

    /// Returns what is tracked of an entry and does not exist any more, by git's paths.
    pub fn gone(&self, view: &View<'_>, group: &Group, entry: &str) -> Vec<String> {
        let exists = |path: &str| view.repository.work_tree.join(path).symlink_metadata().is_ok();
        self.below(group, entry).filter(|(path, _)| !exists(path)).map(|(path, _)| path.clone()).collect()
    }
}

/// Object names, in hex, by path of the file relative to the root.
pub type Hashes = BTreeMap<String, String>;

/// Computes the object names of these files; with `write`, writes the objects as well.
pub fn hashes<'f>(
    view: &View<'_>,
    group: &Group,
    files: impl IntoIterator<Item = &'f EntryFile>,
    write: bool,
) -> Result<Hashes, Warning> {
    let files: Vec<(&str, String)> =
        files.into_iter().filter_map(|file| Some((file.path.as_str(), group.in_git(&file.path)?))).collect();
    if files.is_empty() {
        return Ok(Hashes::new());
    }
    // A path that begins with a quote would be read as a quoted one.
    let input: String = files.iter().flat_map(|(_, path)| ["./", path, "\n"]).collect();
    let mut command = view.command();
    command.args(["hash-object", "--no-filters", "--stdin-paths"]).args(write.then_some("-w"));
    let answer = run(&mut command, input.as_bytes())?;
    let names: Vec<String> = String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect();
    if names.len() != files.len() {
        return Err(Warning::Refused { said: "its list of objects is not understood".to_owned() });
    }
    Ok(files.iter().map(|(path, _)| (*path).to_owned()).zip(names).collect())
}

/// Returns those of these files that git ignores. A tracked file is not ignored.
pub fn ignored(view: &View<'_>, group: &Group, files: &[String]) -> Result<BTreeSet<String>, Warning> {
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut command = view.command();
    // It takes no patterns, and does not like to be told so. Status 1 says that there is none.
    command.env_remove("GIT_LITERAL_PATHSPECS").args(["check-ignore", "-z", "--stdin"]);
    let answer = run_to(&mut command, list_in_git(group, files).as_bytes(), 1)?;
    Ok(words(&answer).map(|path| group.below_root(&path)).collect())
}

/// Returns those of these files that have a filter with a program. Nothing else gives them other bytes.
pub fn filtered(view: &View<'_>, group: &Group, files: &[String]) -> Result<BTreeSet<String>, Warning> {
    if files.is_empty() || view.filters.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut command = view.command();
    command.args(["check-attr", "-z", "--stdin", "filter"]);
    let answer = run(&mut command, list_in_git(group, files).as_bytes())?;
    let answers: Vec<String> = words(&answer).collect();
    let set = answers.chunks_exact(3).filter(|answer| view.filters.contains(&answer[2]));
    Ok(set.map(|answer| group.below_root(&answer[0])).collect())
}

/// Returns those of these files that are in the index and were not touched since, by size and time of change. Where
/// both fall into one second, git itself compares contents, which needs the filter.
fn unmodified(view: &View<'_>, group: &Group, files: &BTreeSet<String>) -> Result<BTreeSet<String>, Warning> {
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let paths: Vec<String> = files.iter().filter_map(|path| group.in_git(path)).collect();
    let answer = run(view.command().args(["ls-files", "-z", "--debug", "--"]).args(&paths), b"")?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    // Each path ends with NUL, and what is known of it stands before the next one.
    let mut found = BTreeSet::new();
    let mut rest = answer.as_str();
    while let Some((path, after)) = rest.split_once('\0') {
        let end = after.find("flags:").and_then(|at| Some(at + after.get(at..)?.find('\n')? + 1));
        let (known, next) = after.split_at(end.unwrap_or(after.len()));
        if is_untouched(&view.repository.work_tree.join(path), known) {
            found.insert(group.below_root(path));
        }
        rest = next;
    }
    Ok(found)
}

/// Returns whether a file is as the index describes it, and not known by name alone.
fn is_untouched(path: &std::path::Path, known: &str) -> bool {
    const INTENT_TO_ADD: u32 = 1 << 29;
    let noted = |name: &str| known.split([' ', '\t', '\n']).skip_while(|word| *word != name).nth(1);
    let flags = noted("flags:").and_then(|flags| u32::from_str_radix(flags, 16).ok());
    let Ok(found) = path.symlink_metadata() else { return false };
    flags.is_some_and(|flags| flags & INTENT_TO_ADD == 0)
        && noted("mtime:") == Some(&format!("{}:{}", found.mtime(), found.mtime_nsec()))
        && noted("size:") == Some(&found.size().to_string())
}

fn list_in_git(group: &Group, files: &[String]) -> String {
    let paths: Vec<String> = files.iter().filter_map(|path| group.in_git(path)).collect();
    listed(paths.iter().map(String::as_str))
}

/// Returns the `.gitattributes` of the storages, where they are this program's, as entries of one file each.
pub fn attributes_of(root: &Root, storages: &[String]) -> Vec<(String, EntryFile)> {
    let own = storages.iter().filter(|storage| attributes::is_own(root, storage));
    own.map(|storage| {
        let path = attributes::path(storage);
        (path.clone(), EntryFile { path, executable: false })
    })
    .collect()
}
