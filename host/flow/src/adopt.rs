//! Slices accepted as they lie: a new receipt for bytes that the host did not store.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::{Instance, Reason, State};
use artifacts_report::{Failure, FileChange, shell_word};
use artifacts_spec::{InstanceName, Name};
use artifacts_store::{NewSlice, Receipt, ReceiptState, Slice, Storage};

use crate::owners::{self, Owners};
use crate::receipt::{self, Making};
use crate::{Found, Rooms, Survey, Writers, changes, failure};

/// How an age file that is not armored begins.
const BINARY: &[u8] = b"age-encryption.org/v1";

/// Reasons that say nothing against what is stored: somebody may know that it is good all the same.
const ACCEPTABLE: [&str; 4] = ["dependency", "expired", "receipt", "validation"];

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
    /// Whether no receipt tells who reads them.
    pub unread: bool,
    /// What its files become.
    pub files: Vec<FileChange>,
    slice: NewSlice,
}

/// What can be adopted of these instances, and what cannot and why. Of what a survey found, that is whatever is stale because
/// of its receipt. What is `named` is also accepted as valid, as made from what its dependencies are now, and as new:
/// once its bytes are accepted, so that nobody accepts both unseen. It opens nothing and writes nothing.
///
/// Refused is what its backend does not call sound; and a slice with an age file that is another instance's as well, or may be
/// since a slice cannot be read: its own readers would come to read it.
pub fn adoptions<'a>(
    rooms: &mut Rooms<'_>,
    survey: &Survey,
    instances: impl Iterator<Item = &'a Instance>,
    named: impl Fn(&InstanceName) -> bool,
) -> (Vec<Adoption>, Vec<Failure>) {
    let (mut adoptions, mut failures) = (Vec::new(), Vec::new());
    let mut owners = Owners::default();
    for instance in instances {
        let wanted = |found: &&Found| accepted(found).any(|why| why.kind == "receipt" || named(&instance.name));
        let Some(found) = survey.found.get(&instance.name).filter(wanted) else { continue };
        match adoption(rooms, survey, instance, found, &mut owners) {
            Ok(adoption) => adoptions.push(adoption),
            Err(failure) => failures.push(failure),
        }
    }
    (adoptions, failures)
}

/// Writes the receipts. Returns what was adopted, and what could not be.
pub fn adopt(
    rooms: &Rooms<'_>,
    writers: &mut Writers,
    instances: &BTreeMap<InstanceName, Instance>,
    adoptions: Vec<Adoption>,
) -> (BTreeSet<InstanceName>, Vec<Failure>) {
    let (mut adopted, mut failures) = (BTreeSet::new(), Vec::new());
    for Adoption { name, slice, .. } in adoptions {
        let committed = instances.get(&name).ok_or_else(|| Failure::new(name.to_string(), "it is not declared"));
        let committed = committed.and_then(|instance| commit(rooms, writers, instance, slice));
        match committed {
            Ok(committed) => {
                writers.wrote(committed);
                adopted.insert(name);
            }
            Err(failure) => failures.push(failure),
        }
    }
    (adopted, failures)
}

/// What lies there of an instance.
fn slice(rooms: &mut Rooms<'_>, instance: &Instance) -> Result<Option<Slice>, Failure> {
    let failed = |error: artifacts_store::Error| failure::of(instance, error.to_string()).help(error.help());
    let backend = instance.backend.as_ref().ok_or_else(|| failure::of(instance, "it has no backend"))?;
    let storage = rooms.registry.storage(backend)?;
    Storage::open(rooms.root, &storage).and_then(|storage| storage.read(&instance.name)).map_err(failed)
}

/// Returns the slice's path, for git.
fn commit(rooms: &Rooms<'_>, writers: &Writers, instance: &Instance, slice: NewSlice) -> Result<String, Failure> {
    if let Some(why) = writers.fault(instance, &rooms.registry) {
        return Err(why);
    }
    let storage = instance.backend.as_ref().and_then(|backend| rooms.registry.storage(backend).ok());
    let writer = storage.and_then(|storage| writers.of(&storage));
    let writer = writer.ok_or_else(|| failure::of(instance, "its storage is not locked"))?;
    let failed = |error: artifacts_store::Error| failure::of(instance, error.to_string()).help(error.help());
    Ok(writer.commit(slice).map_err(failed)?.path)
}

