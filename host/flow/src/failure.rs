use std::error::Error;

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Cause, Elsewhere, Instance, Problem, Reason, SelectorError};
use artifacts_report::Failure;
use artifacts_seam::CallError;
use artifacts_session::CallFailed;
use artifacts_text::{Explain, counted, listed, shell_word};

/// A failure of one instance, with its backend.
pub fn for_instance(instance: &Instance, message: impl Into<String>) -> Failure {
    Failure::new(instance.name.to_string(), message)
        .backend(instance.artifact.backend.as_ref().map(ToString::to_string))
}

/// A failure of one instance, with its backend, from an error that explains itself.
pub fn about(instance: &Instance, error: impl Error + Explain) -> Failure {
    Failure::about(instance.name.to_string(), error)
        .backend(instance.artifact.backend.as_ref().map(ToString::to_string))
}

/// The same failure, as one of an instance.
pub fn of_instance(instance: &Instance, failure: Failure) -> Failure {
    let backend = instance.artifact.backend.as_ref().map(ToString::to_string);
    Failure { subject: instance.name.to_string(), ..failure }.backend(backend)
}

/// An instance's name as a word of a command that is there to be copied.
pub fn quoted_name(name: &InstanceName) -> String {
    shell_word(&name.to_string())
}

/// In place of what a backend says once it was given plaintext.
pub const UNSHOWN: &str = "the backend failed; its messages are hidden because it had access to plaintext";

/// How an older value is kept that is not declared as it is stored.
pub const ADOPT_AS_STORED: &str =
    "declare it as it was when it was stored, adopt it by its name, and change the declaration then";

/// What is not stored yet.
pub fn absent(instance: &Instance) -> Failure {
    let what = if instance.artifact.is_typed() { "not stored yet" } else { "not generated yet" };
    for_instance(instance, what).hint(Some(format!("`artifacts generate {}`", quoted_name(&instance.name))))
}

/// What may not be encrypted to these recipients.
pub fn not_accepted(instance: &Instance) -> Failure {
    for_instance(instance, "its recipients were not accepted")
}

/// What is stored nowhere.
pub fn on_target(instance: &Instance) -> Failure {
    for_instance(instance, "generated on the target; nothing is stored here")
        .hint(Some(format!("declare a backend that stores {}", instance.name)))
}

/// A failure of what depends on another one that cannot be read, and why that cannot.
pub fn unread_dependency(instance: &Instance, dependency: &InstanceName, why: &Failure) -> Failure {
    let message = format!("cannot read its dependency {dependency}: {}", why.message);
    for_instance(instance, message).compared(why.details.comparison.clone()).hint(why.hint.clone())
}

/// A failure of what depends on another one that failed.
pub fn skipped_dependency(instance: &Instance, dependency: &InstanceName) -> Failure {
    for_instance(instance, format!("skipped: its dependency {dependency} failed"))
        .hint(Some(format!("fix {dependency} first")))
        .caused_by(dependency.to_string())
}

/// An entry that is not as its receipt has it, by the reasons for which it is stale.
pub fn stale(instance: &Instance, reasons: &[Reason]) -> Option<Failure> {
    let how = reasons.iter().filter(|reason| reason.is_modified()).map(|reason| reason.message.as_str());
    let how: Vec<&str> = how.collect();
    (!how.is_empty()).then(|| differs(instance, &how.join(", ")))
}

/// An older generation than the last that this machine stored: no one takes it for the current value unasked.
pub fn older(instance: &Instance, reasons: &[Reason]) -> Option<Failure> {
    let older = reasons.iter().find(|reason| reason.cause == Cause::Older)?;
    Some(for_instance(instance, older.message.clone()))
}

/// An entry that is not as its receipt has it.
pub fn differs(instance: &Instance, how: &str) -> Failure {
    for_instance(instance, format!("the stored files do not match their receipt: {how}"))
}

/// An entry that another backend than the declared one stored.
pub fn other_backend(instance: &Instance, stored: &Name, declared: &Name) -> Failure {
    for_instance(instance, format!("stored by backend `{stored}`, but `{declared}` is declared"))
        .hint(Some(rekey(instance)))
}

