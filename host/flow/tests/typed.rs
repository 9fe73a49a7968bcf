//! Artifacts without a generator: a person types their files.
#![allow(clippy::unwrap_used)]

use crate::fakes::{
    A, Desk, Fleet, generated, generated_with, messages, ran, read, reasons, run, set, setting, state, status,
};
use artifacts_flow::{Answer, Generate, Replaces, preview};
use artifacts_plan::InstanceState;

fn one() -> Fleet {
    Fleet::new().machine("web1").typed("a").file("password")
}

/// A required secret file, an optional one, and a public one.
fn several() -> Fleet {
    one().file("spare").optional("spare").public("user")
}

#[test]
fn the_answer_is_the_file_and_no_generator_or_sandbox_is_needed() {
    let desk = Desk::new();
    desk.generators.state.lock().unwrap().unready = Some("no bubblewrap".to_owned());
    assert_eq!(state(&status(&desk, &one()), A), InstanceState::Absent);
    let report = generated(&desk, &one());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let prompt = format!("prompt {A}/password: stored in password: admin, host");
    assert_eq!(
        desk.take_said(),
        ["recipients +admin (1), +host (1)?", "enter 1", "beside ", &prompt, &format!("generated {A}")]
    );
    assert_eq!(read(&desk, &one(), A, "password"), "typed password");
    assert_eq!(state(&status(&desk, &one()), A), InstanceState::Present);
    // It is not asked for again.
    generated(&desk, &one());
    assert!(desk.take_said().is_empty() && ran(&desk).is_empty());
}

#[test]
fn an_artifact_with_a_generator_beside_it_still_needs_the_sandbox() {
    let desk = Desk::new();
    desk.generators.state.lock().unwrap().unready = Some("no bubblewrap".to_owned());
    assert_eq!(messages(&generated(&desk, &one().secret("b"))), ["no bubblewrap"]);
}

#[test]
fn what_may_be_left_empty_is_stored_empty() {
    let desk = Desk::new();
    let report = generated(&desk, &several());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&report, A), InstanceState::Present);
    assert_eq!(read(&desk, &several(), A, "spare"), "");
    assert_eq!(std::fs::read(desk.entry(A).join("public/user")).unwrap(), b"");
}

#[test]
fn a_shared_one_is_asked_for_once() {
    let desk = Desk::new();
    let machine = |fleet: Fleet, name: &str| fleet.machine(name).typed("a").file("password").shared();
    let fleet = machine(machine(Fleet::new(), "web1"), "web2");
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(desk.take_said().contains(&"enter 1".to_owned()));
    assert_eq!(read(&desk, &fleet, "shared/a", "password"), "typed password");
}

#[test]
fn new_values_are_asked_for_and_never_made_up() {
    let desk = Desk::new();
    set(&desk, &one(), A, "password", "first");
    desk.take_said();
    for (change, asks) in [
        (Generate::default(), false),
        (Generate { replaces: Replaces::Outdated, ..Generate::default() }, true),
        (Generate { replaces: Replaces::All, ..Generate::default() }, true),
    ] {
        set(&desk, &one(), A, "password", "first");
        let outdated = one().validation("changed");
        desk.take_said();
        let report = generated_with(&desk, &outdated, &[], change);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        let expected = if asks { "typed password" } else { "first" };
        assert_eq!(read(&desk, &outdated, A, "password"), expected, "{change:?}");
        assert_eq!(desk.take_said().contains(&"enter 1".to_owned()), asks);
    }
    assert!(ran(&desk).is_empty());
}

#[test]
fn a_generator_gets_what_was_typed_in_the_same_run_after_a_yes() {
    let desk = Desk::new();
    let fleet = one().secret("b").depends_on("a");
    desk.answer([Answer::Yes { by: "test" }, Answer::No]);
    let report = generated(&desk, &fleet);
    assert!(desk.take_said().contains(&"read access 1?".to_owned()));
    assert_eq!(messages(&report), ["read access of per-machine/web1/b was not allowed; these artifacts are unchanged"]);
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let inputs = desk.generators.state.lock().unwrap().inputs.clone();
    assert_eq!(inputs["per-machine/web1/b/a/password"], "typed password");
}

#[test]
fn a_preview_names_what_is_asked_for_and_asks_nothing() {
    let desk = Desk::new();
    let report = preview(&mut run(&desk, &several()), &[], &Generate::default());
    let row = report.rows.values().next().unwrap();
    assert_eq!(row.prompts, ["password", "spare", "user"]);
    assert!(desk.take_said().is_empty() && !desk.entry(A).exists());
}

#[test]
fn the_first_set_needs_all_that_needs_a_value() {
    let desk = Desk::new();
    let report = set(&desk, &several(), A, "user", "someone");
    assert_eq!(messages(&report), ["not stored yet, and it also needs a value for `password`"]);
    assert_eq!(
        report.errors[0].hint.as_deref(),
        Some("`artifacts generate per-machine/web1/a` asks for all of its files")
    );
    assert!(!desk.entry(A).exists());
    let report = set(&desk, &several(), A, "password", "given");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&report, A), InstanceState::Present);
    let files = ["password", "spare", "user"].map(|file| read(&desk, &several(), A, file));
    assert_eq!(files, ["given", "", ""]);
    // The other ones can be set from now on, each alone.
    set(&desk, &several(), A, "user", "someone");
    set(&desk, &several(), A, "spare", "other");
    let files = ["password", "spare", "user"].map(|file| read(&desk, &several(), A, file));
    assert_eq!(files, ["given", "other", "someone"]);
}

#[test]
fn the_preview_of_a_first_set_names_what_is_stored_empty() {
    let desk = Desk::new();
    let mut run = run(&desk, &several());
    let change = setting(A, "password");
    let selection = run.select_one(&change.instance);
    let report = run.survey(&selection).preview(&change);
    let row = report.rows.values().next().unwrap();
    let files: Vec<&str> = row.files.iter().map(|change| change.file.as_str()).collect();
    assert_eq!(files, ["password", "spare", "user"]);
}

#[test]
fn a_public_file_that_begins_an_entry_waits_for_consent_to_the_recipients_of_the_others() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").typed("a").public("user").file("spare").optional("spare");
    desk.answer([Answer::No]);
    let report = set(&desk, &fleet, A, "user", "someone");
    assert!(messages(&report)[0].contains("were not accepted"), "{:?}", report.errors);
    assert!(!desk.entry(A).exists());
    let report = set(&desk, &fleet, A, "user", "someone");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(
        (read(&desk, &fleet, A, "user"), read(&desk, &fleet, A, "spare")),
        ("someone".to_owned(), String::new())
    );
}

#[test]
fn a_file_that_is_declared_later_is_set_alone() {
    let desk = Desk::new();
    generated(&desk, &one());
    let more = one().file("token");
    let reasons = reasons(&status(&desk, &more), A);
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason == "files"), "{reasons:?}");
    let report = set(&desk, &more, A, "token", "new");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&report, A), InstanceState::Present);
    assert_eq!(read(&desk, &more, A, "password"), "typed password");
}

#[test]
fn a_prompt_that_is_no_file_is_a_configuration_error() {
    let desk = Desk::new();
    let report = generated(&desk, &one().prompt("passwd"));
    assert_eq!(messages(&report), ["nothing uses its prompt `passwd`: no generator (declared by web1 (nixos))"]);
    assert!(desk.take_said().is_empty());
}