fn is_stale(found: &Found, kind: &str) -> bool {
    matches!(&found.state, State::Stale(reasons) if reasons.iter().any(|reason| reason.kind == kind))
}

/// What is accepted of why it is stale. While its bytes are not, nothing else is a reason.
fn accepted(found: &Found) -> impl Iterator<Item = &Reason> {
    found.state.reasons().iter().filter(|reason| ACCEPTABLE.contains(&reason.kind))
}

fn adoption(
    rooms: &mut Rooms<'_>,
    survey: &Survey,
    instance: &Instance,
    found: &Found,
    owners: &mut Owners,
) -> Result<Adoption, Failure> {
    let broken = found.state.reasons().iter().filter(|reason| ["files", "format"].contains(&reason.kind));
    let broken: Vec<&str> = broken.map(|reason| reason.message.as_str()).collect();
    if !broken.is_empty() {
        let refused = failure::of(instance, format!("it cannot be adopted: {}", broken.join(", ")));
        let slice = slice(rooms, instance).ok().flatten();
        let binary = slice.and_then(|slice| slice.files.into_iter().find(|(_, bytes)| bytes.starts_with(BINARY)));
        return Err(refused.help(Some(match binary {
            Some((file, _)) => format!(
                "`{file}` is a binary age file, and an armored one is expected. To keep what is in it, move it out of \
                 the slice and store it anew: `age -d -i KEY {} | artifacts set {} FILE`",
                shell_word(&format!("./{file}")),
                failure::word(&instance.name)
            ),
            None => format!(
                "take it from the last good commit, or make it anew: `artifacts generate --stale {}`",
                failure::word(&instance.name)
            ),
        })));
    }
    let backend = instance.backend.as_ref().ok_or_else(|| failure::of(instance, "it has no backend"))?;
    let opened = rooms.registry.open(backend, &rooms.nix)?;
    let stored_by = receipt::backend_id(instance, backend, &opened.component)?;
    let slice = slice(rooms, instance)?.ok_or_else(|| failure::of(instance, "it is not there any more"))?;
    if Some(slice.fingerprint()) != found.fingerprint {
        return Err(failure::of(instance, "it was changed while it was looked at").help(Some("try again")));
    }
    let headers = owners::headers(&slice);
    owners.check(rooms, instance, &headers)?;

    let sealed: Vec<String> = headers.iter().cloned().collect();
    let dependencies = &survey.made_from(instance);
    let before = before(&slice, backend);
    let known: BTreeSet<String> = before.iter().flat_map(|receipt| &receipt.sealed).map(ToString::to_string).collect();
    let unread = before.is_none();
    let receipt = if let Some(agreeing) = before.filter(|_| !is_stale(found, "receipt")) {
        receipt::renewed(agreeing, instance, dependencies, rooms.now)?
    } else {
        let making = Making { instance, found, backend: stored_by, dependencies, sealed: &sealed, now: rooms.now };
        continued(making.receipt()?, before)
    };
    let files = changes::accepted(instance, before, &receipt, &slice.files, &slice.public);
    Ok(Adoption {
        name: instance.name.clone(),
        differences: accepted(found).map(|reason| reason.message.clone()).collect(),
        new_headers: headers.difference(&known).count(),
        headers,
        unread,
        files,
        slice: NewSlice { replaces: Some(slice.fingerprint()), files: slice.files, public: slice.public, receipt },
    })
}

/// The receipt that lies there, if it is this instance's and this backend's.
fn before<'a>(slice: &'a Slice, backend: &Name) -> Option<&'a Receipt> {
    match &slice.receipt {
        ReceiptState::Valid(receipt) if receipt.instance == slice.name && receipt.backend.name == *backend => {
            Some(receipt)
        }
        _ => None,
    }
}

/// What the old receipt says of the readers, of `validation`, of the dependencies and of the expiry stays: that bytes are
/// accepted as they lie makes them neither younger nor readable for others.
fn continued(new: Receipt, before: Option<&Receipt>) -> Receipt {
    let Some(before) = before else { return new };
    let mut readers = new.readers;
    for (file, recipients) in &mut readers {
        if let Some(were) = before.readers.get(file) {
            recipients.clone_from(were);
        }
    }
    Receipt {
        readers,
        made: before.made,
        expires: before.expires,
        validation: before.validation,
        dependencies: before.dependencies.clone(),
        ..new
    }
}
