//! What git's index has below the storages.

use std::collections::{BTreeMap, BTreeSet};

use super::entry_note::IndexTime;
use super::file_note::FileNote;
use super::files::Hashes;
use super::tree::{EntryFile, Group, is_below};
use super::view::View;
use super::{Git, Warning, each_line, run, words};

/// Holds what git tracks below the storages, by git's paths.
pub struct Index {
    files: BTreeMap<String, Tracked>,
    /// What this branch and the other one have of each file that a merge left in two versions.
    versions: BTreeMap<String, Versions>,
    /// When it was written; none if there is none.
    pub written: Option<IndexTime>,
}

/// Describes one version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    mode: u32,
    pub object: String,
}

impl FileVersion {
    /// Reads a mode and the name of an object, as git lists them.
    pub fn new(mode: &str, object: &str) -> Option<Self> {
        Some(Self { mode: u32::from_str_radix(mode, 8).ok()?, object: object.to_owned() })
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.mode >> 9 == 0o100
    }

    fn is_executable(&self) -> bool {
        self.mode == 0o100_755
    }
}

/// What this branch and the other one have of a file; none where that branch does not have it.
pub type Versions = [Option<FileVersion>; 2];

/// Describes a file in the index.
pub struct Tracked {
    version: FileVersion,
    pub is_unmerged: bool,
    /// What git noted of the file in the working tree; none if that says nothing.
    pub note: Option<FileNote>,
    /// Whether git is told to ignore the working tree for it (skip-worktree).
    pub is_sparse: bool,
}

impl Index {
    /// Reads what is tracked below these storages.
    pub fn read(view: &View<'_>, group: &Group, storages: &[String]) -> Result<Self, Warning> {
        // Where it is written meanwhile, this is too early, and more is compared by content.
        let written = rustix::fs::stat(view.repository.git_dir.join("index")).ok().map(|index| IndexTime::new(&index));
        let mut command = view.command();
        command.args(["ls-files", "-z", "-t", "--stage", "--debug", "--"]).args(group.pathspecs(storages));
        let mut read = Self { files: BTreeMap::new(), versions: BTreeMap::new(), written };
        // What git noted of a file comes after it, in lines that begin with blanks. A name may have lines, too, and ends with NUL.
        let (mut file, mut fault) = (Vec::new(), None);
        each_line(&mut command, b"", |line| {
            if file.contains(&0) && !line.starts_with(b"  ") {
                fault = read.add(&file).err();
                file.clear();
            }
            file.extend_from_slice(line);
            file.push(b'\n');
            fault.is_none()
        })?;
        if fault.is_none() && !file.is_empty() {
            fault = read.add(&file).err();
        }
        fault.map_or(Ok(read), Err)
    }

    /// Adds what git lists of a file.
    fn add(&mut self, file: &[u8]) -> Result<(), Warning> {
        let text = String::from_utf8_lossy(file);
        let not_understood =
            |head: &str| Warning::Refused { said: format!("`{head}` in its list of files is not understood") };
        let listed = text.split_once('\0').and_then(|(line, note)| Some((line.split_once('\t')?, note)));
        let ((head, path), note) = listed.ok_or_else(|| not_understood(&text))?;
        let parts: Vec<&str> = head.split(' ').collect();
        let [tag, mode, object, stage] = parts[..] else { return Err(not_understood(head)) };
        let one = Tracked {
            version: FileVersion::new(mode, object).ok_or_else(|| not_understood(head))?,
            is_unmerged: stage != "0",
            note: FileNote::read(note),
            is_sparse: tag.eq_ignore_ascii_case("S"),
        };
        if one.is_unmerged {
            let [ours, theirs] = self.versions.entry(path.to_owned()).or_default();
            match stage {
                "2" => *ours = Some(one.version.clone()),
                "3" => *theirs = Some(one.version.clone()),
                _ => {}
            }
        }
        self.files.insert(path.to_owned(), one);
        Ok(())
    }

    /// Returns all that is tracked, by path relative to the root.
    pub fn paths(&self, group: &Group) -> impl Iterator<Item = String> {
        self.files.keys().map(|path| group.below_root(path))
    }

    /// Returns what is tracked of an entry, by git's paths.
    pub fn below<'i>(
        &'i self,
        group: &Group,
        entry: &str,
    ) -> impl Iterator<Item = (&'i String, &'i Tracked)> + use<'i> {
        let path = group.in_git(entry).unwrap_or_default();
        let from = self.files.range(path.clone()..);
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

    /// Returns whether a merge left two versions of anything in an entry.
    pub fn is_unmerged(&self, group: &Group, entry: &str) -> bool {
        self.below(group, entry).any(|(_, tracked)| tracked.is_unmerged)
    }

    /// Returns the versions of each file of an entry that a merge left in two, by git's paths.
    pub fn versions(&self, group: &Group, entry: &str) -> BTreeMap<&String, &Versions> {
        let unmerged = self.below(group, entry).filter(|(_, tracked)| tracked.is_unmerged);
        unmerged.filter_map(|(path, _)| Some((path, self.versions.get(path)?))).collect()
    }

    /// Returns the files that the working tree has of an entry once the version of one branch is checked out of the index; none if
    /// git refuses, since that branch does not have a file.
    pub fn checked_out(&self, group: &Group, entry: &str, side: usize) -> Option<BTreeMap<String, FileVersion>> {
        let version = |(path, tracked): (&String, &Tracked)| {
            let version = if tracked.is_unmerged { self.versions.get(path)?[side].as_ref()? } else { &tracked.version };
            Some((path.clone(), version.clone()))
        };
        self.below(group, entry).map(version).collect()
    }

    /// Returns what is tracked at this path, by git's paths.
    pub fn at(&self, path: &str) -> Option<&Tracked> {
        self.files.get(path)
    }

    /// Returns whether a file is tracked as it is stored.
    pub fn has_file(&self, view: &View<'_>, group: &Group, file: &EntryFile, hashes: &Hashes) -> bool {
        let Some(tracked) = group.in_git(&file.path).and_then(|path| self.files.get(&path)) else { return false };
        tracked.has_mode(view, file.executable)
            && !tracked.is_unmerged
            && hashes.get(&file.path) == Some(&tracked.version.object)
    }

    /// Returns whether an entry is tracked as it is stored: these files, and none that does not exist.
    pub fn has(&self, view: &View<'_>, group: &Group, entry: &str, files: &[EntryFile], hashes: &Hashes) -> bool {
        self.has_but_for(view, group, entry, files, hashes, &BTreeSet::new())
    }

    /// Does the same, where the files of `fresh` count as tracked.
    pub fn has_but_for(
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

impl Tracked {
    /// Returns whether git has it as a file that may be executed or not, where that counts.
    pub fn has_mode(&self, view: &View<'_>, executable: bool) -> bool {
        if view.file_mode {
            self.version.is_file() && self.version.is_executable() == executable
        } else {
            self.version.is_file()
        }
    }
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
