use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifacts_declared::{InstanceName, Name};
use cap_std::fs::Dir;

use crate::entry::MAX_TOTAL;
use crate::names::{self, RECEIPT, WORK_DIR};
use crate::store_dir::{FileKind, StoreDir};
use crate::{Entry, Error, MAX_RECEIPT, Receipt, attributes};

/// The checkout that holds the storages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Root {
    folder: Arc<StoreDir>,
    path: Arc<PathBuf>,
}

impl Root {
    /// Holds a folder from now on, whatever its path may mean later.
    ///
    /// # Errors
    /// When there is no such folder or it may not be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let folder = Arc::new(StoreDir::ambient(path)?);
        let path = path.canonicalize().map_err(|error| Error::io(path.to_string_lossy(), "open the folder", error))?;
        Ok(Self { folder, path: Arc::new(path) })
    }

    /// Its absolute path, for messages and for programs that need one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The held folder.
    pub fn dir(&self) -> &Dir {
        self.folder.dir()
    }

    /// Folders that look like storages, at most three levels below the root: one of their folders is named as the groups of
    /// entries are. Hidden ones and what cannot be read are passed over.
    pub fn storages(&self) -> Vec<String> {
        let mut found = Vec::new();
        look_for_storages(&self.folder, "", LEVELS, &mut found);
        found.sort();
        found
    }

    pub(crate) fn folder(&self) -> &StoreDir {
        &self.folder
    }
}

/// How far below the root storages that are not declared are looked for.
const LEVELS: usize = 3;

fn look_for_storages(folder: &StoreDir, path: &str, levels: usize, found: &mut Vec<String>) {
    let folders = folder.entries().unwrap_or_default().into_iter().filter(|(_, kind)| *kind == FileKind::Directory);
    let names: Vec<String> = folders.map(|(name, _)| name).filter(|name| !name.starts_with('.')).collect();
    if !path.is_empty() && names.iter().any(|name| ["per-machine", "per-user", "shared"].contains(&name.as_str())) {
        found.push(path.to_owned());
    } else if levels > 0 {
        for name in names {
            if let Ok(Some(below)) = folder.open(&name) {
                look_for_storages(&below, below.path(), levels - 1, found);
            }
        }
    }
}

/// A folder below the root that holds entries. It need not be there yet: then it holds none.
#[derive(Debug, Clone)]
pub struct Storage {
    root: Root,
    path: String,
}

/// What lies in a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Entries, sorted.
    pub entries: Vec<InstanceName>,
    /// Everything else, sorted.
    pub stray_files: Vec<StrayFile>,
}

/// Something in a storage that is no entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StrayFile {
    /// Below the root.
    pub path: String,
    /// Why it is none.
    pub why: String,
}

impl Storage {
    /// A storage by its path below the root.
    ///
    /// # Errors
    /// When the path is not clean names from the root downwards, or leads through a link or something that is no folder.
    pub fn open(root: &Root, storage: &str) -> Result<Self, Error> {
        names::storage(storage)?;
        root.folder.open(storage)?;
        Ok(Self { root: root.clone(), path: storage.to_owned() })
    }

    /// The root that it lies below.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Its path below the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The entry of an instance; `None` when there is none, or an empty folder.
    ///
    /// # Errors
    /// When a link, a special file or a folder other than `public` lies in it or on the way to it, or it is too large.
    pub fn read(&self, name: &InstanceName) -> Result<Option<Entry>, Error> {
        self.read_within(name, MAX_TOTAL)
    }

    /// The same of an entry in which the backend's own files have at most `limit` bytes together. No more is read.
    ///
    /// # Errors
    /// As [`Storage::read`].
    pub fn read_within(&self, name: &InstanceName, limit: u64) -> Result<Option<Entry>, Error> {
        let path = format!("{}/{}", self.path, names::entry_path(name)?);
        let mut attempts = 0;
        loop {
            let Some(folder) = self.root.folder.open(&path)? else { return Ok(None) };
            match Entry::read(name, &folder, limit) {
                // An entry that is replaced while it is read stays whole in the trash; but the trash may be emptied, too.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && attempts < 3 => {
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    /// The receipts of entries that were replaced or removed and are still in the trash, as far as there are any.
    ///
    /// # Errors
    /// When the trash cannot be read.
    pub fn trashed(&self) -> Result<Vec<Receipt>, Error> {
        let Some(trash) = self.root.folder.open(&format!("{}/{WORK_DIR}/trash", self.path))? else {
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

    /// All entries that lie there, owned by a declaration or not.
    ///
    /// # Errors
    /// When the storage itself cannot be read.
    pub fn list(&self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        if let Some(storage) = self.root.folder.open(&self.path)? {
            for (name, kind) in storage.entries()? {
                let depth = match (name.as_str(), kind) {
                    (WORK_DIR, FileKind::Directory) => continue,
                    (name, kind) if attributes::is_named(name, kind) => continue,
                    ("per-machine" | "per-user", FileKind::Directory) => 2,
                    ("shared", FileKind::Directory) => 1,
                    _ => {
                        listing.odd(&storage, &name, "it is none of per-machine, per-user and shared");
                        continue;
                    }
                };
                listing.descend(&storage, &name, &name, depth);
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

    /// Looks into a folder that is `depth` levels above entries; `path` is its path below the storage.
    fn descend(&mut self, parent: &StoreDir, name: &str, path: &str, depth: usize) {
        let folder = match parent.open(name) {
            Ok(Some(folder)) => folder,
            Ok(None) => return,
            Err(error) => return self.odd(parent, name, error.to_string()),
        };
        let entries = match folder.entries() {
            Ok(entries) => entries,
            Err(error) => return self.odd(parent, name, error.to_string()),
        };
        if depth == 0 {
            if !entries.is_empty() {
                self.entries.extend(path.parse::<InstanceName>());
            }
            return;
        }
        for (name, kind) in entries {
            match (Name::new(name.as_str()), kind) {
                (Ok(_), FileKind::Directory) => self.descend(&folder, &name, &format!("{path}/{name}"), depth - 1),
                (Err(error), _) => self.odd(&folder, &name, error.to_string()),
                (Ok(_), kind) => self.odd(&folder, &name, format!("it is a {kind}, expected a folder")),
            }
        }
    }
}
