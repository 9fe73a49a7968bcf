//! New content of one instance on its way into the storage.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Name, Recipients};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{CallError, CheckState, EntryFiles, FailureKind, InstanceView, Secret};
use artifacts_session::{CallFailed, Verified, share_out};
use artifacts_store::{BackendId, Entry, NewEntry, Receipt, ReceiptState};

use super::receipt;

use crate::agree::{Removal, StagedTicket, Ticket, place_all};
use crate::failure;
use crate::look::survey::SurveyedInstance;
use crate::through::through;
use crate::tools::Tools;
use crate::tools::headers::{self, EntryHeaders};
use crate::tools::last_generation::StoredReceipt;
use crate::tools::storages::StorageWriters;
use crate::tools::{Decrypted, GenerationFailure, SerializeCall};

/// A failure, with what the generator said, which may hold a secret.
pub(crate) struct StoreFailure {
    pub failure: Failure,
    pub output: Option<Box<Secret>>,
    /// The backend cannot write some files of an instance without the others.
    pub needs_all: bool,
}

impl From<GenerationFailure> for StoreFailure {
    fn from(GenerationFailure { failure, output }: GenerationFailure) -> Self {
        Self { failure, output, needs_all: false }
    }
}

impl From<Failure> for StoreFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, output: None, needs_all: false }
    }
}

/// One instance that is written, as it was found.
#[derive(Clone, Copy)]
pub(crate) struct Storing<'a> {
    pub instance: &'a Instance,
    pub found: &'a SurveyedInstance,
}

/// What a backend made of an instance's secrets.
pub(crate) struct Stored {
    pub files: EntryFiles,
    /// The headers in them that were encrypted just now.
    pub headers: EntryHeaders,
    pub backend: BackendId,
}

/// What a backend wrote and no one has looked at yet.
pub(crate) struct UncheckedEntry {
    stored: Stored,
    /// How it was asked; none when there was nothing to store.
    asked: Option<SerializeRequest>,
}

struct SerializeRequest {
    /// The instance as its backend was told of it: with the files that are stored now or were before.
    view: InstanceView,
    /// The recipients of these files.
    recipients: Recipients,
    saw_plaintext: bool,
    /// Whether some of the files are as they were before.
    partial: bool,
}

/// Secret files that a backend is to write into a copy of an entry; a ticket allows it.
pub(crate) struct Unwritten<'a> {
    storing: Storing<'a>,
    backend: &'a Name,
    /// The backend's own files of the entry, which stay beside them.
    files: EntryFiles,
    secrets: &'a [(String, Secret)],
    decrypted: &'a Decrypted,
}

/// Has backends write, what one of them has to write at once. The answers are in the order of what is written.
pub(crate) fn write(tools: &mut Tools, mut unwritten: Vec<Unwritten<'_>>) -> Vec<Result<UncheckedEntry, StoreFailure>> {
    let of_one_backend = |one: &Unwritten<'_>, other: &Unwritten<'_>| one.backend == other.backend;
    let runs = unwritten.chunk_by_mut(of_one_backend);
    let written = runs.flat_map(|run| match write_by(tools, run) {
        Ok(written) => written,
        Err(failure) => run.iter().map(|_| Err(failure.clone().into())).collect(),
    });
    written.collect()
}

