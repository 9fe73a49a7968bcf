//! Entries of an instance in other storages than that of its declared backend.

use std::collections::BTreeSet;

use artifacts_declared::{DEFAULT_STORAGE, InstanceName};
use artifacts_plan::{Elsewhere, Instance};
use artifacts_store::{Entry, Receipt, ReceiptState, Storage};

use crate::naming::bears;
use crate::tools::Tools;

/// What makes a directory a root of its own.
const OTHER_ROOT: &str = "flake.nix";

/// Every storage that is known: those of all backends, the default one, and those that are found below the root.
pub struct Storages(Vec<Known>);

struct Known {
    storage: Storage,
    /// Whether a backend is declared to use it, or may be without any declaration.
    declared: bool,
}

impl Storages {
    /// Finds them.
    ///
    /// # Errors
    /// When a declared one cannot be opened, with its path.
    pub fn find(tools: &Tools) -> Result<Self, (String, artifacts_store::Error)> {
        let declared = declared(tools);
        let mut known = Vec::new();
        for path in &declared {
            let storage = Storage::open(&tools.root, path).map_err(|error| (path.clone(), error))?;
            known.push(Known { storage, declared: true });
        }
        let found =
            tools.root.storages().into_iter().filter(|path| !declared.contains(path) && !is_others(tools, path));
        let found = found.filter_map(|path| Storage::open(&tools.root, &path).ok());
        known.extend(found.map(|storage| Known { storage, declared: false }));
        Ok(Self(known))
    }

    /// Finds those that can be opened: no entry could be read in the others.
    pub fn readable(tools: &Tools) -> Self {
        Self::find(tools).unwrap_or_else(|_| {
            let open = |path: String| Some(Known { storage: Storage::open(&tools.root, &path).ok()?, declared: true });
            Self(declared(tools).into_iter().filter_map(open).collect())
        })
    }

    /// The storages, each with whether a backend may be declared to use it.
    pub fn all(&self) -> impl Iterator<Item = (&Storage, bool)> {
        self.0.iter().map(|known| (&known.storage, known.declared))
    }

    /// The entries of an instance in other storages than this one, each with its receipt.
    pub fn besides(&self, storage: &str, instance: &Instance) -> Vec<(Elsewhere, Option<Receipt>)> {
        let others = self.0.iter().filter(|known| known.storage.path() != storage);
        others.filter_map(|known| known.entry(storage, instance)).collect()
    }
}

impl Known {
    fn entry(&self, expected: &str, instance: &Instance) -> Option<(Elsewhere, Option<Receipt>)> {
        let place = |backend| Elsewhere {
            storage: self.storage.path().to_owned(),
            backend,
            declared: self.declared,
            expected: expected.to_owned(),
            is_moved: false,
        };
        match self.storage.read(&instance.name) {
            Ok(None) => None,
            Ok(Some(entry)) => {
                let receipt = own_receipt(&entry, &instance.name);
                let is_entry = receipt.is_some() || (self.declared && has_declared(instance, &entry));
                is_entry.then(|| (place(receipt.map(|receipt| receipt.backend.name.to_string())), receipt.cloned()))
            }
            // What cannot be read may hold the value.
            Err(_) => self.declared.then(|| (place(None), None)),
        }
    }
}

/// Whether an entry has a valid receipt of this instance.
pub fn has_receipt(storage: &Storage, name: &InstanceName) -> bool {
    storage.read(name).ok().flatten().is_some_and(|entry| own_receipt(&entry, name).is_some())
}

fn own_receipt<'a>(entry: &'a Entry, name: &InstanceName) -> Option<&'a Receipt> {
    match &entry.receipt {
        ReceiptState::Valid(receipt) if receipt.instance == *name => Some(receipt),
        ReceiptState::Valid(_) | ReceiptState::Missing | ReceiptState::Malformed(_) => None,
    }
}

/// Whether a file in it has the name of a declared one.
fn has_declared(instance: &Instance, entry: &Entry) -> bool {
    let secret = entry.files.keys().any(|stored| instance.secret_files().any(|file| bears(stored, file.as_str())));
    secret || entry.public.keys().any(|stored| instance.public_files().any(|file| file.as_str() == stored))
}

/// The storages of all backends, and the default one: a backend may have been given another one since.
fn declared(tools: &Tools) -> BTreeSet<String> {
    let names = tools.backends.names();
    let declared = names.iter().filter_map(|name| tools.backends.storage(name).ok());
    declared.chain([DEFAULT_STORAGE.to_owned()]).collect()
}

/// Whether a storage is below another flake in the checkout, which has its own root.
fn is_others(tools: &Tools, path: &str) -> bool {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut above = ends.filter_map(|end| path.get(..end));
    above.any(|above| tools.root.dir().symlink_metadata(format!("{above}/{OTHER_ROOT}")).is_ok())
}
