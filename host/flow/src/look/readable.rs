//! What a recipient could read: by what is stored, the trash, git's history, and what was accepted. All of it but what was accepted is
//! a claim of anyone who could write to the repository, so it adds to the list and removes nothing from it.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Recipients, Rotation};
use artifacts_report::ExposedValue;
use artifacts_store::{Receipt, ReceiptState};
use artifacts_trust::AcceptedRecipients;

use super::elsewhere::Storages;
use super::survey::Survey;
use super::trash::Trash;
use crate::run::Run;

/// The keys of a recipient, in every form that a backend may use.
pub(crate) struct TheirKeys {
    keys: BTreeSet<String>,
    /// Whether a key that was seen is one of them.
    seen: BTreeMap<String, bool>,
}

/// Where a receipt was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Stored,
    Trash,
    History,
}

/// An entry that names a recipient.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub place: Place,
    pub receipt: Receipt,
    /// The storage whose trash has it, and its name there.
    pub trashed: Option<(String, String)>,
}

/// What an entry tells of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// It names them.
    Theirs,
    /// It does not tell whom a file is encrypted to.
    Unknown,
    /// It names others alone.
    None,
}

/// What is known of every value that a recipient could read.
pub(crate) struct Readable {
    keys: TheirKeys,
    values: BTreeMap<InstanceName, ExposedValue>,
    /// The entries that name them.
    pub entries: BTreeMap<InstanceName, Vec<Version>>,
    /// The names that an instance has now, by a name that it had before.
    renamed: BTreeMap<InstanceName, BTreeSet<InstanceName>>,
    /// What each stored value was generated from, by its receipt.
    sources: BTreeMap<InstanceName, BTreeSet<InstanceName>>,
    stored: BTreeSet<InstanceName>,
    pub gaps: Vec<String>,
}

impl TheirKeys {
    /// Takes keys, and the forms that backends convert them to.
    pub fn new(keys: impl IntoIterator<Item = String>) -> Self {
        let mut keys: BTreeSet<String> = keys.into_iter().collect();
        let converted: Vec<String> = keys.iter().filter_map(|key| artifacts_age::recipient_of_ssh(key)).collect();
        keys.extend(converted);
        Self { keys, seen: BTreeMap::new() }
    }

    fn has(&mut self, key: &str) -> bool {
        if self.keys.contains(key) {
            return true;
        }
        if let Some(seen) = self.seen.get(key) {
            return *seen;
        }
        let is_theirs = artifacts_age::recipient_of_ssh(key).is_some_and(|form| self.keys.contains(&form));
        self.seen.insert(key.to_owned(), is_theirs);
        is_theirs
    }

    pub fn have(&mut self, recipients: &Recipients) -> bool {
        recipients.of_all_files().any(|key| self.has(key))
    }

    fn access(&mut self, receipt: &Receipt) -> Access {
        let is_unknown = || receipt.recipients.iter().any(|(_, keys)| keys.is_empty());
        if self.have(&receipt.recipients) {
            Access::Theirs
        } else if (receipt.recipients.is_empty() && !receipt.files.is_empty()) || is_unknown() {
            Access::Unknown
        } else {
            Access::None
        }
    }
}

/// Finds what these keys could read.
pub(crate) fn readable(run: &mut Run, keys: TheirKeys, known: &AcceptedRecipients) -> Readable {
    let mut readable = Readable {
        keys,
        values: BTreeMap::new(),
        entries: BTreeMap::new(),
        renamed: BTreeMap::new(),
        sources: BTreeMap::new(),
        stored: BTreeSet::new(),
        gaps: Vec::new(),
    };
    readable.search_stored(run);
    readable.search_trash(run);
    readable.search_history(run);
    readable.search_accepted(known);
    readable.follow_names();
    readable.add_dependents(run);
    readable
}

impl Readable {
    fn value(&mut self, name: &InstanceName) -> &mut ExposedValue {
        self.values.entry(name.clone()).or_insert_with(|| ExposedValue::new(name.clone()))
    }

