//! What could be stored again, as far as can be determined without decrypting it.

use artifacts_declared::Name;
use artifacts_plan::{Cause, Instance, InstanceState, Reason, ReasonKind};
use artifacts_report::Failure;

use super::source::{Source, StoredValue};
use super::survey::SurveyedInstance;
use crate::failure;
use crate::tools::Tools;

/// Whether an instance is to be stored again: its recipients, backend, storage or format changed, it has files that are no longer
/// declared, or it is stored and all are wanted. Of one that is not stored as its receipt says no one knows the recipients; it is
/// wanted, and will fail, so that no one takes it for done.
pub fn wants_rekey(state: &InstanceState, all: bool) -> bool {
    let wants = |reason: &Reason| match reason.kind {
        ReasonKind::Backend | ReasonKind::Format | ReasonKind::Recipients | ReasonKind::Receipt => true,
        ReasonKind::Files => matches!(reason.cause, Cause::Undeclared(_)),
        ReasonKind::Dependency | ReasonKind::Expired | ReasonKind::Validation => false,
    };
    match state {
        InstanceState::Stale(reasons) => all || reasons.iter().any(wants),
        InstanceState::Present => all,
        InstanceState::Absent | InstanceState::OnTarget | InstanceState::Blocked | InstanceState::Error(_) => false,
    }
}

/// Whether a value moves: to another name, storage, backend or format. It is written as a whole then, and decrypted again before the
/// old entry goes.
pub fn moves(instance: &Instance, found: &SurveyedInstance) -> bool {
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name);
    let has_other_form = || found.state.reasons().iter().any(|reason| reason.kind == ReasonKind::Format);
    found.elsewhere.is_some()
        || found.former.is_some()
        || stored.is_some_and(|stored| Some(stored) != instance.artifact.backend.as_ref())
        || has_other_form()
}

/// Whether an earlier run moved the value of an instance and did not remove the old entry.
pub fn is_moved(found: &SurveyedInstance) -> bool {
    found.elsewhere.is_some() && found.fingerprint.is_some()
}

/// Why an instance cannot be decrypted where its backend stores it, as far as can be determined without opening it.
pub fn unopenable(instance: &Instance, found: &SurveyedInstance) -> Option<Failure> {
    if let Some(place) = found.elsewhere.as_ref().filter(|_| !is_moved(found)) {
        return Some(failure::elsewhere(instance, place));
    }
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name);
    if let Some((stored, declared)) =
        stored.zip(instance.artifact.backend.as_ref()).filter(|(stored, declared)| stored != declared)
    {
        return Some(failure::other_backend(instance, stored, declared));
    }
    failure::stale(instance, found.state.reasons()).or_else(|| nothing_stored(instance, found))
}

/// Why an instance cannot be stored again as it is declared now, as far as can be determined without opening it.
pub fn immovable(tools: &mut Tools, instance: &Instance, found: &SurveyedInstance) -> Option<Failure> {
    if let Some(older) = failure::older(instance, found.state.reasons()) {
        return Some(older);
    }
    if !moves(instance, found) {
        let backend = instance.artifact.backend.clone();
        let fault = unopenable(instance, found);
        return fault.or_else(|| backend.and_then(|backend| unretrievable(tools, instance, &backend)));
    }
    if let Some(place) = found.elsewhere.as_ref().filter(|_| found.receipt.is_none()) {
        return Some(failure::elsewhere(instance, place));
    }
    let value = match Source::of(tools, instance, found).and_then(|source| source.read(&tools.root, instance)) {
        Ok(Some(value)) => value,
        Ok(None) => return Some(failure::for_instance(instance, "the entry was removed during this run")),
        Err(failure) => return Some(failure),
    };
    if let Some(older) = older(tools, instance, &value) {
        return Some(older);
    }
    // It is written by the declared backend, and read back from it.
    let declared = instance.artifact.backend.clone();
    let backends = [Some(value.backend), declared].into_iter().flatten();
    nothing_stored(instance, found).or_else(|| {
        let mut faults = backends.filter_map(|backend| unretrievable(tools, instance, &backend));
        faults.next()
    })
}

/// A value that moves, and that is an older generation than the last that this machine stored: only its own name and place adopt it.
fn older(tools: &mut Tools, instance: &Instance, value: &StoredValue) -> Option<Failure> {
    match tools.headers.older_value(instance, value.receipt.as_ref()?) {
        Ok(older) => Some(failure::for_instance(&value.instance, older?).hint(Some(failure::ADOPT_AS_STORED))),
        Err(failure) => Some(failure),
    }
}

/// All that is stored would go: that is no way to keep a value.
fn nothing_stored(instance: &Instance, found: &SurveyedInstance) -> Option<Failure> {
    let nothing = instance.secret_files().next().is_some() && found.stored_files(instance).next().is_none();
    nothing.then(|| {
        let names = found.receipt.iter().flat_map(|receipt| receipt.recipients.files().map(ToString::to_string));
        let names: Vec<String> = names.collect();
        let hint = format!("declare what is stored again ({})", names.join(", "));
        failure::for_instance(instance, "its declared files are not stored").hint((!names.is_empty()).then_some(hint))
    })
}

/// Why secrets of an instance cannot be read back at all: a backend that has to has no way to.
pub fn unretrievable(tools: &mut Tools, instance: &Instance, backend: &Name) -> Option<Failure> {
    instance.secret_files().next()?;
    let is_declared = instance.artifact.backend.as_ref() == Some(backend);
    let opened = match tools.backends.open(backend) {
        Ok(opened) => opened,
        // The declared one says so where it is asked.
        Err(why) => return (!is_declared).then(|| failure::unknown_backend(instance, backend, &why)),
    };
    if opened.terms.retrieves {
        return None;
    }
    let name = failure::quoted_name(&instance.name);
    let hint = format!(
        "declare the recipients and the backend as before; new value: `artifacts rotate {name}` makes one, \
         `artifacts set {name} FILE` takes yours"
    );
    Some(failure::for_instance(instance, format!("backend `{backend}` cannot decrypt")).hint(Some(hint)))
}
