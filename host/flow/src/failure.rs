use std::error::Error;

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Elsewhere, Instance, Problem, Reason, ReasonKind};
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

/// An instance's name as a word of a command that is there to be copied.
pub fn quoted_name(name: &InstanceName) -> String {
    shell_word(&name.to_string())
}

/// In place of what a backend says once it was given plaintext.
pub const UNSHOWN: &str =
    "its backend failed after it was given plaintext; its words may hold a secret and are not shown";

/// What is not stored yet.
pub fn absent(instance: &Instance) -> Failure {
    for_instance(instance, "it is not made yet")
        .hint(Some(format!("`artifacts generate {}`", quoted_name(&instance.name))))
}

/// What may not be encrypted to these recipients.
pub fn not_accepted(instance: &Instance) -> Failure {
    for_instance(instance, "its recipients were not accepted")
}

/// What is stored nowhere.
pub fn on_target(instance: &Instance) -> Failure {
    for_instance(instance, "it is made on the target and stored nowhere else")
        .hint(Some("declare a backend that stores it"))
}

/// What nothing makes.
pub fn no_generator(instance: &Instance) -> Failure {
    let help = format!("set `artifacts.store.{}.generator`", instance.name.artifact());
    for_instance(instance, "it has no generator").hint(Some(help))
}

/// A failure of what depends on another one that cannot be read, and why that cannot.
pub fn unread_dependency(instance: &Instance, dependency: &InstanceName, why: &Failure) -> Failure {
    let message = format!("it depends on {dependency}, which cannot be read: {}", why.message);
    for_instance(instance, message).hint(why.hint.clone())
}

/// A failure of what depends on another one that failed.
pub fn skipped_dependency(instance: &Instance, dependency: &InstanceName) -> Failure {
    for_instance(instance, format!("it depends on {dependency}, which failed"))
        .hint(Some(format!("mend {dependency} first")))
}

/// An entry that is not as its receipt has it, by the reasons for which it is stale.
pub fn stale(instance: &Instance, reasons: &[Reason]) -> Option<Failure> {
    let of = |kinds: &[ReasonKind]| reasons.iter().filter(|reason| kinds.contains(&reason.kind)).collect::<Vec<_>>();
    let how: Vec<&str> = of(&[ReasonKind::Receipt]).into_iter().map(|reason| reason.message.as_str()).collect();
    (!how.is_empty()).then(|| differs(instance, &how.join(", ")))
}

/// An entry that is not as its receipt has it.
pub fn differs(instance: &Instance, how: &str) -> Failure {
    for_instance(instance, format!("it does not lie as the host stored it: {how}"))
}

/// An entry that another backend than the declared one stored.
pub fn other_backend(instance: &Instance, stored: &Name, declared: &Name) -> Failure {
    for_instance(instance, format!("it was stored by the backend `{stored}`, and `{declared}` is declared"))
        .hint(Some(format!("declare `{stored}` for it again")))
}

/// An entry in another storage than that of the declared backend.
pub fn elsewhere(instance: &Instance, place: &Elsewhere) -> Failure {
    let Elsewhere { storage, backend, expected, .. } = place;
    let declared = instance.artifact.backend.as_ref().map(Name::as_str).unwrap_or_default();
    let by = backend.as_ref().map(|backend| format!(" by {backend}")).unwrap_or_default();
    let message = format!("it is stored in `{storage}`{by}, and `{declared}` stores it in `{expected}`");
    let help = if let Some(stored) = backend.as_deref().filter(|stored| *stored != declared) {
        format!("declare `{stored}` for it again")
    } else {
        let name = instance.name.to_string();
        let above = name.rsplit_once('/').map_or("", |(above, _)| above);
        let (from, to) = (shell_word(&format!("{storage}/{name}")), shell_word(&format!("{expected}/{above}")));
        format!("`mkdir -p {to} && mv {from} {to}/`")
    };
    for_instance(instance, message).hint(Some(help))
}

/// A run that the person ended, and the instances that it did not come to.
pub fn ended<'a>(left: impl Iterator<Item = &'a InstanceName>) -> Failure {
    let left: Vec<String> = left.map(ToString::to_string).collect();
    let count = counted(left.len(), "instance");
    Failure::new("", format!("the run was ended before it reached {count}: {}", listed(&left)))
        .hint(Some("what was done before is stored; the rest is as it was, and is left for another run"))
}

/// What a call that gave no result means to a person.
pub fn explain_call(error: &CallError) -> (String, Option<String>) {
    match error {
        CallError::Failed(failure) => (format!("its backend says: {}", failure.message), failure.hint.clone()),
        CallError::Broken(why) => (
            format!("its backend is broken: {why}"),
            Some("nothing was changed; report this to the backend's author".to_owned()),
        ),
        CallError::Refused(what) => (
            format!("its backend asked for what it may not have: {what}"),
            Some("nothing was changed; see `artifacts backend inspect` for what it requests".to_owned()),
        ),
        CallError::Machine { limit, help } => (
            format!("there is too little memory for its backend: {limit}"),
            Some(format!("nothing was changed; {help}")),
        ),
        CallError::Overrun(limit) => (
            format!("its backend overran a limit: {limit}"),
            Some("nothing was changed; raise the limit in `artifacts.backends` if this is meant".to_owned()),
        ),
    }
}

/// A call of `serialize` that gave nothing. What a backend says after it was given plaintext may hold it, and only who listens hears it.
pub fn not_serialized(instance: &Instance, stopped: &CallFailed) -> Failure {
    if stopped.saw_plaintext && !stopped.by_host {
        return for_instance(instance, UNSHOWN)
            .hint(Some("nothing was changed; `--show-output` shows its words at a terminal"));
    }
    let (why, help) = explain_call(&stopped.error);
    for_instance(instance, why).hint(help)
}

/// A problem of the declarations.
pub fn declared(problem: Problem) -> Failure {
    Failure::new(problem.instance.to_string(), problem.message).hint(Some(problem.hint))
}
