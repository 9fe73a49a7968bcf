//! Slices accepted as they lie: a new receipt for bytes that the host did not store.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, Reason, ReasonKind, State};
use artifacts_report::{Done, Failure, FileChange, Report};
use artifacts_store::{Entry, NewEntry, Receipt, ReceiptState, Storage};

use super::receipt::{self, Making};
use crate::agree::{Ticket, Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::steps::Step;
use crate::look::survey::{Found, Survey};
use crate::look::{changes, extras, hints, staged};
use crate::run::{Run, Selection};
use crate::tools::header_owners::Owners;
use crate::tools::headers::{self, EntryHeaders};
use crate::tools::{RunEvent, Tools};

/// Accepts stored entries as they are: a new receipt for bytes that this program did not store. An instance or artifact that the
/// selectors name is also accepted as valid, as new, and as generated from its dependencies as they are.
#[derive(Debug, Clone, Copy)]
pub struct Adopt;

impl Planned for Adopt {
    type Details = BTreeMap<InstanceName, Adoption>;

    fn reaches(&self) -> bool {
        true
    }

    fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<Self::Details> {
        let Run { tools, instances, .. } = run;
        let named = |name: &InstanceName| selection.selectors.iter().any(|selector| selector.names(name));
        let among = selection.names.iter().filter_map(|name| instances.get(name));
        let (adoptions, failures) = adoptions(tools, survey, among, named);
        let steps = adoptions.iter().map(|adoption| Step::again(adoption.name.clone())).collect();
        let details = adoptions.into_iter().map(|adoption| (adoption.name.clone(), adoption)).collect();
        Plan { steps, failures, details }
    }

    fn begin(&self, run: &mut Run, selection: &Selection, survey: &Survey, _: &Plan<Self::Details>) -> Report {
        let errors = selection.errors.iter().chain(&survey.errors).cloned().collect();
        Report { errors, ..run.rows(&selection.names, survey) }
    }

    fn describe(&self, base: &mut Base<'_>, adoptions: &mut Self::Details) -> Result<(), Failure> {
        show(base, adoptions);
        base.take_failures();
        staged::note(base.run, &mut base.report);
        mark(base, adoptions, Done::WouldAdopt);
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, adoptions: &mut Self::Details) -> Result<Tickets, Failure> {
        show(base, adoptions);
        Ok(ask::without_encryption(base))
    }

    fn locks(&self, _: &Run, selection: &Selection) -> BTreeSet<InstanceName> {
        selection.names.clone()
    }
}

impl<'r> Agreed<'r, Adopt> {
    /// Writes the receipts.
    pub fn adopt(self) -> Written<'r> {
        let Self { mut base, details: mut adoptions, mut tickets, .. } = self;
        let files = adoptions.iter().map(|(name, one)| (name.clone(), one.files.clone())).collect();
        let is_idle = base.progress.is_empty();
        while let Some(step) = base.progress.next(|_| true) {
            let adoption = adoptions.remove(&step.name).zip(tickets.take(&step.name));
            let written = match adoption {
                Some((adoption, ticket)) => store(&mut base, adoption, ticket),
                None => Err(Failure::new(step.name.to_string(), "nothing was agreed to")),
            };
            match written {
                Ok(()) => base.progress.finish(step.name),
                Err(failure) => base.progress.drop_out(failure),
            }
        }
        if !is_idle {
            show_adopted(&mut base, files);
        }
        Written::new(base)
    }
}

/// Reports what the adopted instances are now.
fn show_adopted(base: &mut Base<'_>, mut files: BTreeMap<InstanceName, Vec<FileChange>>) {
    let survey = base.look_again(&base.run.with_dependencies(&base.selection.names));
    let errors = base.selection.errors.iter().chain(&survey.errors).cloned().collect();
    base.report = Report { errors, ..base.run.rows(&base.selection.names, &survey) };
    let done = base.progress.done().clone();
    base.mark(&done, Done::Adopted);
    for name in &done {
        let label = name.to_string();
        if let Some(row) = base.report.instances.iter_mut().find(|row| row.name == label) {
            row.files = files.remove(name).unwrap_or_default();
        }
    }
}