/// Has one backend write. It is not asked to store nothing.
fn write_by(
    tools: &mut Tools,
    run: &mut [Unwritten<'_>],
) -> Result<Vec<Result<UncheckedEntry, StoreFailure>>, Failure> {
    let Some(backend) = run.first().map(|first| first.backend) else { return Ok(Vec::new()) };
    let id = receipt::backend_id(backend, &tools.backends.open(backend)?.terms);
    let told: Vec<_> = run.iter().map(|one| one.storing.view_and_recipients(one.secrets)).collect();
    let mut calls = Vec::new();
    for (one, (view, recipients)) in run.iter_mut().zip(&told).filter(|(one, _)| !one.secrets.is_empty()) {
        let (instance, files) = (view.clone(), std::mem::take(&mut one.files));
        let (secrets, decrypted) = (one.secrets, one.decrypted);
        let call = SerializeCall { instance, files, secrets, recipients, decrypted };
        calls.push((one.storing.instance.name.to_string(), call));
    }
    let ended = if calls.is_empty() {
        Vec::new()
    } else {
        let Some(mut session) = tools.session(backend)? else {
            let failed = |one: &Unwritten<'_>| {
                failure::for_instance(one.storing.instance, "its backend does not use the storage")
            };
            return Ok(run.iter().map(|one| Err(failed(one).into())).collect());
        };
        session.serialize(calls)?
    };
    let mut ended = ended.into_iter();
    let written = run.iter().zip(told).map(|(one, (view, recipients))| {
        if one.secrets.is_empty() {
            let stored = Stored { files: EntryFiles::new(), headers: EntryHeaders::new(), backend: id.clone() };
            return Ok(UncheckedEntry { stored, asked: None });
        }
        let ended = ended.next().ok_or_else(|| failure::for_instance(one.storing.instance, "it was not written"))?;
        let serialized = ended.map_err(|stopped| not_written(one.storing.instance, &stopped))?;
        let partial = one.secrets.len() < view.files.len();
        let headers = headers::encrypted(one.storing.instance, &serialized.sealed, &serialized.files);
        Ok(UncheckedEntry {
            stored: Stored { headers, files: serialized.files, backend: id.clone() },
            asked: Some(SerializeRequest { view, recipients, saw_plaintext: serialized.saw_plaintext, partial }),
        })
    });
    Ok(written.collect())
}

fn not_written(instance: &Instance, stopped: &CallFailed) -> StoreFailure {
    let needs_all = matches!(&stopped.error, CallError::Failed(failure) if failure.kind == FailureKind::NeedsAll);
    StoreFailure { needs_all, ..failure::not_serialized(instance, stopped).into() }
}

