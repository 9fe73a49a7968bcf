//! Which repository holds which entry, and the files of entries in its terms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Git, Warning};
use crate::file_look::FileLook;
use crate::look::{EntryLook, PUBLIC_FILES};
use crate::names::RECEIPT;
use crate::receipt::MAX_RECEIPT;
use crate::{Error, Receipt, Repository, Root, attributes};

/// Groups entries of one repository, by path relative to the root.
pub struct Group {
    pub repository: Repository,
    /// Prefix that turns a path relative to the root into one relative to the working tree, or the other way round.
    place: Place,
    pub entries: Vec<String>,
}

/// Position of the working tree.
enum Place {
    /// At the root, or above it by these names.
    Above(String),
    /// Below the root, at this path.
    Below(String),
}

impl Group {
    /// Converts a path relative to the root into git's path.
    pub fn in_git(&self, path: &str) -> Option<String> {
        match &self.place {
            Place::Above(prefix) => Some(format!("{prefix}{path}")),
            Place::Below(dir) if path == dir => Some(".".to_owned()),
            Place::Below(dir) => path.strip_prefix(dir.as_str())?.strip_prefix('/').map(str::to_owned),
        }
    }

    /// Returns the path of the working tree relative to the root; empty if it is not below.
    pub fn dir(&self) -> &str {
        match &self.place {
            Place::Above(_) => "",
            Place::Below(dir) => dir,
        }
    }

    /// Converts git's path into one relative to the root.
    pub fn below_root(&self, path: &str) -> String {
        match &self.place {
            Place::Above(prefix) => path.strip_prefix(prefix.as_str()).unwrap_or(path).to_owned(),
            Place::Below(dir) => format!("{dir}/{path}"),
        }
    }

    /// Returns the paths of these storages that git is asked about.
    pub fn pathspecs(&self, storages: &[String]) -> Vec<String> {
        match &self.place {
            Place::Below(dir) if !storages.iter().any(|storage| is_below(storage, dir)) => vec![".".to_owned()],
            _ => storages.iter().filter_map(|storage| self.in_git(storage)).collect(),
        }
    }

    /// Formats a command over entries, ready to be copied.
    pub fn command<'p>(&self, verb: &str, entries: impl IntoIterator<Item = &'p str>) -> String {
        let inside = |path: &str| if self.dir().is_empty() { Some(path.to_owned()) } else { self.in_git(path) };
        let paths: Vec<String> = entries.into_iter().filter_map(inside).collect();
        super::command_over(self.dir(), verb, paths.iter().map(String::as_str))
    }
}

/// Returns whether a path is `dir` or below it.
pub fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Sorts paths by the repository that holds them. Those outside of git are left out; those in a repository that is not one to
/// work with are in `refused`.
pub fn groups(
    git: &Git,
    root: &Root,
    paths: &[String],
    warnings: &mut Vec<Warning>,
    refused: &mut Vec<String>,
) -> Vec<Group> {
    let is_trusted = |work_tree: &Path| git.is_safe(work_tree);
    let mut by_dir: BTreeMap<PathBuf, Result<Option<Repository>, ()>> = BTreeMap::new();
    let mut groups: BTreeMap<Repository, Group> = BTreeMap::new();
    for path in paths {
        let above = Path::new(path).parent().unwrap_or(Path::new(""));
        let found = by_dir.entry(root.path().join(above)).or_insert_with_key(|dir| {
            Repository::containing_or(dir, &is_trusted).map_err(|error| warnings.push(error.into()))
        });
        let repository = match found {
            Ok(Some(repository)) => repository,
            Ok(None) => continue,
            Err(()) => {
                refused.push(path.clone());
                continue;
            }
        };
        let Some(place) = place(root, repository) else { continue };
        let new = || Group { repository: repository.clone(), place, entries: Vec::new() };
        groups.entry(repository.clone()).or_insert_with(new).entries.push(path.clone());
    }
    groups.into_values().collect()
}

fn place(root: &Root, repository: &Repository) -> Option<Place> {
    let text = |path: &Path| path.to_str().map(str::to_owned);
    match root.path().strip_prefix(&repository.work_tree) {
        Ok(above) if above.as_os_str().is_empty() => Some(Place::Above(String::new())),
        Ok(above) => Some(Place::Above(format!("{}/", text(above)?))),
        Err(_) => Some(Place::Below(text(repository.work_tree.strip_prefix(root.path()).ok()?)?)),
    }
}

/// Describes a file of an entry.
pub struct EntryFile {
    /// Path, relative to the root.
    pub path: String,
    pub executable: bool,
}

/// Looks at the files of an entry and opens none. There are none if nothing is stored.
pub fn found(root: &Root, entry: &str) -> Result<EntryLook, Error> {
    let directory = root.store_dir().open(entry)?;
    directory.map_or_else(|| Ok(EntryLook::default()), |directory| EntryLook::of(&directory))
}

/// Lists the files of an entry: those that its receipt lists, with the receipt; without a receipt, all. Files that
/// another program left there are not staged. The list is empty if nothing is stored.
pub fn files(root: &Root, entry: &str) -> Result<Vec<EntryFile>, Error> {
    listed(root, entry, &found(root, entry)?)
}

/// Does the same, where it is known what lies there.
pub fn listed(root: &Root, entry: &str, found: &EntryLook) -> Result<Vec<EntryFile>, Error> {
    if found.files().len() == 0 {
        return Ok(Vec::new());
    }
    let receipt = if found.has(RECEIPT) {
        root.read(&format!("{entry}/{RECEIPT}"), MAX_RECEIPT)?.and_then(|note| Receipt::parse(&note).ok())
    } else {
        None
    };
    let is_listed = |name: &str| match &receipt {
        Some(receipt) => match name.strip_prefix(PUBLIC_FILES) {
            Some(public) => receipt.public.contains_key(public),
            None => name == RECEIPT || receipt.files.contains_key(name),
        },
        None => true,
    };
    let file = |(name, look): (&str, &FileLook)| {
        let file = || EntryFile { path: format!("{entry}/{name}"), executable: look.is_executable() };
        // Git reads such a name as two.
        (is_listed(name) && !name.contains(['\n', '\0'])).then(file)
    };
    Ok(found.files().filter_map(file).collect())
}

/// Returns the `.gitattributes` of the storages, where they are this program's, as entries of one file each.
pub fn attributes_of(root: &Root, storages: &[String]) -> Vec<(String, EntryFile)> {
    let own = storages.iter().filter(|storage| attributes::is_own(root.store_dir(), storage));
    own.map(|storage| {
        let path = attributes::path(storage);
        (path.clone(), EntryFile { path, executable: false })
    })
    .collect()
}