fn store(base: &mut Base<'_>, adoption: Adoption, ticket: Ticket) -> Result<(), Failure> {
    let Base { run, writers, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let Adoption { name, entry, slice, .. } = adoption;
    let instance = instances.get(&name).ok_or_else(|| Failure::new(name.to_string(), "it is not declared"))?;
    tools.headers.learn(instance, &entry)?;
    let path = ticket.commit(instance, slice)?;
    writers.wrote(tools, path);
    Ok(())
}

fn show(base: &mut Base<'_>, adoptions: &BTreeMap<InstanceName, Adoption>) {
    let names = base.progress.names();
    for adoption in adoptions.values().filter(|adoption| names.contains(&adoption.name)) {
        base.run.tools.operator.notify(&RunEvent::Adoption(adoption));
    }
}

fn mark(base: &mut Base<'_>, adoptions: &BTreeMap<InstanceName, Adoption>, done: Done) {
    let names = adoptions.keys().cloned().collect();
    base.mark(&names, done);
    let files: BTreeMap<String, &Adoption> = adoptions.iter().map(|(name, one)| (name.to_string(), one)).collect();
    for row in &mut base.report.instances {
        if let Some(adoption) = files.get(&row.name) {
            row.files.clone_from(&adoption.files);
        }
    }
}

/// What is accepted with a slice.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// Whose it is.
    pub name: InstanceName,
    /// In what it is not as its receipt says, or not as is declared.
    pub differences: Vec<String>,
    /// The age files in it: from now on they are opened for this instance.
    pub headers: BTreeSet<String>,
    /// Those of them that its receipt did not know.
    pub new_headers: usize,
    /// Whether nobody can tell who reads them: no receipt does, or they are others than it tells of.
    pub unread: bool,
    /// Whether a file is sealed to fewer or more than are declared.
    pub miscounted: bool,
    /// Recipients that its backend cannot write for, a sentence each.
    pub other_recipients: BTreeSet<String>,
    /// What its files become.
    pub files: Vec<FileChange>,
    /// The age files in it, and which of its files they are for.
    entry: EntryHeaders,
    slice: NewEntry,
}

/// What can be adopted of these instances, and what cannot and why. Of what a survey found, that is whatever is stale because
/// of its receipt. What is `named` is also accepted as valid, as made from what its dependencies are now, and as new:
/// once its bytes are accepted, so that nobody accepts both unseen. It opens nothing and writes nothing.
///
/// Refused is what its backend does not call sound, and what has no age file in it where there should be one; what is `named` and
/// stale for a reason that nobody can accept; and a slice with an age file that is another instance's as well, or may be
/// since a slice cannot be read: its own readers would come to read it.
fn adoptions<'a>(
    tools: &mut Tools,
    survey: &Survey,
    instances: impl Iterator<Item = &'a Instance>,
    named: impl Fn(&InstanceName) -> bool,
) -> (Vec<Adoption>, Vec<Failure>) {
    let (mut adoptions, mut failures) = (Vec::new(), Vec::new());
    let mut owners = Owners::default();
    for instance in instances {
        let wanted = |found: &&Found| {
            is_stale(found, ReasonKind::Receipt) || (named(&instance.name) && !found.state.reasons().is_empty())
        };
        let Some(found) = survey.found.get(&instance.name).filter(wanted) else { continue };
        match adoption(tools, survey, instance, found, &mut owners) {
            Ok(adoption) => adoptions.push(adoption),
            Err(failure) => failures.push(hints::helped(tools, instance, failure)),
        }
    }
    (adoptions, failures)
}

/// What lies there of an instance.
fn slice(tools: &mut Tools, instance: &Instance) -> Result<Option<Entry>, Failure> {
    let failed = |error: artifacts_store::Error| failure::about(instance, error);
    let backend = instance.backend.as_ref().ok_or_else(|| failure::of(instance, "it has no backend"))?;
    let storage = tools.backends.storage(backend)?;
    Storage::open(&tools.root, &storage).and_then(|storage| storage.read(&instance.name)).map_err(failed)
}

fn is_stale(found: &Found, kind: ReasonKind) -> bool {
    matches!(&found.state, State::Stale(reasons) if reasons.iter().any(|reason| reason.kind == kind))
}

/// What is accepted of why it is stale. While its bytes are not, nothing else is a reason.
fn accepted(found: &Found) -> impl Iterator<Item = &Reason> {
    found.state.reasons().iter().filter(|reason| reason.kind.is_acceptable())
}

/// Whether an instance could be adopted by its name.
pub(crate) fn is_adoptable(tools: &mut Tools, survey: &Survey, instance: &Instance, owners: &mut Owners) -> bool {
    let found = survey.found.get(&instance.name).filter(|found| !found.state.reasons().is_empty());
    found.is_some_and(|found| adoption(tools, survey, instance, found, owners).is_ok())
}

