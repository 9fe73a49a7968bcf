//! Whose is what: an age file belongs to one file of one instance. A receipt says for which one it was encrypted, but it is a
//! claim of anyone who can push: what was copied from elsewhere would be decrypted for this one, and then be encrypted to this
//! one's recipients.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{DEFAULT_STORAGE, InstanceName};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_session::Openable;
use artifacts_store::{Entry, HeaderHash, Receipt, ReceiptState, Storage};

use super::Tools;
use super::headers::{self, EntryHeaders, Verdict};
use crate::failure;

/// Whose the age files are: what this machine knows and, where that does not tell, what is in the storages.
#[derive(Default)]
pub struct HeaderOwners(Option<SealedElsewhere>);

/// Headers that are an entry's own.
#[derive(Debug, Default)]
pub struct OwnHeaders {
    /// What may be decrypted, and for which files.
    pub openable: Openable,
    /// Those that this machine did not know: they are nowhere else.
    pub unknown: EntryHeaders,
}

impl HeaderOwners {
    /// Refuses what was encrypted for another file, instance or repository. What this machine knows of a header holds, wherever
    /// else it is by now; what it does not know may be nowhere else than in the entry itself, which is found under the name `at`. A clone
    /// of this repository is asked about once.
    pub fn check(
        &mut self,
        tools: &mut Tools,
        instance: &Instance,
        at: &InstanceName,
        entry: &EntryHeaders,
    ) -> Result<OwnHeaders, Failure> {
        let mut own = OwnHeaders::default();
        for (stored, headers) in entry {
            for (header, files) in headers {
                let files = if let Some(known) = known(tools, instance, stored, header)? {
                    known
                } else {
                    self.elsewhere(tools, (instance, at), (stored, header), files)?;
                    own.unknown.entry(stored.clone()).or_default().insert(*header, files.clone());
                    files.clone()
                };
                own.openable.entry(*header).or_default().extend(files);
            }
        }
        Ok(own)
    }

    /// Refuses a header that no one knows if it is in another place, too, or if it cannot be determined.
    fn elsewhere(
        &mut self,
        tools: &Tools,
        (instance, at): (&Instance, &InstanceName),
        (stored, header): (&str, &HeaderHash),
        files: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let sealed = self.0.get_or_insert_with(|| SealedElsewhere::read(tools));
        for (name, spot) in sealed.by_header.get(header).into_iter().flatten() {
            if *name != instance.name && name != at {
                return Err(headers::of_another(instance, &name.to_string()));
            }
            match spot {
                Spot::Stored(other) if other != stored => return Err(headers::doubled(instance, stored, other)),
                Spot::Declared(others) if others.is_disjoint(files) => {
                    return Err(headers::of_other_files(instance, stored, others));
                }
                Spot::Stored(_) | Spot::Declared(_) | Spot::Somewhere => {}
            }
        }
        match &sealed.unread {
            None => Ok(()),
            Some(why) => {
                let why = format!("cannot verify that these files belong to this artifact: {why}");
                Err(failure::for_instance(instance, why).hint(Some("fix that first")))
            }
        }
    }
}

/// For which files this machine knows a header that is in a file of an entry.
fn known(
    tools: &mut Tools,
    instance: &Instance,
    stored: &str,
    header: &HeaderHash,
) -> Result<Option<BTreeSet<String>>, Failure> {
    match tools.headers.verdict(instance, stored, header)? {
        Verdict::Own(files) => Ok(Some(files)),
        Verdict::OtherCheckout(place) => {
            tools.headers.link(instance, &place)?;
            Ok(Some((*place.files).clone()))
        }
        Verdict::Foreign(failure) => Err(failure),
        Verdict::Unknown => Ok(None),
    }
}

/// Age files in all storages.
struct SealedElsewhere {
    by_header: BTreeMap<HeaderHash, BTreeSet<(InstanceName, Spot)>>,
    /// Why there may be more.
    unread: Option<String>,
}

/// Where in an entry a header is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    /// In this stored file.
    Stored(String),
    /// For one of these declared files, by a receipt.
    Declared(BTreeSet<String>),
    /// Anywhere: in a file that no receipt lists, or by a receipt that does not tell.
    Somewhere,
}

impl SealedElsewhere {
    fn read(tools: &Tools) -> Self {
        // The usual storage too: a backend may have been given another one since.
        let declared = tools.backends.names().into_iter().filter_map(|name| tools.backends.storage(&name).ok());
        let storages: BTreeSet<String> = declared.chain([DEFAULT_STORAGE.to_owned()]).collect();
        let mut sealed = Self { by_header: BTreeMap::new(), unread: None };
        for storage in &storages {
            if let Err(error) = sealed.add(tools, storage) {
                sealed.unread = Some(error.to_string());
            }
        }
        // Those of targets that were not evaluated now. What only looks like a storage need not be readable as one.
        for storage in tools.root.storages().into_iter().filter(|storage| !storages.contains(storage)) {
            let unread = sealed.unread.take();
            let _ = sealed.add(tools, &storage);
            sealed.unread = unread;
        }
        sealed
    }

    fn add(&mut self, tools: &Tools, storage: &str) -> Result<(), artifacts_store::Error> {
        let storage = Storage::open(&tools.root, storage)?;
        for name in storage.list()?.entries {
            match storage.read(&name) {
                Ok(entry) => entry.iter().for_each(|entry| self.note_entry(entry)),
                Err(error) => self.unread = Some(error.to_string()),
            }
        }
        storage.trashed()?.iter().for_each(|receipt| self.note_receipt(receipt, &receipt.instance));
        Ok(())
    }

    fn note_entry(&mut self, entry: &Entry) {
        for (stored, bytes) in &entry.files {
            for header in artifacts_age::headers(bytes) {
                self.note(header, &entry.name, Spot::Stored(stored.clone()));
            }
        }
        // A stray copy beside its own file is no other place of it.
        for header in entry.extras.values().flat_map(|bytes| artifacts_age::headers(bytes)) {
            self.note(header, &entry.name, Spot::Somewhere);
        }
        if let ReceiptState::Valid(receipt) = &entry.receipt {
            self.note_receipt(receipt, &entry.name);
        }
    }

    fn note_receipt(&mut self, receipt: &Receipt, name: &InstanceName) {
        for header in &receipt.headers_without_file {
            self.note(*header, name, Spot::Somewhere);
        }
        let mut by_header: BTreeMap<HeaderHash, BTreeSet<String>> = BTreeMap::new();
        for (file, headers) in &receipt.headers {
            for header in &**headers {
                by_header.entry(*header).or_default().insert(file.to_string());
            }
        }
        for (header, files) in by_header {
            self.note(header, name, Spot::Declared(files));
        }
    }

    fn note(&mut self, header: HeaderHash, name: &InstanceName, spot: Spot) {
        self.by_header.entry(header).or_default().insert((name.clone(), spot));
    }
}
