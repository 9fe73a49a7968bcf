//! What could be encrypted again, as far as can be determined without decrypting it.

use artifacts_plan::{Cause, Instance, InstanceState, Reason, ReasonKind};
use artifacts_report::Failure;

use super::survey::SurveyedInstance;
use crate::failure;
use crate::tools::Tools;

/// Whether an instance is to be re-encrypted: its recipients changed, it has files that are no longer declared, or it is stored
/// and all are wanted. Of one that is not stored as its receipt says no one knows the recipients; it is wanted, and will fail, so
/// that no one takes it for done.
pub fn wants_rekey(state: &InstanceState, all: bool) -> bool {
    let wants = |reason: &Reason| match reason.kind {
        ReasonKind::Recipients | ReasonKind::Receipt => true,
        ReasonKind::Files => matches!(reason.cause, Cause::Undeclared(_)),
        ReasonKind::Backend
        | ReasonKind::Dependency
        | ReasonKind::Expired
        | ReasonKind::Format
        | ReasonKind::Validation => false,
    };
    match state {
        InstanceState::Stale(reasons) => all || reasons.iter().any(wants),
        InstanceState::Present => all,
        InstanceState::Absent | InstanceState::OnTarget | InstanceState::Blocked | InstanceState::Error(_) => false,
    }
}

/// Why an instance cannot be re-encrypted, as far as can be determined without opening it.
pub fn unopenable(instance: &Instance, found: &SurveyedInstance) -> Option<Failure> {
    if let Some(place) = &found.elsewhere {
        return Some(failure::elsewhere(instance, place));
    }
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name);
    if let Some((stored, declared)) =
        stored.zip(instance.artifact.backend.as_ref()).filter(|(stored, declared)| stored != declared)
    {
        return Some(failure::other_backend(instance, stored, declared));
    }
    if let Some(fault) = failure::stale(instance, found.state.reasons()) {
        return Some(fault);
    }
    // All that is stored would go: that is no way to keep a value.
    let nothing = instance.secret_files().next().is_some() && found.stored_files(instance).next().is_none();
    nothing.then(|| {
        let names = found.receipt.iter().flat_map(|receipt| receipt.recipients.files().map(ToString::to_string));
        let names: Vec<String> = names.collect();
        let hint = format!("declare what is stored again ({})", names.join(", "));
        failure::for_instance(instance, "its declared files are not stored").hint((!names.is_empty()).then_some(hint))
    })
}

/// Why an instance's secrets cannot be read back at all: its backend has no way to.
pub fn unretrievable(tools: &mut Tools, instance: &Instance) -> Option<Failure> {
    instance.secret_files().next()?;
    let backend = instance.artifact.backend.as_ref()?;
    // One that cannot be opened says so where it is asked.
    let opened = tools.backends.open(backend).ok()?;
    if opened.terms.retrieves {
        return None;
    }
    let name = failure::quoted_name(&instance.name);
    let hint = format!(
        "declare the recipients as before; new value: `artifacts generate --regenerate {name}` makes one, \
         `artifacts set {name} FILE` takes yours"
    );
    Some(failure::for_instance(instance, format!("backend `{backend}` cannot decrypt")).hint(Some(hint)))
}
