//! Entries in the trash that this machine moved there, by its own record: what else is in a trash, a push could have brought.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_report::{Failure, FileChange, RestorableEntry};
use artifacts_store::{Entry, Fingerprint, InTrash, Receipt, ReceiptState, Storage, Time, TrashRecord, time_of};

use super::changes;
use super::elsewhere::Storages;
use crate::tools::Tools;

/// An entry that can be brought back.
#[derive(Debug, Clone)]
pub(crate) struct Restorable {
    /// The storage that it was in, and comes back to.
    pub storage: String,
    /// Its name in the trash, its instance and its content.
    pub entry: InTrash,
    /// The command that moved it there, if that is known.
    pub command: Option<String>,
    /// Its receipt, if it has a valid one.
    pub receipt: Option<Receipt>,
    /// How many files it has besides the receipt, and their bytes.
    pub size: (usize, u64),
    /// Its files, and who can decrypt them as far as the receipt tells.
    pub contents: Vec<FileChange>,
}

/// What this machine recorded of the trash of this checkout.
#[derive(Debug, Default)]
pub(crate) struct Trash {
    /// By instance, the oldest first.
    pub found: BTreeMap<InstanceName, Vec<Restorable>>,
    /// What is not as it was recorded, by instance: it is not brought back.
    pub changed: Vec<(InstanceName, Failure)>,
    /// The names in the trash that are recorded.
    recorded: BTreeSet<String>,
}

impl Restorable {
    /// Returns the instance that it is of.
    pub(crate) fn name(&self) -> &InstanceName {
        &self.entry.instance
    }

    /// Returns when it went to the trash; two entries of one instance may have the same.
    pub(crate) fn time(&self) -> Option<Time> {
        time_of(&self.entry.trashed)
    }

    /// Returns the keys that can decrypt its files, by file; nothing of those whose recipients are unknown.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = (&artifacts_declared::Name, &BTreeSet<String>)> {
        let recipients = self.receipt.iter().flat_map(|receipt| receipt.recipients.iter());
        recipients.filter(|(_, recipients)| !recipients.is_empty())
    }
}

impl Trash {
    /// Reads what is recorded, and compares it with what is there.
    ///
    /// # Errors
    /// When the record cannot be read, or there is none.
    pub(crate) fn read(tools: &Tools) -> Result<Self, Failure> {
        let Some(record) = &tools.storing.trash_record else {
            return Err(Failure::new("", "no directory that records what goes to the trash")
                .hint(Some("set HOME or XDG_STATE_HOME")));
        };
        let record = TrashRecord::new(record);
        let mut trash = Self::default();
        for trashed in record.names()? {
            let Some(known) = record.read(&trashed)? else { continue };
            trash.recorded.insert(trashed.clone());
            let below = known.storage.strip_prefix(tools.root.path()).ok().and_then(|path| path.to_str());
            let Some(storage) = below.and_then(|path| Storage::open(&tools.root, path).ok()) else { continue };
            let why = match storage.read_trashed(&trashed, &known.instance) {
                Ok(None) => continue,
                Ok(Some(entry)) if known.is(entry.fingerprint()) => {
                    let one = Restorable::new(&storage, trashed, known.command, &entry);
                    trash.found.entry(known.instance).or_default().push(one);
                    continue;
                }
                Ok(Some(_)) => "another program changed it after it was moved there".to_owned(),
                Err(error) => error.to_string(),
            };
            let place = format!("{}/.artifacts/trash/{trashed}", storage.path());
            let failure = Failure::new(known.instance.to_string(), format!("cannot restore `{place}`: {why}"));
            let failure = failure.hint(Some("use a commit or a backup; it leaves the trash after 30 days"));
            trash.changed.push((known.instance, failure));
        }
        Ok(trash)
    }

    /// Counts what is in the trash of each storage and was not recorded here: another machine or another program put it there.
    pub(crate) fn unrecorded(&self, tools: &Tools) -> BTreeMap<String, usize> {
        let count = |storage: &Storage| {
            let names = storage.trash().unwrap_or_default();
            (storage.path().to_owned(), names.iter().filter(|name| !self.recorded.contains(*name)).count())
        };
        let storages = Storages::readable(tools);
        storages.all().map(|(storage, _)| count(storage)).filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the instances that have an entry in the trash.
    pub(crate) fn names(&self) -> BTreeSet<&InstanceName> {
        let changed = self.changed.iter().map(|(name, _)| name);
        self.found.keys().chain(changed).collect()
    }

    /// Returns the entries of an instance, the oldest first.
    pub(crate) fn of(&self, name: &InstanceName) -> &[Restorable] {
        self.found.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Restorable {
    fn new(storage: &Storage, trashed: String, command: Option<String>, entry: &Entry) -> Self {
        let files = entry.files.values().chain(entry.public.values());
        Self {
            storage: storage.path().to_owned(),
            command,
            receipt: receipt(entry).cloned(),
            size: (files.clone().count(), files.map(|bytes| bytes.len() as u64).sum()),
            contents: changes::removed(entry),
            entry: InTrash { trashed, instance: entry.name.clone(), fingerprint: entry.fingerprint() },
        }
    }
}

fn receipt(entry: &Entry) -> Option<&Receipt> {
    match &entry.receipt {
        ReceiptState::Valid(receipt) => Some(receipt),
        ReceiptState::Missing | ReceiptState::Malformed(_) => None,
    }
}

/// One entry that comes back.
pub(crate) struct Return {
    pub wanted: Restorable,
    /// What is stored of its instance now, all of which goes to the trash.
    pub stored: StoredEntries,
    /// As it is shown.
    pub row: RestorableEntry,
}

/// What is stored of an instance now, by storage.
pub(crate) type StoredEntries = BTreeMap<String, (Fingerprint, Option<Receipt>)>;

/// Reads what is stored of an instance in the storages that a backend may have, and in this one.
///
/// # Errors
/// When one cannot be read: it may be what would be replaced.
pub(crate) fn stored(tools: &Tools, name: &InstanceName, also: &str) -> Result<StoredEntries, Failure> {
    let failed = |error: artifacts_store::Error| Failure::about(name.to_string(), error);
    let storages = Storages::find(tools).map_err(|(_, error)| failed(error))?;
    let mut paths: BTreeSet<&str> = storages.all().filter(|(_, declared)| *declared).map(|(it, _)| it.path()).collect();
    paths.insert(also);
    let mut entries = StoredEntries::new();
    for path in paths {
        let storage = Storage::open(&tools.root, path).map_err(failed)?;
        if let Some(entry) = storage.read(name).map_err(failed)? {
            entries.insert(path.to_owned(), (entry.fingerprint(), receipt(&entry).cloned()));
        }
    }
    Ok(entries)
}
