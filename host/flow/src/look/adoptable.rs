//! Which entries could be accepted as they are.

use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, Reason, ReasonKind};
use artifacts_report::{Failure, FileChange};
use artifacts_store::{Entry, HeaderHash, NewEntry, Receipt, ReceiptState, Storage};

use super::survey::{Survey, SurveyedInstance};
use super::{changes, extras};
use crate::declared_keys::DeclaredKeys;
use crate::failure;
use crate::naming::bears;
use crate::tools::Tools;
use crate::tools::header_owners::HeaderOwners;
use crate::tools::headers::{self, EntryHeaders};
use crate::work::receipt::{self, GenerationRecord};

/// What is accepted with an entry.
#[derive(Debug, Clone)]
pub struct Adoption {
    /// Whose it is.
    pub name: InstanceName,
    /// In what it is not as its receipt says, or not as is declared.
    pub differences: Vec<String>,
    /// The age files in it: from now on they are opened for this instance.
    pub headers: BTreeSet<HeaderHash>,
    /// Those of them that its receipt did not know.
    pub new_headers: usize,
    /// Whether no one can tell who reads them: no receipt does, or they are others than it tells of.
    pub unread: bool,
    /// Whether a file is sealed to fewer or more than are declared.
    pub miscounted: bool,
    /// Recipients that its backend cannot write for, a sentence each.
    pub other_recipients: BTreeSet<String>,
    /// What its files become.
    pub files: Vec<FileChange>,
    /// The age files in it, and which of its files they are for.
    pub(crate) sealed: EntryHeaders,
    pub(crate) entry: NewEntry,
}

/// What is stored of an instance.
fn read_entry(tools: &mut Tools, instance: &Instance) -> Result<Option<Entry>, Failure> {
    let failed = |error: artifacts_store::Error| failure::about(instance, error);
    let backend = instance.artifact.backend.as_ref().ok_or_else(|| failure::for_instance(instance, "no backend"))?;
    let storage = tools.backends.storage(backend)?;
    Storage::open(&tools.root, &storage).and_then(|storage| storage.read(&instance.name)).map_err(failed)
}

/// Whether an entry is not as its receipt says.
pub(crate) fn is_modified(found: &SurveyedInstance) -> bool {
    found.state.reasons().iter().any(Reason::is_modified)
}

/// What is accepted of why it is stale. While its bytes are not, nothing else is a reason.
fn accepted(found: &SurveyedInstance) -> impl Iterator<Item = &Reason> {
    found.state.reasons().iter().filter(|reason| reason.kind.is_acceptable())
}

/// Whether an instance could be adopted by its name.
pub(crate) fn is_adoptable(tools: &mut Tools, survey: &Survey, instance: &Instance, owners: &mut HeaderOwners) -> bool {
    let found = survey.found.get(&instance.name).filter(|found| !found.state.reasons().is_empty());
    found.is_some_and(|found| adoption(tools, survey, instance, found, owners).is_ok())
}