    fn note(&mut self, place: Place, receipt: Receipt, trashed: Option<(String, String)>) {
        for former in &receipt.former {
            self.renamed.entry(former.clone()).or_default().insert(receipt.instance.clone());
        }
        match self.keys.access(&receipt) {
            Access::None => {}
            Access::Unknown => self.value(&receipt.instance).is_unknown = true,
            // What is stored is in git's history, too, once it is committed.
            Access::Theirs if place == Place::History && self.is_stored(&receipt) => {}
            Access::Theirs => {
                let value = self.value(&receipt.instance);
                match place {
                    Place::Stored => value.is_stored = true,
                    Place::Trash => value.trash += 1,
                    Place::History => value.history += 1,
                }
                self.entries.entry(receipt.instance.clone()).or_default().push(Version { place, receipt, trashed });
            }
        }
    }

    fn is_stored(&self, receipt: &Receipt) -> bool {
        let entries = self.entries.get(&receipt.instance).into_iter().flatten();
        entries.into_iter().any(|one| one.place == Place::Stored && one.receipt == *receipt)
    }

    fn search_stored(&mut self, run: &Run) {
        for (storage, declared) in Storages::readable(&run.tools).all() {
            let listing = match storage.list() {
                Ok(listing) => listing,
                Err(error) if declared => {
                    self.gaps.push(format!("storage `{}` could not be read: {error}", storage.path()));
                    continue;
                }
                Err(_) => continue,
            };
            for name in listing.entries {
                match storage.read(&name) {
                    Ok(Some(entry)) => {
                        let is_as_stored = entry.differences().is_empty();
                        self.note_stored(&name, entry.receipt, is_as_stored, declared);
                    }
                    Ok(None) => {}
                    Err(error) => self.gaps.push(format!("{name} could not be read: {error}")),
                }
            }
        }
    }

    /// What is not as its receipt says may be encrypted to anyone.
    fn note_stored(&mut self, name: &InstanceName, receipt: ReceiptState, is_as_stored: bool, declared: bool) {
        match receipt {
            ReceiptState::Valid(receipt) => {
                self.stored.insert(name.clone());
                self.sources.entry(name.clone()).or_default().extend(receipt.dependencies.keys().cloned());
                if !is_as_stored {
                    self.value(name).is_unknown = true;
                }
                self.note(Place::Stored, *receipt, None);
            }
            // What only looks like a storage has entries only where receipts say so.
            ReceiptState::Missing | ReceiptState::Malformed(_) if declared => {
                self.stored.insert(name.clone());
                self.value(name).is_unknown = true;
            }
            ReceiptState::Missing | ReceiptState::Malformed(_) => {}
        }
    }

    fn search_trash(&mut self, run: &Run) {
        match Trash::read(&run.tools) {
            Ok(trash) => {
                for (name, _) in &trash.changed {
                    self.gaps.push(format!("an entry of {name} in the trash was changed, and was not searched"));
                }
                for entry in trash.found.into_values().flatten() {
                    match entry.receipt {
                        Some(receipt) => {
                            let place = (entry.storage, entry.entry.trashed);
                            self.note(Place::Trash, receipt, Some(place));
                        }
                        None => self.value(&entry.entry.instance).is_unknown = true,
                    }
                }
            }
            Err(failure) => self.gaps.push(format!("the trash could not be searched: {}", failure.message)),
        }
    }

    fn search_history(&mut self, run: &Run) {
        let storages: Vec<String> =
            Storages::readable(&run.tools).all().map(|(storage, _)| storage.path().to_owned()).collect();
        let cancel = run.tools.cancel.clone();
        let gaps = run.tools.git.past_receipts(&run.tools.root, &storages, &|| cancel.is_set(), &mut |_, receipt| {
            self.note(Place::History, receipt, None);
        });
        self.gaps.extend(gaps.sentences().map(str::to_owned));
    }

    fn search_accepted(&mut self, known: &AcceptedRecipients) {
        for (name, consent) in known.instances() {
            let is_theirs =
                consent.files.files().any(|file| consent.joined(file.as_str()).any(|key| self.keys.has(key)));
            if let Some(name) = name.parse().ok().filter(|_| is_theirs) {
                self.value(&name).is_accepted = true;
            }
        }
    }

