use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts_declared::{InstanceName, Name};
use cap_std::fs::Dir;

use crate::entry::MAX_TOTAL;
use crate::file_kind::FileKind;
use crate::look::EntryLook;
use crate::names::{self, RECEIPT, WORK_DIR};
use crate::store_dir::StoreDir;
use crate::{Entry, Error, MAX_RECEIPT, Receipt, attributes};

/// Holds the checkout that contains the storages open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Root {
    directory: Arc<StoreDir>,
    path: Arc<PathBuf>,
}

impl Root {
    /// Opens a directory and holds it, whatever its path means later.
    ///
    /// # Errors
    /// If the directory does not exist or cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let directory = Arc::new(StoreDir::ambient(path)?);
        let path =
            path.canonicalize().map_err(|error| Error::io(path.to_string_lossy(), "open the directory", error))?;
        Ok(Self { directory, path: Arc::new(path) })
    }

    /// Returns the absolute path, for messages and for programs that need one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open directory.
    pub fn dir(&self) -> &Dir {
        self.directory.dir()
    }

    /// Finds directories that look like storages, at most three levels below the root: they contain `per-machine`,
    /// `per-user` or `shared`. Hidden directories and those that cannot be read are skipped. The paths are relative to
    /// the root and sorted.
    pub fn storages(&self) -> Vec<String> {
        let mut found = Vec::new();
        look_for_storages(&self.directory, "", LEVELS, &mut found);
        found.sort();
        found
    }

    /// Reads a regular file by its path relative to the root; `None` if it does not exist. No symbolic link is followed.
    ///
    /// # Errors
    /// If the path leaves the root or leads through a symbolic link, something else is there, or it has more bytes than `limit`.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.directory.read(path, limit)
    }

    pub(crate) fn store_dir(&self) -> &StoreDir {
        &self.directory
    }
}

/// Levels below the root that are searched for storages that are not declared.
const LEVELS: usize = 3;

fn look_for_storages(directory: &StoreDir, path: &str, levels: usize, found: &mut Vec<String>) {
    let directories =
        directory.entries().unwrap_or_default().into_iter().filter(|(_, kind)| *kind == FileKind::Directory);
    let names: Vec<String> = directories.map(|(name, _)| name).filter(|name| !name.starts_with('.')).collect();
    if !path.is_empty() && names.iter().any(|name| InstanceName::SCOPES.contains(&name.as_str())) {
        found.push(path.to_owned());
    } else if levels > 0 {
        for name in names {
            if let Ok(Some(below)) = directory.open(&name) {
                look_for_storages(&below, below.path(), levels - 1, found);
            }
        }
    }
}

/// Represents a directory below the root that holds entries. It need not exist: then it holds none.
#[derive(Debug, Clone)]
pub struct Storage {
    root: Root,
    path: String,
}

/// Lists the content of a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Instances of the entries, sorted.
    pub entries: Vec<InstanceName>,
    /// Everything else, sorted.
    pub stray_files: Vec<StrayFile>,
}

/// Describes something in a storage that is not an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StrayFile {
    /// Path, relative to the root.
    pub path: String,
    /// Why it is not an entry.
    pub why: String,
}

impl Storage {
    /// Opens a storage by its path relative to the root.
    ///
    /// # Errors
    /// If the path does not consist of clean names, or leads through a symbolic link or something that is not a
    /// directory.
    pub fn open(root: &Root, storage: &str) -> Result<Self, Error> {
        names::storage(storage)?;
        root.directory.open(storage)?;
        Ok(Self { root: root.clone(), path: storage.to_owned() })
    }

    /// Returns the root that contains it.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Returns the path, relative to the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads the entry of an instance; `None` if it does not exist, or its directory is empty.
    ///
    /// # Errors
    /// If a symbolic link, a special file or a directory other than `public` is in it or on the way to it, or if it
    /// exceeds a limit.
    pub fn read(&self, name: &InstanceName) -> Result<Option<Entry>, Error> {
        self.read_within(name, MAX_TOTAL)
    }

    /// Does the same, with at most `limit` bytes for the backend's own files together. Reading ends there.
    ///
    /// # Errors
    /// As [`Storage::read`].
    pub fn read_within(&self, name: &InstanceName, limit: u64) -> Result<Option<Entry>, Error> {
        Ok(self.look_and_read(name, limit)?.map(|(entry, _)| entry))
    }

