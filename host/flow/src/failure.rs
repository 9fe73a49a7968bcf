use artifacts_backend::CallFailed;
use artifacts_plan::{Instance, Problem, Reason};
use artifacts_report::{Failure, counted, listed, shell_word};
use artifacts_seam::CallError;
use artifacts_spec::{InstanceName, Name};

/// A failure of one instance, with its backend.
pub fn of(instance: &Instance, message: impl Into<String>) -> Failure {
    Failure::new(instance.name.to_string(), message).backend(instance.backend.as_ref().map(ToString::to_string))
}

/// An instance's name as a word of a command that is there to be copied.
pub fn word(name: &InstanceName) -> String {
    shell_word(&name.to_string())
}

/// In place of what a backend says once it was given plaintext.
pub const UNSHOWN: &str =
    "its backend failed after it was given plaintext; its words may hold a secret and are not shown";

/// What is not stored yet.
pub fn absent(instance: &Instance) -> Failure {
    of(instance, "it is not made yet").help(Some(format!("`artifacts generate {}`", word(&instance.name))))
}

/// What is stored nowhere.
pub fn on_target(instance: &Instance) -> Failure {
    of(instance, "it is made on the target and stored nowhere else").help(Some("declare a backend that stores it"))
}

/// What nothing makes.
pub fn no_generator(instance: &Instance) -> Failure {
    let help = format!("set `artifacts.store.{}.generator`", instance.name.artifact());
    of(instance, "it has no generator").help(Some(help))
}

/// A failure of what depends on another one that cannot be read, and why that cannot.
pub fn of_unread(instance: &Instance, dependency: &InstanceName, why: &Failure) -> Failure {
    let message = format!("it depends on {dependency}, which cannot be read: {}", why.message);
    of(instance, message).help(why.help.clone())
}

/// A failure of what depends on another one that failed.
pub fn behind(instance: &Instance, dependency: &InstanceName) -> Failure {
    of(instance, format!("it depends on {dependency}, which failed")).help(Some(format!("mend {dependency} first")))
}

/// What to do about a slice that is not sound.
pub fn restore(instance: &Instance) -> String {
    let name = word(&instance.name);
    format!("take it from the last good commit, or make it anew: `artifacts generate --stale {name}`")
}

/// A slice that is not as its receipt has it, by the reasons for which it is stale.
pub fn stale(instance: &Instance, reasons: &[Reason]) -> Option<Failure> {
    let of = |kinds: &[&str]| reasons.iter().filter(|reason| kinds.contains(&reason.kind)).collect::<Vec<_>>();
    let how: Vec<&str> = of(&["receipt"]).into_iter().map(|reason| reason.message.as_str()).collect();
    let differs = (!how.is_empty()).then(|| differs(instance, &how.join(", ")))?;
    // Adopting it would be refused.
    let broken = !of(&["files", "format"]).is_empty();
    Some(if broken { differs.help(Some(restore(instance))) } else { differs })
}

/// A slice that is not as its receipt has it.
pub fn differs(instance: &Instance, how: &str) -> Failure {
    of(instance, format!("it does not lie as the host stored it: {how}")).help(Some(format!(
        "see what changed (`git log -p`); if it is well, `artifacts adopt {}`",
        word(&instance.name)
    )))
}

/// A slice that another backend than the declared one stored.
pub fn of_another(instance: &Instance, stored: &Name, declared: &Name) -> Failure {
    of(instance, format!("it was stored by the backend `{stored}`, and `{declared}` is declared")).help(Some(format!(
        "declare `{stored}` again to read it, or make it anew: `artifacts generate --stale {}`",
        word(&instance.name)
    )))
}

/// A run that the person ended, and the instances that it did not come to.
pub fn ended<'a>(left: impl Iterator<Item = &'a InstanceName>) -> Failure {
    let left: Vec<String> = left.map(ToString::to_string).collect();
    let count = counted(left.len(), "instance");
    Failure::new("", format!("the run was ended before it reached {count}: {}", listed(&left)))
        .help(Some("what was done before is stored; the rest is as it was, and is left for another run"))
}

/// What a call that gave no result means to a person.
pub fn words(error: &CallError) -> (String, Option<String>) {
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
        CallError::Overrun(limit) => (
            format!("its backend overran a limit: {limit}"),
            Some("nothing was changed; raise the limit in `artifacts.backends` if this is meant".to_owned()),
        ),
    }
}

/// A call of `serialize` that gave nothing. What a backend says after it was given plaintext may hold it, and only who listens hears it.
pub fn not_serialized(instance: &Instance, stopped: &CallFailed) -> Failure {
    if stopped.saw_plaintext && !stopped.by_host {
        return of(instance, UNSHOWN).help(Some("nothing was changed; `--show-output` shows its words at a terminal"));
    }
    let (why, help) = words(&stopped.error);
    of(instance, why).help(help)
}

/// A problem of the declarations.
pub fn declared(problem: Problem) -> Failure {
    Failure::new(problem.instance.to_string(), problem.message).help(Some(problem.help))
}
