//! The stored entries, and what git knows of them.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_doctor::{EntryFacts, GitFacts, ReceiptFacts};
use artifacts_report::Failure;
use artifacts_store::{Entry, Git, Listing, Repository, Root, Storage};

use super::checkout::CheckoutPlace;

/// Holds what was read of the storages of a checkout.
pub struct StoredState {
    root: Root,
    storages: Vec<String>,
    /// Names of the instances, by the path of their entries below the root.
    names: BTreeMap<String, String>,
    pub receipts: ReceiptFacts,
}

impl StoredState {
    /// Compares git's index with what is stored.
    pub fn in_git(&self, git: &Git) -> GitFacts {
        let entries: Vec<String> = self.names.keys().cloned().collect();
        let index = git.compare(&self.root, &self.storages, &entries);
        // Of one that cannot be used, the comparison warns.
        let is_repository = !matches!(Repository::containing(self.root.path()), Ok(None));
        GitFacts { is_repository, names: self.names.clone(), index }
    }

    /// Reads the storages of a checkout.
    pub fn read(checkout: &CheckoutPlace) -> Result<Self, Failure> {
        let root = Root::open(&checkout.root).map_err(Failure::from)?;
        let storages: BTreeSet<String> = root.storages().into_iter().chain(checkout.storages.iter().cloned()).collect();
        let storages = storages.into_iter().collect();
        let mut state = Self { root, storages, names: BTreeMap::new(), receipts: ReceiptFacts::default() };
        for path in state.storages.clone() {
            match Storage::open(&state.root, &path).and_then(|storage| Ok((storage.list()?, storage))) {
                Ok((listing, storage)) => state.add(&storage, listing, checkout.storages.contains(&path)),
                Err(error) => {
                    state.receipts.entries.push(EntryFacts { name: path, differences: Err(Failure::from(error)) });
                }
            }
        }
        Ok(state)
    }

    /// Adds the entries of a storage. What only looks like one has entries only where receipts say so.
    fn add(&mut self, storage: &Storage, listing: Listing, is_known: bool) {
        if is_known {
            self.receipts
                .strays
                .extend(listing.stray_files.into_iter().map(|odd| format!("{}: {}", odd.path, odd.why)));
        }
        for name in listing.entries {
            let differences = match storage.read(&name) {
                Ok(Some(entry)) if is_known || has_own_receipt(&entry, &name) => Ok(entry.differences()),
                Err(error) if is_known => Err(Failure::from(error)),
                _ => continue,
            };
            self.names.insert(format!("{}/{name}", storage.path()), name.to_string());
            self.receipts.entries.push(EntryFacts { name: name.to_string(), differences });
        }
    }
}

fn has_own_receipt(entry: &Entry, name: &InstanceName) -> bool {
    entry.receipt.valid().is_some_and(|receipt| receipt.instance == *name)
}