/// An entry in another storage than that of the declared backend.
pub fn elsewhere(instance: &Instance, place: &Elsewhere) -> Failure {
    let Elsewhere { storage, backend, expected, .. } = place;
    if place.is_left() {
        let message = format!("also stored in `{storage}`: its move from there is not finished");
        return for_instance(instance, message).hint(Some(rekey(instance)));
    }
    let declared = instance.artifact.backend.as_ref().map(Name::as_str).unwrap_or_default();
    let by = backend.as_ref().map(|backend| format!(" by {backend}")).unwrap_or_default();
    let message = format!("stored in `{storage}`{by}, but `{declared}` stores it in `{expected}`");
    let hint = if backend.is_some() {
        rekey(instance)
    } else {
        // Without a receipt no one knows who stored it.
        let name = instance.name.to_string();
        let above = name.rsplit_once('/').map_or("", |(above, _)| above);
        let (from, to) = (shell_word(&format!("{storage}/{name}")), shell_word(&format!("{expected}/{above}")));
        format!("`mkdir -p {to} && mv {from} {to}/`")
    };
    for_instance(instance, message).hint(Some(hint))
}

/// What stores a value as it is declared now.
fn rekey(instance: &Instance) -> String {
    format!("keep: `artifacts rekey {}`", quoted_name(&instance.name))
}

/// What was stored by a backend that cannot be had.
pub fn unknown_backend(instance: &Instance, backend: &Name, why: &Failure) -> Failure {
    let hint = format!("register `artifacts.backends.{backend}` as before until its entries were moved");
    for_instance(instance, format!("stored by backend `{backend}`, which cannot be opened: {}", why.message))
        .hint(Some(hint))
}

/// A run that the person ended, and the instances that it did not come to.
pub fn ended<'a>(left: impl Iterator<Item = &'a InstanceName>) -> Failure {
    let left: Vec<String> = left.map(ToString::to_string).collect();
    let count = counted(left.len(), "artifact");
    Failure::new("", format!("interrupted; {count} not processed: {}", listed(&left)))
        .hint(Some("finished artifacts are stored; run the command again to continue"))
}

/// What a call that gave no result means to a person.
pub fn explain_call(error: &CallError) -> (String, Option<String>) {
    match error {
        CallError::Failed(failure) => (format!("the backend reports: {}", failure.message), failure.hint.clone()),
        CallError::NotCalled { why, help } => (why.clone(), help.clone()),
        CallError::Broken(why) => (
            format!("backend bug: {why}"),
            Some("nothing was changed; report this to the author of the backend".to_owned()),
        ),
        CallError::Refused(what) => (
            format!("the backend requested something that it is not granted: {what}"),
            Some("nothing was changed; `artifacts backend explain NAME` shows its grants".to_owned()),
        ),
        CallError::Machine { limit, help: hint } => {
            (format!("not enough memory for the backend: {limit}"), Some(format!("nothing was changed; {hint}")))
        }
        CallError::Overrun(limit) => (
            format!("the backend exceeded a limit: {limit}"),
            Some("nothing was changed; to raise the limit, set `artifacts.backends.NAME.limits`".to_owned()),
        ),
    }
}

/// A call of `serialize` that gave nothing. What a backend says after it was given plaintext may hold it, and only who listens hears it.
pub fn not_serialized(instance: &Instance, stopped: &CallFailed) -> Failure {
    if stopped.saw_plaintext && !stopped.by_host {
        return for_instance(instance, UNSHOWN)
            .hint(Some("nothing was changed; `--show-output` shows its messages at a terminal"));
    }
    let (why, hint) = explain_call(&stopped.error);
    for_instance(instance, why).hint(hint)
}

/// A problem of the declarations.
pub fn declared(problem: Problem) -> Failure {
    Failure::new(problem.instance.to_string(), problem.message).hint(Some(problem.hint))
}

/// A selector that means nothing, or several things.
pub fn selector(error: &SelectorError) -> Failure {
    Failure::about(error.selector().to_string(), error)
}