fn adoption(
    tools: &mut Tools,
    survey: &Survey,
    instance: &Instance,
    found: &Found,
    owners: &mut Owners,
) -> Result<Adoption, Failure> {
    let broken = found
        .state
        .reasons()
        .iter()
        .filter(|reason| !reason.kind.is_acceptable() && reason.kind != ReasonKind::Recipients);
    let broken: Vec<&str> = broken.map(|reason| reason.message.as_str()).collect();
    if !broken.is_empty() {
        return Err(failure::of(instance, format!("it cannot be adopted: {}", broken.join(", "))));
    }
    if accepted(found).next().is_none() {
        let refused = failure::of(instance, "only its readers changed, and adopting encrypts nothing");
        return Err(refused.hint(Some(format!("`artifacts rekey {}`", failure::word(&instance.name)))));
    }
    let backend = instance.backend.as_ref().ok_or_else(|| failure::of(instance, "it has no backend"))?;
    let opened = tools.backends.open(backend)?;
    let stored_by = receipt::backend_id(instance, backend, &opened.terms)?;
    // A backend that never sees plaintext has whatever is for somebody sealed by the host.
    let seals = !opened.terms.requests_plaintext && found.readers.iter().any(|(_, to)| !to.is_empty());
    let mut slice = slice(tools, instance)?.ok_or_else(|| failure::of(instance, "it is not there any more"))?;
    let fingerprint = slice.fingerprint();
    extras::take_added(instance, &mut slice);
    if Some(fingerprint) != found.fingerprint {
        return Err(failure::of(instance, "it was changed while it was looked at").hint(Some("try again")));
    }
    let entry = headers::in_entry(instance, &slice.files);
    owners.check(tools, instance, &entry)?;
    let entry = tools.headers.accepted(instance, entry)?;
    let headers: BTreeSet<String> = entry.values().flat_map(|headers| headers.keys().cloned()).collect();
    let before = before(&slice, backend);
    if headers.is_empty() && (seals || before.is_some_and(|receipt| !receipt.all_headers().is_empty())) {
        return Err(failure::of(instance, "it cannot be adopted: there is no age file in it, and it is to be sealed"));
    }

    let dependencies = &survey.made_from(instance);
    let known = before.iter().flat_map(|receipt| receipt.all_headers()).map(|header| header.to_string());
    let known: BTreeSet<String> = known.collect();
    let new_headers = headers.difference(&known).count();
    let unread = before.is_none() || new_headers > 0;
    let receipt = if let Some(agreeing) = before.filter(|_| !is_stale(found, ReasonKind::Receipt)) {
        receipt::renewed(agreeing, instance, dependencies, tools.now)?
    } else {
        let making = Making { instance, found, backend: stored_by, dependencies, headers: &entry, now: tools.now };
        continued(making.receipt()?, before)
    };
    // What was sealed anew may be anybody's. Of what another program stored, the person says that it is as declared.
    let receipt = if before.is_some() && new_headers > 0 { of_anybody(receipt) } else { receipt };
    let files = changes::accepted(instance, before, &receipt, &slice.files, &slice.public);
    Ok(Adoption {
        name: instance.name.clone(),
        differences: accepted(found).map(|reason| reason.message.clone()).collect(),
        new_headers,
        headers,
        unread,
        miscounted: miscounted(found, &slice),
        other_recipients: survey.other_recipients.get(&instance.name).cloned().unwrap_or_default(),
        files,
        entry,
        slice: NewEntry { replaces: Some(fingerprint), files: slice.files, public: slice.public, receipt },
    })
}

/// The receipt that lies there, if it is this instance's and this backend's.
fn before<'a>(slice: &'a Entry, backend: &Name) -> Option<&'a Receipt> {
    match &slice.receipt {
        ReceiptState::Valid(receipt) if receipt.instance == slice.name && receipt.backend.name == *backend => {
            Some(receipt)
        }
        _ => None,
    }
}

/// Whether a file is sealed to fewer or more than is declared.
fn miscounted(found: &Found, slice: &Entry) -> bool {
    let count = |stored: &str, bytes: &[u8]| {
        let borne = found.readers.iter().filter(|(file, _)| changes::bears(stored, file));
        let readers = borne.max_by_key(|(file, _)| file.len()).map(|(_, readers)| readers.len());
        readers.zip(Some(artifacts_age::recipients(bytes)).filter(|count| *count > 0))
    };
    slice.files.iter().filter_map(|(stored, bytes)| count(stored, bytes)).any(|(declared, sealed)| declared != sealed)
}

/// A receipt that does not say who reads the files.
fn of_anybody(mut receipt: Receipt) -> Receipt {
    receipt.recipients.values_mut().for_each(BTreeSet::clear);
    receipt
}

/// What the old receipt says of the readers, of `validation`, of the dependencies and of the expiry stays: that bytes are
/// accepted as they lie makes them neither younger nor readable for others.
fn continued(new: Receipt, before: Option<&Receipt>) -> Receipt {
    let Some(before) = before else { return new };
    let mut readers = new.recipients;
    for (file, recipients) in &mut readers {
        if let Some(were) = before.recipients.get(file) {
            recipients.clone_from(were);
        }
    }
    Receipt {
        recipients: readers,
        generated: before.generated,
        expires: before.expires,
        validation: before.validation,
        dependencies: before.dependencies.clone(),
        ..new
    }
}