    /// What was stored under a former name counts for the name that the value has now.
    fn follow_names(&mut self) {
        let old: Vec<InstanceName> =
            self.values.keys().filter(|name| self.renamed.contains_key(*name)).cloned().collect();
        for old in old {
            let Some(then) = self.values.get(&old).cloned() else { continue };
            let names = self.names_now(&old);
            let entries = self.entries.get(&old).cloned().unwrap_or_default();
            for name in &names {
                let now = self.value(name);
                now.trash += then.trash;
                now.history += then.history;
                now.is_unknown |= then.is_unknown;
                now.is_accepted |= then.is_accepted;
                now.former.insert(old.clone());
                self.entries.entry(name.clone()).or_default().extend(entries.iter().cloned());
            }
            if !names.is_empty() && !self.stored.contains(&old) {
                self.values.remove(&old);
                self.entries.remove(&old);
            }
        }
    }

    /// The names under which a value may be now that had this one.
    fn names_now(&self, old: &InstanceName) -> BTreeSet<InstanceName> {
        let (mut names, mut open) = (BTreeSet::new(), vec![old]);
        while let Some(name) = open.pop() {
            for next in self.renamed.get(name).into_iter().flatten() {
                if next != old && names.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        names.retain(|name| !self.renamed.contains_key(name) || self.stored.contains(name));
        names
    }

    /// What was generated from something that they could read may tell it.
    fn add_dependents(&mut self, run: &Run) {
        for instance in run.instances.values().filter(|instance| self.stored.contains(&instance.name)) {
            self.sources.entry(instance.name.clone()).or_default().extend(instance.dependencies.values().cloned());
        }
        let mut open: Vec<InstanceName> =
            self.values.values().filter(|value| value.is_readable()).map(|value| value.name.clone()).collect();
        while let Some(source) = open.pop() {
            let former = self.values.get(&source).map(|value| value.former.clone()).unwrap_or_default();
            let is_from = |from: &BTreeSet<InstanceName>| from.contains(&source) || !from.is_disjoint(&former);
            let dependents: Vec<InstanceName> =
                self.sources.iter().filter(|(_, from)| is_from(from)).map(|(name, _)| name.clone()).collect();
            for name in dependents {
                let value = self.value(&name);
                let is_new = value.from.is_empty() && !value.is_readable();
                value.from.insert(source.clone());
                if is_new {
                    open.push(name);
                }
            }
        }
    }

    /// Returns the names of all values.
    pub fn names(&self) -> BTreeSet<InstanceName> {
        self.values.keys().cloned().collect()
    }

    /// Returns the versions of each value that can be compared with what is stored: the ones that this machine has, where those are all
    /// that are known.
    pub fn comparable(&self) -> BTreeMap<InstanceName, Vec<Version>> {
        let is_known = |value: &&ExposedValue| {
            let versions = self.entries.get(&value.name).map(Vec::as_slice).unwrap_or_default();
            let is_here = |one: &Version| versions.iter().any(|it| it.trashed.is_some() && it.receipt == one.receipt);
            let is_past = !value.is_stored && !value.is_accepted && !value.is_unknown && value.from.is_empty();
            is_past && !versions.is_empty() && versions.iter().all(is_here)
        };
        let here = |name: &InstanceName| {
            let versions = self.entries.get(name).into_iter().flatten();
            versions.filter(|one| one.trashed.is_some()).cloned().collect()
        };
        self.values.values().filter(is_known).map(|value| (value.name.clone(), here(&value.name))).collect()
    }

    /// Returns the values, dependencies first, with what is declared of them.
    pub fn into_values(mut self, run: &Run, survey: &Survey) -> Vec<ExposedValue> {
        for value in self.values.values_mut() {
            let declared = run.instances.get(&value.name);
            let found = survey.found.get(&value.name);
            value.is_recipient = found.is_some_and(|found| self.keys.have(&found.recipients));
            value.is_replaceable = declared.is_some() && self.stored.contains(&value.name);
            value.is_manual = declared.is_some_and(|instance| instance.artifact.rotation == Rotation::Manual);
        }
        let mut values = self.values;
        let ordered: Vec<ExposedValue> = run.ordered.iter().filter_map(|name| values.remove(name)).collect();
        ordered.into_iter().chain(values.into_values()).collect()
    }
}