/// Returns what would be accepted of an entry.
pub(crate) fn adoption(
    tools: &mut Tools,
    survey: &Survey,
    instance: &Instance,
    found: &SurveyedInstance,
    owners: &mut HeaderOwners,
) -> Result<Adoption, Failure> {
    check_reasons(instance, found)?;
    let backend = instance.artifact.backend.as_ref().ok_or_else(|| failure::for_instance(instance, "no backend"))?;
    let opened = tools.backends.open(backend)?;
    let stored_by = receipt::backend_id(backend, &opened.terms);
    // A backend that never sees plaintext has whatever is for someone sealed by the host.
    let seals = !opened.terms.requests_plaintext && found.recipients.of_all_files().next().is_some();
    let mut entry = read_entry(tools, instance)?
        .ok_or_else(|| failure::for_instance(instance, "the entry was removed during this run"))?;
    let fingerprint = entry.fingerprint();
    extras::take_added(instance, &mut entry);
    if Some(fingerprint) != found.fingerprint {
        return Err(
            failure::for_instance(instance, "the entry changed during this run").hint(Some("run the command again"))
        );
    }
    let sealed = headers::in_entry(instance, &entry.files);
    owners.check(tools, instance, &instance.name, &sealed)?;
    let sealed = tools.headers.accepted(instance, sealed)?;
    let headers: BTreeSet<HeaderHash> = sealed.values().flat_map(|headers| headers.keys().copied()).collect();
    let before = before(&entry, backend);
    if headers.is_empty() && (seals || before.is_some_and(|receipt| !receipt.all_headers().is_empty())) {
        return Err(failure::for_instance(instance, "cannot adopt: expected an age file, found none"));
    }

    let dependencies = &survey.made_from(instance);
    let known: BTreeSet<HeaderHash> = before.iter().flat_map(|receipt| receipt.all_headers()).collect();
    let new_headers = headers.difference(&known).count();
    let unread = before.is_none() || new_headers > 0;
    let receipt = if let Some(agreeing) = before.filter(|_| !is_modified(found)) {
        let is_outdated = found.state.reasons().iter().any(|reason| reason.kind.is_outdated());
        // An older generation stays what it is: what was generated from it is up to date.
        if is_outdated { receipt::renewed(agreeing, instance, dependencies, tools.now) } else { agreeing.clone() }
    } else {
        let making =
            GenerationRecord { instance, found, backend: stored_by, dependencies, headers: &sealed, now: tools.now };
        continued(making.receipt()?, before)
    };
    // What was re-encrypted may be anyone's. Of what another program stored, the person says that it is as declared.
    let receipt = if before.is_some() && new_headers > 0 { of_anybody(receipt) } else { receipt };
    let files = changes::accepted(instance, before, &receipt, &entry.files, &entry.public);
    Ok(Adoption {
        name: instance.name.clone(),
        differences: accepted(found).map(|reason| reason.message.clone()).collect(),
        new_headers,
        headers,
        unread,
        miscounted: miscounted(found, &entry, &tools.keys),
        other_recipients: survey.other_recipients.get(&instance.name).cloned().unwrap_or_default(),
        files,
        sealed,
        entry: NewEntry { replaces: Some(fingerprint), files: entry.files, public: entry.public, receipt },
    })
}

/// Whether each reason for which it is stale can be accepted, or none is left to be.
fn check_reasons(instance: &Instance, found: &SurveyedInstance) -> Result<(), Failure> {
    let broken = found
        .state
        .reasons()
        .iter()
        .filter(|reason| !reason.kind.is_acceptable() && reason.kind != ReasonKind::Recipients);
    let broken: Vec<&str> = broken.map(|reason| reason.message.as_str()).collect();
    if !broken.is_empty() {
        return Err(failure::for_instance(instance, format!("cannot adopt: {}", broken.join(", "))));
    }
    if accepted(found).next().is_none() {
        let refused = failure::for_instance(instance, "only its recipients changed, and `adopt` does not re-encrypt");
        return Err(refused.hint(Some(format!("`artifacts rekey {}`", failure::quoted_name(&instance.name)))));
    }
    Ok(())
}

/// The receipt that is stored, if it is this instance's and this backend's.
fn before<'a>(entry: &'a Entry, backend: &Name) -> Option<&'a Receipt> {
    match &entry.receipt {
        ReceiptState::Valid(receipt) if receipt.instance == entry.name && receipt.backend.name == *backend => {
            Some(receipt)
        }
        _ => None,
    }
}

/// Whether a file is sealed to fewer or more than is declared.
fn miscounted(found: &SurveyedInstance, entry: &Entry, keys: &DeclaredKeys) -> bool {
    let count = |stored: &str, bytes: &[u8]| {
        let borne = found.recipients.iter().filter(|(file, _)| bears(stored, file.as_str()));
        let (_, declared) = borne.max_by_key(|(file, _)| file.as_str().len())?;
        let second_forms = declared.iter().flat_map(|recipient| keys.ssh_forms(recipient));
        Some((declared.len(), artifacts_age::recipients(bytes, second_forms))).filter(|(_, count)| *count > 0)
    };
    entry.files.iter().filter_map(|(stored, bytes)| count(stored, bytes)).any(|(declared, sealed)| declared != sealed)
}

/// A receipt that does not say who reads the files.
fn of_anybody(receipt: Receipt) -> Receipt {
    Receipt { recipients: receipt.recipients.unknown(), ..receipt }
}

/// What the old receipt says of the recipients, of `validation`, of the dependencies and of the expiry stays: that bytes are
/// accepted as they are stored makes them neither younger nor readable for others.
fn continued(new: Receipt, before: Option<&Receipt>) -> Receipt {
    let Some(before) = before else { return new };
    let known = |(file, declared): (Name, _)| {
        let before = before.recipients.get(file.as_str()).cloned();
        (file, before.unwrap_or(declared))
    };
    Receipt {
        recipients: new.recipients.into_iter().map(known).collect(),
        generated: before.generated,
        expires: before.expires,
        validation: before.validation,
        dependencies: before.dependencies.clone(),
        ..new
    }
}
