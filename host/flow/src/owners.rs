//! Whose is what: no age file is two instances'.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_spec::InstanceName;
use artifacts_store::{ReceiptState, Slice, Storage};

use crate::{Rooms, failure};

/// The age files in a slice, by their headers.
pub fn headers(slice: &Slice) -> BTreeSet<String> {
    slice.files.values().flat_map(|bytes| artifacts_age::headers(bytes)).collect()
}

/// Whose the age files are that lie in the storages.
pub struct Owners {
    by_header: BTreeMap<String, BTreeSet<InstanceName>>,
    /// What could not be read, and why.
    unread: Vec<String>,
}

impl Owners {
    /// Reads all slices that lie in any storage.
    pub fn of(rooms: &Rooms<'_>) -> Self {
        let storages: BTreeSet<String> =
            rooms.registry.names().iter().filter_map(|name| rooms.registry.storage(name).ok()).collect();
        let mut owners = Self { by_header: BTreeMap::new(), unread: Vec::new() };
        for storage in storages {
            if let Err(error) = owners.add(rooms, &storage) {
                owners.unread.push(error.to_string());
            }
        }
        owners
    }

    fn add(&mut self, rooms: &Rooms<'_>, storage: &str) -> Result<(), artifacts_store::Error> {
        let storage = Storage::open(rooms.root, storage)?;
        for name in storage.list()?.slices {
            let slice = match storage.read(&name) {
                Ok(Some(slice)) => slice,
                Ok(None) => continue,
                Err(error) => {
                    self.unread.push(error.to_string());
                    continue;
                }
            };
            let told: Vec<String> = match &slice.receipt {
                ReceiptState::Valid(receipt) => receipt.sealed.iter().map(ToString::to_string).collect(),
                ReceiptState::Missing | ReceiptState::Malformed(_) => Vec::new(),
            };
            for header in headers(&slice).into_iter().chain(told) {
                self.by_header.entry(header).or_default().insert(name.clone());
            }
        }
        Ok(())
    }

    /// Refuses what lies in another instance's slice too, or stands in its receipt: it was sealed for those who read that one.
    pub fn check(&self, instance: &Instance, headers: &BTreeSet<String>) -> Result<(), Failure> {
        let owners = headers.iter().filter_map(|header| self.by_header.get(header)).flatten();
        let others: BTreeSet<String> = owners.filter(|name| **name != instance.name).map(ToString::to_string).collect();
        if others.is_empty() {
            return Ok(());
        }
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        Err(failure::of(instance, format!("it holds what was sealed for {others}"))
            .help(Some("somebody copied it there; take the slice from the last good commit")))
    }

    /// Refuses to tell when a slice cannot be read.
    pub fn check_unread(&self, instance: &Instance) -> Result<(), Failure> {
        match self.unread.first() {
            Some(why) => {
                Err(failure::of(instance, format!("whether it holds what is another's cannot be told: {why}"))
                    .help(Some("mend that first")))
            }
            None => Ok(()),
        }
    }
}
