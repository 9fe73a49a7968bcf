//! Consent as a value: nothing is stored or moved to the trash without a ticket, and a ticket is used once.

use std::collections::BTreeSet;
use std::sync::Arc;

use artifacts_declared::{InstanceName, Recipients};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_store::{
    Committed, Entry, Fingerprint, HeaderHash, InTrash, NewEntry, Receipt, ReceiptState, Restored, StagedEntry, Writer,
};

use crate::failure;
use crate::through::through;

/// Allows one entry to be replaced or moved to the trash, in a storage that is locked for it. It is made by agreeing alone, and
/// cannot be copied.
pub struct Ticket {
    name: InstanceName,
    allows: Allows,
    /// The entry that was found under the lock.
    replaces: Option<Fingerprint>,
    writer: Arc<Writer>,
    /// Another entry, which is trashed once this one is stored.
    other: Option<Removal>,
}

/// Holds an entry that is written aside, and may take its place.
pub(crate) struct StagedTicket {
    entry: StagedEntry,
    writer: Arc<Writer>,
    /// Another entry, which is trashed once this one is stored.
    other: Option<Removal>,
}

/// Allows an entry to be trashed: what it holds is stored in another place, or given up.
pub struct Removal {
    name: InstanceName,
    writer: Arc<Writer>,
}

impl Removal {
    pub(super) fn new(name: InstanceName, writer: Arc<Writer>) -> Self {
        Self { name, writer }
    }

    /// Returns the storage of the entry.
    pub(crate) fn storage(&self) -> &str {
        self.writer.storage().path()
    }

    /// Moves the entry to the trash and returns where it is; none where it was gone already.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn remove(self) -> Result<Option<String>, Failure> {
        let failed = |e: artifacts_store::Error| Failure::about(self.name.to_string(), e);
        self.writer.remove(&self.name).map_err(failed)
    }

    /// Does the same to the entry that was read, and to no other.
    ///
    /// # Errors
    /// When the entry is another one by now, or the store fails.
    pub(crate) fn remove_read(self, read: Option<Fingerprint>) -> Result<Option<String>, Failure> {
        let found = self.writer.storage().read(&self.name).map(|entry| entry.map(|entry| entry.fingerprint()));
        match found {
            Ok(found) if found == read => self.remove(),
            Ok(_) => Err(Failure::new(self.name.to_string(), "the old entry changed during this run, and was left")),
            Err(error) => Err(Failure::about(self.name.to_string(), error)),
        }
    }
}

/// What may be encrypted with a ticket.
#[derive(Debug)]
pub(super) enum Allows {
    /// To exactly these recipients, by file.
    To(Recipients),
    /// Nothing: files stay encrypted as they are stored.
    Nothing,
    /// Files of another tool with these headers, as they are; or their values, to exactly these recipients.
    Import { headers: BTreeSet<HeaderHash>, to: Option<Recipients> },
    /// Nothing, and the entry goes.
    Removal,
    /// Nothing, and this entry comes back from the trash in its place.
    Return(InTrash),
    /// Nothing, and these entries leave the trash for good.
    Discard(Vec<InTrash>),
}

impl Allows {
    /// Returns whether files may be encrypted to these recipients.
    pub(super) fn covers(&self, recipients: &Recipients) -> bool {
        match self {
            Self::To(accepted) | Self::Import { to: Some(accepted), .. } => accepted == recipients,
            Self::Nothing => recipients.is_empty(),
            Self::Import { to: None, .. } | Self::Removal | Self::Return(_) | Self::Discard(_) => false,
        }
    }
}

impl Ticket {
    pub(super) fn new(
        name: InstanceName,
        allows: Allows,
        replaces: Option<Fingerprint>,
        writer: Arc<Writer>,
        other: Option<Removal>,
    ) -> Self {
        Self { name, allows, replaces, writer, other }
    }

