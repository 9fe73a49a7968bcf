//! Whose is what: no age file is two instances'. A receipt says for which one it was sealed, but it is a claim of whoever can push:
//! what was copied from another instance would be opened for this one, and then be encrypted to this one's readers.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_spec::{DEFAULT_STORAGE, InstanceName};
use artifacts_store::{ReceiptState, Slice, Storage};

use crate::{Rooms, failure};

/// The age files in a slice, by their headers.
pub fn headers(slice: &Slice) -> BTreeSet<String> {
    slice.files.values().chain(slice.extras.values()).flat_map(|bytes| artifacts_age::headers(bytes)).collect()
}

/// Whose the age files are: what this host remembers and, where that does not tell, what lies in the storages.
#[derive(Default)]
pub struct Owners(Option<Lying>);

impl Owners {
    /// Refuses what was sealed for another instance. What this host remembers for an instance is its own, wherever else it lies by
    /// now; what it does not remember may lie nowhere else.
    pub fn check(
        &mut self,
        rooms: &mut Rooms<'_>,
        instance: &Instance,
        headers: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let name = instance.name.to_string();
        let mut unknown = Vec::new();
        for header in headers {
            match rooms.sealed.owner(header).map_err(|e| failure::of(instance, e.to_string()).help(e.help()))? {
                Some(owner) if owner == name => {}
                Some(owner) => return Err(foreign(instance, owner)),
                None => unknown.push(header),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let lying = self.0.get_or_insert_with(|| Lying::of(rooms));
        let mut owners = unknown.into_iter().filter_map(|header| lying.by_header.get(header)).flatten();
        if let Some(other) = owners.find(|owner| **owner != instance.name) {
            return Err(foreign(instance, &other.to_string()));
        }
        match &lying.unread {
            None => Ok(()),
            Some(why) => {
                let why = format!("whether it holds what is another's cannot be told: {why}");
                Err(failure::of(instance, why).help(Some("mend that first")))
            }
        }
    }
}

fn foreign(instance: &Instance, other: &str) -> Failure {
    failure::of(instance, format!("it holds what was sealed for {other}")).help(Some(format!(
        "somebody copied it there: take the slice from the last good commit. If you renamed {other} yourself, name it back, and \
         `artifacts get` what is to be stored under the new name"
    )))
}

/// Age files in all storages.
struct Lying {
    by_header: BTreeMap<String, BTreeSet<InstanceName>>,
    /// Why there may be more.
    unread: Option<String>,
}

impl Lying {
    fn of(rooms: &Rooms<'_>) -> Self {
        // The usual storage too: a backend may have been given another one since.
        let declared = rooms.registry.names().into_iter().filter_map(|name| rooms.registry.storage(&name).ok());
        let storages: BTreeSet<String> = declared.chain([DEFAULT_STORAGE.to_owned()]).collect();
        let mut lying = Self { by_header: BTreeMap::new(), unread: None };
        for storage in &storages {
            if let Err(error) = lying.add(rooms, storage) {
                lying.unread = Some(error.to_string());
            }
        }
        // Those of targets that were not evaluated now. What only looks like a storage need not be readable as one.
        for storage in rooms.root.storages().into_iter().filter(|storage| !storages.contains(storage)) {
            let unread = lying.unread.take();
            let _ = lying.add(rooms, &storage);
            lying.unread = unread;
        }
        lying
    }

    fn add(&mut self, rooms: &Rooms<'_>, storage: &str) -> Result<(), artifacts_store::Error> {
        let storage = Storage::open(rooms.root, storage)?;
        for name in storage.list()?.slices {
            match storage.read(&name) {
                Ok(slice) => slice.iter().flat_map(all_headers).for_each(|header| self.note(header, &name)),
                Err(error) => self.unread = Some(error.to_string()),
            }
        }
        for receipt in storage.trashed()? {
            receipt.sealed.iter().for_each(|header| self.note(header.to_string(), &receipt.instance));
        }
        Ok(())
    }

    fn note(&mut self, header: String, name: &InstanceName) {
        self.by_header.entry(header).or_default().insert(name.clone());
    }
}

/// Those in a slice, and those that its receipt names.
fn all_headers(slice: &Slice) -> BTreeSet<String> {
    let mut found = headers(slice);
    if let ReceiptState::Valid(receipt) = &slice.receipt {
        found.extend(receipt.sealed.iter().map(ToString::to_string));
    }
    found
}
