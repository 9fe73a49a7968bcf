//! Slices that no declaration owns.

use std::collections::BTreeSet;

use artifacts_plan::{Owner, Owners};
use artifacts_report::{Failure, FileChange};
use artifacts_spec::InstanceName;
use artifacts_store::{Options, ReceiptState, Slice, Storage};

use crate::{Rooms, Writers, changes};

/// A slice that nobody owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it lies.
    pub storage: String,
    /// Its name.
    pub name: InstanceName,
    /// Who stored it, if its receipt tells.
    pub backend: Option<String>,
    /// How many files it has besides the receipt, and their bytes; none when it cannot be read.
    pub size: Option<(usize, u64)>,
    /// Its files, and who reads them as far as the receipt tells.
    pub contents: Vec<FileChange>,
}

/// What lies in the storages besides what is declared.
#[derive(Debug, Default)]
pub struct Orphans {
    /// What nobody owns, by storage and name.
    pub found: Vec<Orphan>,
    /// What a target may own that did not evaluate.
    pub kept: Vec<InstanceName>,
    /// What is no slice at all, and why; it is left alone.
    pub odd: Vec<String>,
}

/// Looks for slices without an owner in every storage of the registry.
///
/// # Errors
/// When a storage cannot be read.
pub fn orphans(rooms: &Rooms<'_>, owners: &Owners) -> Result<Orphans, Failure> {
    let mut orphans = Orphans::default();
    let names = rooms.registry.names();
    let storages: BTreeSet<String> = names.iter().filter_map(|name| rooms.registry.storage(name).ok()).collect();
    for path in storages {
        let failed = |e: artifacts_store::Error| Failure::new(format!("storage {path}"), e.to_string()).help(e.help());
        let storage = Storage::open(rooms.root, &path).map_err(failed)?;
        let listing = storage.list().map_err(failed)?;
        orphans.odd.extend(listing.oddities.into_iter().map(|odd| format!("{}: {}", odd.path, odd.why)));
        for name in listing.slices {
            match owners.of(&name) {
                Some(Owner::Declared) => {}
                Some(Owner::Unknown(_)) => orphans.kept.push(name),
                None => orphans.found.push(orphan(&storage, name)),
            }
        }
    }
    Ok(orphans)
}

fn orphan(storage: &Storage, name: InstanceName) -> Orphan {
    let slice = storage.read(&name).ok().flatten();
    let backend = slice.as_ref().and_then(|slice| match &slice.receipt {
        ReceiptState::Valid(receipt) => Some(receipt.backend.name.to_string()),
        ReceiptState::Missing | ReceiptState::Malformed(_) => None,
    });
    let contents = slice.as_ref().map(changes::removed).unwrap_or_default();
    Orphan { storage: storage.path().to_owned(), name, backend, size: slice.as_ref().map(size), contents }
}

fn size(slice: &Slice) -> (usize, u64) {
    let files = slice.files.values().chain(slice.public.values());
    (files.clone().count(), files.map(|bytes| bytes.len() as u64).sum())
}

/// Moves these to their storages' trash. One that fails stops no other; the failures come back with what was moved.
pub fn prune(rooms: &Rooms<'_>, orphans: &[Orphan], options: &Options) -> (Vec<Orphan>, Vec<Failure>) {
    let mut moved = Vec::new();
    let mut failures = Vec::new();
    let mut writers = Writers::default();
    for orphan in orphans {
        let done = writers.writer(rooms, &orphan.storage, options).and_then(|writer| {
            let failed =
                |e: artifacts_store::Error| Failure::new(orphan.name.to_string(), e.to_string()).help(e.help());
            writer.remove(&orphan.name).map_err(failed)
        });
        match done {
            Ok(Some(_)) => moved.push(orphan.clone()),
            Ok(None) => {}
            Err(failure) => failures.push(failure),
        }
    }
    (moved, failures)
}