    /// Returns the entry as it is stored now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn entry(&self, instance: &Instance) -> Result<Option<Entry>, Failure> {
        self.writer.storage().read(&self.name).map_err(|error| failed(instance, &error))
    }

    /// Returns the entry whose value is stored again: the other one, if there is one, or that which is replaced.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn source(&self, instance: &Instance) -> Result<Option<Entry>, Failure> {
        let Some(Removal { name, writer }) = &self.other else { return self.entry(instance) };
        writer.storage().read(name).map_err(|error| failed(instance, &error))
    }

    /// Checks, before a backend is given anything, that it may be encrypted to these recipients.
    ///
    /// # Errors
    /// When they are others than the accepted ones.
    pub(crate) fn check(&self, instance: &Instance, recipients: &Recipients) -> Result<(), Failure> {
        if self.allows.covers(recipients) { Ok(()) } else { Err(failure::not_accepted(instance)) }
    }

    /// Stores an entry in place of the one that was found, and returns its path below the root. An entry of the instance in
    /// another storage is trashed then; why that failed is returned beside the path, since the new entry is stored all the same.
    ///
    /// # Errors
    /// When the receipt names recipients or headers that were not accepted, or the store fails; then nothing was changed.
    pub(crate) fn commit(self, instance: &Instance, new: NewEntry) -> Result<(String, Option<Failure>), Failure> {
        let (path, other) = self.place(instance, new)?;
        Ok((path, other.and_then(|other| other.remove().err())))
    }

    /// Does the same, and leaves the other entry: it goes once the new one was compared with it.
    ///
    /// # Errors
    /// As [`Self::commit`].
    fn place(self, instance: &Instance, new: NewEntry) -> Result<(String, Option<Removal>), Failure> {
        let missing = || Err(failure::for_instance(instance, "it was not stored"));
        place_all(vec![(instance, self.stage(instance, new)?)]).pop().unwrap_or_else(missing)
    }

    /// Writes an entry aside that is to take the place of the one that was found. Several may do so at once.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn stage(self, instance: &Instance, mut new: NewEntry) -> Result<StagedTicket, Failure> {
        self.check_receipt(instance, &new.receipt)?;
        new.replaces = self.replaces;
        let entry = self.writer.stage(new).map_err(|error| failed(instance, &error))?;
        Ok(StagedTicket { entry, writer: self.writer, other: self.other })
    }

    /// Stores nothing: an earlier run did. Returns what allows to trash the other entry.
    pub(crate) fn into_removal(self) -> Option<Removal> {
        self.other
    }

    /// Moves the entry to the trash and returns where it is; none where it was gone already.
    ///
    /// # Errors
    /// When the store fails, or something else than a removal was agreed to.
    pub(crate) fn remove(self) -> Result<Option<String>, Failure> {
        if !matches!(self.allows, Allows::Removal) {
            return Err(Failure::new(self.name.to_string(), "its removal was not confirmed"));
        }
        Removal::new(self.name, self.writer).remove()
    }

    /// Brings the entry back from the trash that was agreed to, and moves what is stored there.
    ///
    /// # Errors
    /// When either is not what was found, or something else than a restoration was agreed to; then nothing was changed.
    pub(crate) fn restore(self) -> Result<Restored, Failure> {
        let Allows::Return(wanted) = &self.allows else {
            return Err(Failure::new(self.name.to_string(), "its restoration was not confirmed"));
        };
        let failed = |e: artifacts_store::Error| Failure::about(self.name.to_string(), e);
        self.writer.restore(wanted, self.replaces).map_err(failed)
    }

    /// Removes the entries from the trash that were agreed to, for good; one that fails stops no other. Returns the names in the trash of
    /// those that are gone, and why others are not.
    pub(crate) fn discard(self) -> (Vec<String>, Vec<Failure>) {
        let Allows::Discard(wanted) = &self.allows else {
            return (Vec::new(), vec![Failure::new(self.name.to_string(), "its removal was not confirmed")]);
        };
        let (mut gone, mut failures) = (Vec::new(), Vec::new());
        for one in wanted {
            match self.writer.discard(one) {
                Ok(()) => gone.push(one.trashed.clone()),
                Err(error) => failures.push(Failure::about(self.name.to_string(), error)),
            }
        }
        (gone, failures)
    }

    /// Returns the instance that it is for.
    pub(super) fn name(&self) -> &InstanceName {
        &self.name
    }

    fn check_receipt(&self, instance: &Instance, receipt: &Receipt) -> Result<(), Failure> {
        let is_to =
            |accepted: &Recipients| receipt.recipients.iter().all(|(file, to)| accepted.get(file.as_str()) == Some(to));
        // Of files that are taken unchanged the recipients may be unknown.
        let is_to_no_other = |accepted: &Recipients| {
            receipt.recipients.iter().all(|(file, to)| to.is_empty() || accepted.get(file.as_str()) == Some(to))
        };
        let is_covered = receipt.instance == self.name
            && match &self.allows {
                Allows::To(accepted) => is_to(accepted),
                Allows::Import { headers, to: None } => receipt.all_headers().is_subset(headers),
                Allows::Import { headers, to: Some(accepted) } => {
                    is_to(accepted) || (receipt.all_headers().is_subset(headers) && is_to_no_other(accepted))
                }
                Allows::Nothing => {
                    let stored = self.entry(instance)?.map(|entry| known_headers(&entry)).unwrap_or_default();
                    receipt.all_headers().is_subset(&stored)
                }
                Allows::Removal | Allows::Return(_) | Allows::Discard(_) => false,
            };
        if is_covered { Ok(()) } else { Err(failure::not_accepted(instance)) }
    }
}