    /// Does the same, and says what its files were like before they were read, unless there are others that do not count.
    ///
    /// # Errors
    /// As [`Storage::read`].
    pub fn look_and_read(&self, name: &InstanceName, limit: u64) -> Result<Option<(Entry, Option<EntryLook>)>, Error> {
        let path = format!("{}/{}", self.path, names::entry_path(name)?);
        let mut attempts = 0;
        loop {
            let Some(directory) = self.root.directory.open(&path)? else { return Ok(None) };
            match Entry::read(name, &directory, limit) {
                // An entry that is replaced while it is read stays whole in the trash; but the trash may be emptied, too.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && attempts < 3 => {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    /// Reads an entry in the trash by its name there, as one of this instance; `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Storage::read`].
    pub fn read_trashed(&self, trashed: &str, instance: &InstanceName) -> Result<Option<Entry>, Error> {
        if crate::time_of(trashed).is_none() || names::fault(trashed).is_some() {
            return Ok(None);
        }
        match self.root.directory.open(&format!("{}/{WORK_DIR}/trash/{trashed}", self.path))? {
            Some(directory) => Ok(Entry::read(instance, &directory, MAX_TOTAL)?.map(|(entry, _)| entry)),
            None => Ok(None),
        }
    }

    /// Returns the names of everything in the trash, the oldest first.
    ///
    /// # Errors
    /// If the trash cannot be read.
    pub fn trash(&self) -> Result<Vec<String>, Error> {
        let trash = self.root.directory.open(&format!("{}/{WORK_DIR}/trash", self.path))?;
        let mut names: Vec<String> = match trash {
            Some(trash) => trash.entries()?.into_iter().map(|(name, _)| name).collect(),
            None => Vec::new(),
        };
        names.retain(|name| crate::time_of(name).is_some());
        names.sort();
        Ok(names)
    }

    /// Reads the receipts of entries in the trash, as far as they have valid ones.
    ///
    /// # Errors
    /// If the trash cannot be read.
    pub fn trashed(&self) -> Result<Vec<Receipt>, Error> {
        let Some(trash) = self.root.directory.open(&format!("{}/{WORK_DIR}/trash", self.path))? else {
            return Ok(Vec::new());
        };
        let mut receipts = Vec::new();
        for (name, kind) in trash.entries()? {
            if kind == FileKind::Directory
                && let Some(entry) = trash.open(&name)?
                && let Some(note) = entry.read(RECEIPT, MAX_RECEIPT)?
            {
                receipts.extend(Receipt::parse(&note));
            }
        }
        Ok(receipts)
    }

    /// Lists all entries, declared or not.
    ///
    /// # Errors
    /// If the storage itself cannot be read.
    pub fn list(&self) -> Result<Listing, Error> {
        self.list_besides(&|_| false)
    }

    /// Lists the entries that are not among those that are known, and opens none of these.
    ///
    /// # Errors
    /// If the storage itself cannot be read.
    pub fn list_besides(&self, is_known: &dyn Fn(&InstanceName) -> bool) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        if let Some(storage) = self.root.directory.open(&self.path)? {
            for (name, kind) in storage.entries()? {
                let depth = match (name.as_str(), kind) {
                    (WORK_DIR, FileKind::Directory) => continue,
                    (name, kind) if attributes::is_named(name, kind) => continue,
                    ("per-machine" | "per-user", FileKind::Directory) => 2,
                    ("shared", FileKind::Directory) => 1,
                    _ => {
                        listing.odd(&storage, &name, "not below per-machine, per-user or shared");
                        continue;
                    }
                };
                listing.descend((&storage, &name, &name), depth, is_known);
            }
        }
        listing.entries.sort();
        listing.stray_files.sort();
        Ok(listing)
    }
}

impl Listing {
    fn odd(&mut self, parent: &StoreDir, name: &str, why: impl Into<String>) {
        self.stray_files.push(StrayFile { path: parent.at(name), why: why.into() });
    }

    /// Lists a directory that is `depth` levels above entries; `path` is relative to the storage.
    fn descend(
        &mut self,
        (parent, name, path): (&StoreDir, &str, &str),
        depth: usize,
        is_known: &dyn Fn(&InstanceName) -> bool,
    ) {
        let entry = if depth == 0 { path.parse::<InstanceName>().ok() } else { None };
        if entry.as_ref().is_some_and(is_known) {
            return;
        }
        let directory = match parent.open(name) {
            Ok(Some(directory)) => directory,
            Ok(None) => return,
            Err(error) => return self.odd(parent, name, error.to_string()),
        };
        let entries = match directory.entries() {
            Ok(entries) => entries,
            Err(error) => return self.odd(parent, name, error.to_string()),
        };
        if depth == 0 {
            if !entries.is_empty() {
                self.entries.extend(entry);
            }
            return;
        }
        for (name, kind) in entries {
            match (Name::new(name.as_str()), kind) {
                (Ok(_), FileKind::Directory) => {
                    self.descend((&directory, &name, &format!("{path}/{name}")), depth - 1, is_known);
                }
                (Err(error), _) => self.odd(&directory, &name, error.to_string()),
                (Ok(_), kind) => self.odd(&directory, &name, format!("it is a {kind}, expected a directory")),
            }
        }
    }
}
