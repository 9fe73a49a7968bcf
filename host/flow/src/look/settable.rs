//! Which file could be set, and what becomes of the others.

use artifacts_declared::Name;
use artifacts_plan::{Instance, InstanceState, Reason, ReasonKind};
use artifacts_report::Failure;

use super::survey::SurveyedInstance;
use crate::failure;

/// Why an instance's file cannot be set, if a person gives it as a whole.
pub fn unsettable(instance: &Instance, found: &SurveyedInstance, file: &str) -> Option<Failure> {
    let fail = |message: &str, hint: String| Some(failure::for_instance(instance, message).hint(Some(hint)));
    match &found.state {
        InstanceState::Absent => incomplete(instance, file),
        InstanceState::Blocked => fail("cannot be evaluated yet", "run `artifacts generate` first".to_owned()),
        InstanceState::OnTarget => Some(failure::on_target(instance)),
        InstanceState::Error(why) => fail(&why.clone(), "nothing was changed".to_owned()),
        InstanceState::Stale(reasons) => match &found.elsewhere {
            // One that is all of its artifact takes the place of the old entry.
            Some(place) if instance.artifact.files.len() > 1 => Some(failure::elsewhere(instance, place)),
            Some(_) | None => failure::stale(instance, reasons)
                .or_else(|| keeps_older(instance, reasons))
                .or_else(|| of_another(instance, found)),
        },
        InstanceState::Present => None,
    }
}

/// Why an instance's file cannot be edited: what is made from an older value would be taken for a new one.
pub fn uneditable(instance: &Instance, found: &SurveyedInstance, file: &str) -> Option<Failure> {
    unsettable(instance, found, file).or_else(|| failure::older(instance, found.state.reasons()))
}

/// The other files of an older value would be kept, and be taken for current ones.
fn keeps_older(instance: &Instance, reasons: &[Reason]) -> Option<Failure> {
    failure::older(instance, reasons).filter(|_| instance.artifact.files.len() > 1)
}

/// Why one file is not all that an absent artifact needs.
fn incomplete(instance: &Instance, file: &str) -> Option<Failure> {
    let name = failure::quoted_name(&instance.name);
    let needed: Vec<String> = others_of(instance, file)
        .filter(|other| !may_be_empty(instance, other))
        .map(|other| format!("`{other}`"))
        .collect();
    let (message, hint) = if needed.is_empty() {
        return None;
    } else if instance.artifact.is_typed() {
        let message = format!("not stored yet, and it also needs a value for {}", needed.join(", "));
        (message, format!("`artifacts generate {name}` asks for all of its files"))
    } else {
        let message = "not generated yet; `set` can replace one of several files only afterwards".to_owned();
        (message, format!("run `artifacts generate {name}` first"))
    };
    Some(failure::for_instance(instance, message).hint(Some(hint)))
}

fn others_of<'a>(instance: &'a Instance, file: &str) -> impl Iterator<Item = &'a Name> {
    instance.artifact.files.keys().filter(move |other| other.as_str() != file)
}

/// Whether a file needs no value: a person types it, and may leave it empty.
fn may_be_empty(instance: &Instance, file: &Name) -> bool {
    let prompt = instance.artifact.prompts.get(file).filter(|_| instance.artifact.is_typed());
    prompt.is_some_and(|prompt| !prompt.is_required())
}

/// The other files that are stored empty with the first value of an artifact that a person types: no one was asked for them, and
/// they need no value.
pub fn left_empty(instance: &Instance, found: &SurveyedInstance, file: &Name) -> Vec<Name> {
    let begins = found.state == InstanceState::Absent && instance.artifact.is_typed();
    others_of(instance, file.as_str()).filter(|_| begins).cloned().collect()
}

/// Another backend's files cannot be kept beside one that is set.
fn of_another(instance: &Instance, found: &SurveyedInstance) -> Option<Failure> {
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name)?;
    let declared = instance.artifact.backend.as_ref().filter(|declared| *declared != stored)?;
    (instance.secret_files().count() > 1).then(|| failure::other_backend(instance, stored, declared))
}

/// What becomes of an instance's other files when one is set.
pub struct OtherFiles {
    /// They are re-encrypted, since the recipients changed.
    pub reencrypted: Vec<String>,
    /// They go: they were secrets, and are not declared as such any more.
    pub gone: Vec<String>,
    /// They are stored empty.
    pub empty: Vec<String>,
}

/// What becomes of the others when this file is set. With a public one, the secret ones stay as they are stored.
pub fn others(instance: &Instance, found: &SurveyedInstance, file: &Name) -> OtherFiles {
    let secret = instance.secret_files().any(|name| name == file);
    let reencrypted = found.stored_files(instance).filter(|name| secret && recipients_changed(found) && *name != file);
    let stored = found.receipt.iter().flat_map(|receipt| receipt.recipients.files());
    let gone = stored.filter(|name| secret && !instance.secret_files().any(|declared| declared == *name));
    OtherFiles {
        reencrypted: reencrypted.map(ToString::to_string).collect(),
        gone: gone.map(ToString::to_string).collect(),
        empty: left_empty(instance, found, file).iter().map(ToString::to_string).collect(),
    }
}

/// Whether the recipients are others than those that it is encrypted to.
pub fn recipients_changed(found: &SurveyedInstance) -> bool {
    matches!(&found.state, InstanceState::Stale(reasons) if reasons.iter().any(|reason| reason.kind == ReasonKind::Recipients))
}