/// Puts entries in their places, all of them before one counts: then each survives a power cut. Returns the path of each below the
/// root, and what allows to trash the other entry: it goes once the new one was compared with it.
pub(crate) fn place_all(staged: Vec<(&Instance, StagedTicket)>) -> Vec<Result<(String, Option<Removal>), Failure>> {
    let place = |(instance, StagedTicket { entry, writer, other })| {
        let placed = writer.place(entry).map_err(|error| failed(instance, &error))?;
        Ok(((instance, other), (writer, placed)))
    };
    through(staged.into_iter().map(place).collect(), |placed: Vec<_>| {
        let (others, placed): (Vec<(&Instance, Option<Removal>)>, Vec<_>) = placed.into_iter().unzip();
        let settled = Writer::settle(placed).into_iter().zip(others);
        let ended = |(committed, (instance, other)): (Result<Committed, artifacts_store::Error>, _)| {
            committed.map(|committed| (committed.path, other)).map_err(|error| failed(instance, &error))
        };
        settled.map(ended).collect()
    })
}

/// Returns the headers in an entry's files, and those that its receipt names.
fn known_headers(entry: &Entry) -> BTreeSet<HeaderHash> {
    let files = entry.files.values().chain(entry.extras.values());
    let mut known: BTreeSet<HeaderHash> = files.flat_map(|bytes| artifacts_age::headers(bytes)).collect();
    if let ReceiptState::Valid(receipt) = &entry.receipt {
        known.extend(receipt.all_headers());
    }
    known
}

