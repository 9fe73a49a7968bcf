//! Entries that no declaration owns.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{EntryOwners, Instance, Owner};
use artifacts_report::{Failure, FileChange};
use artifacts_store::{Entry, Fingerprint, ReceiptState, Storage};

use super::changes;
use super::elsewhere::{Storages, has_receipt};
use crate::naming::bears;
use crate::tools::Tools;

/// An entry that no one owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it is.
    pub storage: String,
    /// Its name.
    pub name: InstanceName,
    /// Who stored it, if its receipt tells.
    pub backend: Option<String>,
    /// How many files it has besides the receipt, and their bytes; none when it cannot be read.
    pub size: Option<(usize, u64)>,
    /// Its files, and who reads them as far as the receipt tells.
    pub contents: Vec<FileChange>,
    /// Its content; none when it cannot be read.
    pub fingerprint: Option<Fingerprint>,
}

/// What is in the storages besides what is declared.
#[derive(Debug, Default)]
pub struct Orphans {
    /// What no one owns, by storage and name.
    pub found: Vec<Orphan>,
    /// What no one owns in a storage that no backend has: a copy perhaps, which is left alone.
    pub strange: Vec<Orphan>,
    /// What a target may own that did not evaluate.
    pub kept: Vec<InstanceName>,
    /// What is no entry at all, and why; it is left alone.
    pub odd: Vec<String>,
}

/// Looks for entries without an owner in every known storage. An entry of a declared instance is one, too, where that has another
/// one in its own backend's storage.
///
/// # Errors
/// When a declared storage cannot be read.
pub fn orphans(
    tools: &Tools,
    owners: &EntryOwners,
    instances: &BTreeMap<InstanceName, Instance>,
) -> Result<Orphans, Failure> {
    let mut orphans = Orphans::default();
    let storages = Storages::find(tools).map_err(|(path, e)| Failure::about(format!("storage {path}"), e))?;
    for (storage, declared) in storages.all() {
        let failed = |e: artifacts_store::Error| Failure::about(format!("storage {}", storage.path()), e);
        // Its own place is right for what is declared, whatever is there.
        let is_owned = |name: &InstanceName| {
            declared && owners.owner(name) == Some(Owner::Declared) && !is_second(tools, storage, instances.get(name))
        };
        let listing = match storage.list_besides(&is_owned) {
            Ok(listing) => listing,
            Err(error) if declared => return Err(failed(error)),
            Err(_) => continue,
        };
        if declared {
            orphans.odd.extend(listing.stray_files.into_iter().map(|odd| format!("{}: {}", odd.path, odd.why)));
        }
        // What only looks like a storage has entries only where receipts say so.
        for name in listing.entries.into_iter().filter(|name| declared || has_receipt(storage, name)) {
            match owners.owner(&name) {
                Some(Owner::Declared) if !declared => {}
                Some(Owner::Unknown(_)) => orphans.kept.push(name),
                Some(Owner::Declared) | None if declared => orphans.found.push(orphan(storage, name)),
                Some(Owner::Declared) | None => orphans.strange.push(orphan(storage, name)),
            }
        }
    }
    Ok(orphans)
}

/// Whether an instance has an entry in its own backend's storage, and that is another one than this.
fn is_second(tools: &Tools, storage: &Storage, instance: Option<&Instance>) -> bool {
    let Some(instance) = instance.filter(|instance| !instance.artifact.blocked) else { return false };
    let own = instance.artifact.backend.as_ref().and_then(|backend| tools.backends.storage(backend).ok());
    let Some(own) = own.filter(|own| own != storage.path()) else { return false };
    let own = Storage::open(&tools.root, &own).and_then(|own| own.read(&instance.name));
    own.is_ok_and(|entry| entry.is_some())
}

impl Orphan {
    /// Whether it may be this instance's entry from before it was renamed: of the same artifact or the same target, with the
    /// same files.
    pub fn is_twin(&self, instance: &Instance) -> bool {
        let target = |name: &InstanceName| match name {
            InstanceName::Shared { .. } => None,
            InstanceName::Machine { target, .. } | InstanceName::User { target, .. } => Some(target.clone()),
        };
        let same_scope = std::mem::discriminant(&self.name) == std::mem::discriminant(&instance.name);
        let (old, new) = (&self.name, &instance.name);
        // An artifact that became shared, or is no longer, keeps its name.
        let is_related = old.artifact() == new.artifact() || (same_scope && target(old) == target(new));
        is_related && self.has_files_of(instance)
    }

    fn has_files_of(&self, instance: &Instance) -> bool {
        let stored: BTreeSet<&str> = self.contents.iter().map(|change| change.file.as_str()).collect();
        let declared: BTreeSet<&str> = instance.artifact.files.keys().map(artifacts_declared::Name::as_str).collect();
        // Without a receipt the files have the names that the backend gave them.
        let borne = |file: &&str| stored.iter().any(|stored| bears(stored, file));
        !declared.is_empty()
            && (stored == declared
                || (self.backend.is_none() && stored.len() == declared.len() && declared.iter().all(borne)))
    }
}

fn orphan(storage: &Storage, name: InstanceName) -> Orphan {
    let entry = storage.read(&name).ok().flatten();
    let backend = entry.as_ref().and_then(|entry| match &entry.receipt {
        ReceiptState::Valid(receipt) => Some(receipt.backend.name.to_string()),
        ReceiptState::Missing | ReceiptState::Malformed(_) => None,
    });
    let contents = entry.as_ref().map(changes::removed).unwrap_or_default();
    let (size, fingerprint) = (entry.as_ref().map(size), entry.as_ref().map(Entry::fingerprint));
    Orphan { storage: storage.path().to_owned(), name, backend, size, contents, fingerprint }
}

fn size(entry: &Entry) -> (usize, u64) {
    let files = entry.files.values().chain(entry.public.values());
    (files.clone().count(), files.map(|bytes| bytes.len() as u64).sum())
}