/// Has backends look at what they wrote: a new entry takes the old one's place only when its own backend, asked again, calls it
/// present. All that one backend wrote goes to it in one call. The answers are in the order of what was written. For which files the
/// headers are is noted of what is well, and so will be stored.
pub(crate) fn checked(tools: &mut Tools, written: Vec<(Storing<'_>, UncheckedEntry)>) -> Vec<Result<Stored, Failure>> {
    let mut by_backend: BTreeMap<Option<&Name>, Vec<usize>> = BTreeMap::new();
    for (at, (storing, one)) in written.iter().enumerate() {
        if one.asked.is_some() {
            by_backend.entry(storing.instance.artifact.backend.as_ref()).or_default().push(at);
        }
    }
    let mut faults = BTreeMap::new();
    for at in by_backend.into_values() {
        let some: Vec<_> = at.iter().filter_map(|at| written.get(*at)).collect();
        faults.extend(at.into_iter().zip(check_written(tools, &some)));
    }
    faults.retain(|_, fault| fault.is_some());
    let well = written.iter().enumerate().filter(|(at, _)| !faults.contains_key(at));
    let noted = tools.headers.commit(well.map(|(_, (storing, one))| (storing.instance, &one.stored.headers)));
    let ended =
        |(at, (storing, one)): (usize, (Storing<'_>, UncheckedEntry))| match (faults.remove(&at).flatten(), &noted) {
            (Some(fault), _) => Err(fault),
            (None, Err(error)) if one.asked.is_some() => Err(failure::about(storing.instance, error)),
            (None, _) => Ok(one.stored),
        };
    written.into_iter().enumerate().map(ended).collect()
}

/// What is wrong with each of these, all of one backend.
fn check_written(tools: &mut Tools, written: &[&(Storing<'_>, UncheckedEntry)]) -> Vec<Option<Failure>> {
    match answers(tools, written) {
        Ok(answers) => {
            let fault = |((storing, one), answer): (&&(Storing<'_>, UncheckedEntry), _)| storing.mismatch(answer, one);
            written
                .iter()
                .zip(answers.into_iter().map(Some).chain(std::iter::repeat_with(|| None)))
                .map(fault)
                .collect()
        }
        Err(failure) => {
            let of = |(storing, _): &&(Storing<'_>, UncheckedEntry)| Failure {
                subject: storing.instance.name.to_string(),
                ..failure.clone()
            };
            written.iter().map(|one| Some(of(one))).collect()
        }
    }
}

type CheckResult = Result<Verified, CallError>;

fn answers(tools: &mut Tools, written: &[&(Storing<'_>, UncheckedEntry)]) -> Result<Vec<CheckResult>, Failure> {
    let Some((storing, _)) = written.first() else { return Ok(Vec::new()) };
    let name = storing.backend()?;
    let Some(mut session) = tools.session(name)? else {
        return Err(failure::for_instance(storing.instance, "its backend does not use the storage"));
    };
    let view = |(storing, one): &&(Storing<'_>, UncheckedEntry)| {
        let view = one.asked.as_ref().map_or_else(|| storing.instance.for_backend.clone(), |asked| asked.view.clone());
        (view, one.stored.files.clone())
    };
    let request = written.iter().map(view).collect();
    // The names of what a backend stored may hold a secret that it was given for that.
    let after_plaintext = written.iter().any(|(_, one)| one.asked.as_ref().is_some_and(|asked| asked.saw_plaintext));
    let instances: Vec<String> = written.iter().map(|(storing, _)| storing.instance.name.to_string()).collect();
    Ok(session.check(request, &instances, after_plaintext)?.answers)
}

/// Has backends write, and look at what they wrote. The answers are in the order of what is to be written.
pub(crate) fn serialize_all(
    tools: &mut Tools,
    unwritten: Vec<Result<Unwritten<'_>, StoreFailure>>,
) -> Vec<Result<Stored, StoreFailure>> {
    through(unwritten, |unwritten| {
        let storing: Vec<Storing<'_>> = unwritten.iter().map(|one| one.storing).collect();
        let written = storing.into_iter().zip(write(tools, unwritten)).map(|(storing, one)| Ok((storing, one?)));
        through(written.collect(), |written| {
            checked(tools, written).into_iter().map(|stored| stored.map_err(StoreFailure::from)).collect()
        })
    })
}

/// An entry that is to be stored; a ticket allows it.
pub(crate) struct Unstored<'a> {
    pub storing: Storing<'a>,
    pub ticket: Ticket,
    pub files: EntryFiles,
    pub public: EntryFiles,
    pub receipt: Receipt,
}

impl<'a> Unstored<'a> {
    /// Names in its receipt whose keys the recipients are.
    fn labelled(mut self, tools: &Tools) -> Self {
        let receipt = &mut self.receipt;
        let labels = tools.keys.for_receipt(&receipt.recipients, &self.storing.found.labels);
        let recipients: BTreeSet<&String> = receipt.recipients.of_all_files().collect();
        receipt.labels.retain(|key, _| recipients.contains(key));
        receipt.labels.extend(labels);
        self
    }

    fn stage(self) -> Result<(&'a Instance, StoredReceipt, StagedTicket), Failure> {
        let Self { storing: Storing { instance, found }, ticket, files, public, receipt } = self;
        let stored = StoredReceipt::new(&receipt, found.receipt.as_deref());
        let staged = ticket.stage(instance, NewEntry { files, public, receipt, replaces: None })?;
        Ok((instance, stored, staged))
    }
}

/// Stores entries: up to `--jobs` are written aside at once, and then all of them take their places. Returns of each what allows to
/// trash the one that its value comes from, where that is another.
pub(crate) fn store_all(
    tools: &Tools,
    writers: &mut StorageWriters,
    unstored: Vec<Unstored<'_>>,
) -> Vec<Result<Option<Removal>, Failure>> {
    let hands = tools.hands(unstored.len());
    let unstored: Vec<Unstored<'_>> = unstored.into_iter().map(|one| one.labelled(tools)).collect();
    let staged = share_out(hands, unstored.into_iter(), |(), one| one.stage());
    through(staged, |staged| {
        let (stored, staged): (Vec<_>, Vec<_>) =
            staged.into_iter().map(|(instance, stored, staged)| (stored, (instance, staged))).unzip();
        let placed = place_all(staged).into_iter().zip(stored);
        let told = placed.map(|(placed, stored)| {
            let (path, other) = placed?;
            writers.wrote(tools, path, Some(stored));
            Ok(other)
        });
        told.collect()
    })
}

impl<'a> Storing<'a> {
    /// Has the backend write secret files, and look at them.
    pub fn serialize(
        &self,
        tools: &mut Tools,
        ticket: &Ticket,
        entry: Option<Entry>,
        secrets: &[(String, Secret)],
    ) -> Result<Stored, StoreFailure> {
        let missing = || failure::for_instance(self.instance, "the written entry was not checked");
        let decrypted = Decrypted::new();
        let unwritten = self.unwritten(ticket, entry, secrets, &decrypted).map_err(StoreFailure::from);
        serialize_all(tools, vec![unwritten]).pop().ok_or_else(missing)?
    }

    /// What its backend is to write into a copy of the entry. `decrypted` is of that entry, where the files were read from it.
    ///
    /// # Errors
    /// When the ticket does not allow it.
    pub fn unwritten<'s>(
        &self,
        ticket: &Ticket,
        entry: Option<Entry>,
        secrets: &'s [(String, Secret)],
        decrypted: &'s Decrypted,
    ) -> Result<Unwritten<'s>, Failure>
    where
        'a: 's,
    {
        ticket.check(self.instance, &self.found.recipients)?;
        let backend = self.backend()?;
        Ok(Unwritten { storing: *self, backend, files: own_files(entry, backend), secrets, decrypted })
    }

    /// What the backend is told of the instance: a declared file that was never stored and is not stored now is none of its
    /// business, and keeps no other from being stored.
    fn view_and_recipients(&self, secrets: &[(String, Secret)]) -> (InstanceView, Recipients) {
        let given = secrets.iter().map(|(name, _)| name.as_str());
        let stored: BTreeSet<&str> = self.found.stored_files(self.instance).map(Name::as_str).chain(given).collect();
        let mut view = self.instance.for_backend.clone();
        view.files.retain(|file| stored.contains(file.name.as_str()));
        let mut recipients = self.found.recipients.clone();
        recipients.retain(|file| stored.contains(file.as_str()));
        (view, recipients)
    }

    /// Why what was written is not stored.
    fn mismatch(&self, answer: Option<CheckResult>, written: &UncheckedEntry) -> Option<Failure> {
        let Self { instance, .. } = self;
        let asked = written.asked.as_ref().map(|asked| &asked.recipients);
        let present = |answer: &Verified| answer.state == CheckState::Present && Some(&answer.recipients) == asked;
        match answer {
            Some(Ok(answer)) if !written.stored.files.is_empty() && present(&answer) => None,
            // Where some of its files were there before, they may be what is wrong with it.
            Some(Ok(Verified { state: CheckState::Stale(_), .. }))
                if written.asked.as_ref().is_some_and(|asked| asked.partial) =>
            {
                let name = failure::quoted_name(&instance.name);
                let hint = format!("nothing was changed; `artifacts status {name}` lists the missing files");
                Some(
                    failure::for_instance(instance, "the artifact is still incomplete after storing this file")
                        .hint(Some(hint)),
                )
            }
            _ => Some(
                failure::for_instance(instance, "the backend rejected its own output")
                    .hint(Some("nothing was changed; report this to the author of the backend")),
            ),
        }
    }

    /// Stores the entry, and trashes the one in another storage whose place it takes.
    pub fn commit(
        &self,
        tools: &Tools,
        writers: &mut StorageWriters,
        ticket: Ticket,
        (files, public): (EntryFiles, EntryFiles),
        receipt: Receipt,
    ) -> Result<(), Failure> {
        let unstored = Unstored { storing: *self, ticket, files, public, receipt };
        let missing = || Err(failure::for_instance(self.instance, "it was not stored"));
        let removal = store_all(tools, writers, vec![unstored]).pop().unwrap_or_else(missing)?;
        removal.map_or(Ok(()), |removal| removal.remove().map(drop))
    }

    fn backend(&self) -> Result<&'a Name, Failure> {
        self.instance.artifact.backend.as_ref().ok_or_else(|| failure::for_instance(self.instance, "no backend"))
    }
}

/// The backend's own files of an entry. What another backend stored is none of its business, and goes with the old entry.
fn own_files(entry: Option<Entry>, backend: &Name) -> EntryFiles {
    match entry {
        Some(entry) => match &entry.receipt {
            ReceiptState::Valid(receipt) if receipt.backend.name != *backend => EntryFiles::new(),
            _ => entry.files,
        },
        None => EntryFiles::new(),
    }
}