fn failed(instance: &Instance, error: &artifacts_store::Error) -> Failure {
    failure::about(instance, error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use artifacts_declared::Name;
    use artifacts_seam::EntryFiles;
    use artifacts_store::{BackendId, Few, Generation, Root, Schema, Storage, Time, WriterOptions};

    use super::*;

    fn instance() -> Instance {
        let spec = r#"{"schema": 1, "targets": [{"kind": "nixos", "name": "web1", "artifacts":
            {"a": {"backend": "fake", "files": {"f": {}}, "generator": {"path": "/g"}}}}]}"#;
        let resolved = artifacts_plan::instances(&artifacts_declared::parse(spec).unwrap(), None);
        resolved.instances.into_values().next().unwrap()
    }

    fn to(recipients: &[&str]) -> Recipients {
        Recipients::from_iter([(Name::new("f").unwrap(), recipients.iter().map(ToString::to_string).collect())])
    }

    /// An entry whose receipt names these recipients and headers.
    fn new(recipients: &[&str], headers: &[HeaderHash]) -> NewEntry {
        let file = || Name::new("f").unwrap();
        let receipt = Receipt {
            schema: Schema,
            instance: instance().name,
            former: BTreeSet::new(),
            backend: BackendId {
                name: Name::new("fake").unwrap(),
                version: "1.0.0".to_owned(),
                sha256: "0".repeat(64).parse().unwrap(),
            },
            generated: Time::from(SystemTime::UNIX_EPOCH),
            expires: None,
            generation: Generation::random().unwrap(),
            dependencies: BTreeMap::new(),
            validation: None,
            targets: BTreeSet::new().into(),
            recipients: to(recipients),
            files: Few::new(),
            public: Few::new(),
            headers: Few::from_iter([(file(), headers.iter().copied().collect())]),
            headers_without_file: BTreeSet::new(),
            labels: BTreeMap::new().into(),
        };
        let files = EntryFiles::from([("f.age".to_owned(), b"encrypted".to_vec())]);
        NewEntry { files, public: EntryFiles::new(), receipt, replaces: None }
    }

    /// Uses a ticket in a storage of its own.
    fn with_ticket<T>(allows: Allows, act: impl FnOnce(Ticket) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(&Root::open(dir.path()).unwrap(), "secrets").unwrap();
        let writer = Arc::new(storage.lock(WriterOptions::at(SystemTime::UNIX_EPOCH)).unwrap());
        act(Ticket::new(instance().name, allows, None, writer, None))
    }

    #[test]
    fn a_backend_is_given_nothing_for_other_recipients_than_the_accepted_ones() {
        with_ticket(Allows::To(to(&["admin"])), |ticket| {
            assert!(ticket.check(&instance(), &to(&["admin"])).is_ok());
            for others in [to(&["admin", "mallory"]), to(&["mallory"]), to(&[]), Recipients::new()] {
                assert!(ticket.check(&instance(), &others).is_err(), "{others:?}");
            }
        });
        with_ticket(Allows::Nothing, |ticket| assert!(ticket.check(&instance(), &to(&["admin"])).is_err()));
        with_ticket(Allows::Removal, |ticket| assert!(ticket.check(&instance(), &Recipients::new()).is_err()));
    }

    #[test]
    fn a_receipt_names_the_accepted_recipients_or_nothing_is_stored() {
        let commit = |recipients: &[&str]| {
            with_ticket(Allows::To(to(&["admin"])), |ticket| ticket.commit(&instance(), new(recipients, &[])))
        };
        assert!(commit(&["admin"]).is_ok());
        for others in [&["admin", "mallory"][..], &["mallory"], &[]] {
            assert!(commit(others).is_err(), "{others:?}");
        }
    }

    #[test]
    fn where_nothing_may_be_encrypted_no_new_header_is_stored() {
        let header = "1".repeat(64).parse().unwrap();
        let commit = |headers: &[HeaderHash]| {
            with_ticket(Allows::Nothing, |ticket| ticket.commit(&instance(), new(&["anybody"], headers)))
        };
        assert!(commit(&[]).is_ok());
        assert!(commit(&[header]).is_err());
    }

    #[test]
    fn a_file_of_another_tool_is_stored_with_its_own_headers_or_for_the_accepted_recipients() {
        let [own, other] = ["1", "2"].map(|digit| digit.repeat(64).parse().unwrap());
        let allows = |to: Option<Recipients>| Allows::Import { headers: BTreeSet::from([own]), to };
        let commit = |to: Option<&str>, recipients: &[&str], headers: &[HeaderHash]| {
            with_ticket(allows(to.map(|to| self::to(&[to]))), |ticket| {
                ticket.commit(&instance(), new(recipients, headers)).is_ok()
            })
        };
        assert!(commit(None, &["anybody"], &[own]) && commit(None, &[], &[]));
        assert!(!commit(None, &["admin"], &[own, other]) && !commit(Some("admin"), &["mallory"], &[other]));
        assert!(!commit(Some("admin"), &["mallory"], &[own]) && !commit(Some("admin"), &["mallory"], &[]));
        assert!(commit(Some("admin"), &["admin"], &[other]) && commit(Some("admin"), &[], &[own]));
        with_ticket(allows(Some(to(&["admin"]))), |ticket| {
            assert!(ticket.check(&instance(), &to(&["admin"])).is_ok());
            assert!(ticket.check(&instance(), &to(&["mallory"])).is_err());
        });
        with_ticket(allows(None), |ticket| assert!(ticket.check(&instance(), &Recipients::new()).is_err()));
    }

    #[test]
    fn where_nothing_may_be_encrypted_the_stored_headers_may_stay() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(&Root::open(dir.path()).unwrap(), "secrets").unwrap();
        let writer = Arc::new(storage.lock(WriterOptions::at(SystemTime::UNIX_EPOCH)).unwrap());
        let commit = |headers: &[HeaderHash]| {
            let replaces = storage.read(&instance().name).unwrap().map(|entry| entry.fingerprint());
            let ticket = Ticket::new(instance().name, Allows::Nothing, replaces, Arc::clone(&writer), None);
            ticket.commit(&instance(), new(&[], headers))
        };
        let [kept, other] = ["1", "2"].map(|digit| digit.repeat(64).parse().unwrap());
        let mut stored = new(&["admin"], &[kept]);
        stored.replaces = None;
        writer.commit(stored).unwrap();
        assert!(commit(&[kept]).is_ok(), "its receipt names this one");
        assert!(commit(&[kept, other]).is_err(), "nobody named this one");
    }

    #[test]
    fn what_was_stored_is_told_though_the_other_entry_cannot_be_trashed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let lock = |storage: &str| {
            Arc::new(Storage::open(&root, storage).unwrap().lock(WriterOptions::at(SystemTime::UNIX_EPOCH)).unwrap())
        };
        let (own, other) = (lock("secrets"), lock("vault"));
        // A link in the place of the entry is left alone.
        std::fs::create_dir_all(dir.path().join("vault/per-machine/web1")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("vault/per-machine/web1/a")).unwrap();
        let other = Some(Removal::new(instance().name, other));
        let ticket = Ticket::new(instance().name, Allows::To(to(&["admin"])), None, own, other);
        let (path, not_trashed) = ticket.commit(&instance(), new(&["admin"], &[])).unwrap();
        assert_eq!(path, "secrets/per-machine/web1/a");
        assert!(not_trashed.is_some());
    }

    #[test]
    fn a_ticket_is_for_one_instance_and_one_use() {
        let mut other = new(&["admin"], &[]);
        other.receipt.instance = "per-machine/web1/b".parse().unwrap();
        let allows = || Allows::To(to(&["admin"]));
        assert!(with_ticket(allows(), |ticket| ticket.commit(&instance(), other)).is_err());
        assert!(with_ticket(allows(), Ticket::remove).is_err(), "no removal was agreed to");
        assert!(with_ticket(Allows::Removal, Ticket::remove).unwrap().is_none(), "nothing is stored");
        let entry = new(&["admin"], &[]);
        assert!(with_ticket(Allows::Removal, |ticket| ticket.commit(&instance(), entry)).is_err());
    }
}
