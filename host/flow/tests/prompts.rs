//! Prompts of a run: when they are asked, what is asked first, and what becomes of what a person skips.
#![allow(clippy::unwrap_used)]

use crate::fakes::{A, B, C, Desk, Fleet, generated, generated_in_rounds, messages, ran, state};
use artifacts_flow::{Answer, Report};
use artifacts_plan::InstanceState;

fn notes(report: &Report, instance: &str) -> String {
    report.rows[&instance.parse().unwrap()].notes.join("; ")
}

/// Where a text stands among what was said.
fn at(said: &[String], begin: &str) -> Option<usize> {
    said.iter().position(|text| text.starts_with(begin))
}

#[test]
fn no_prompt_comes_before_the_recipients_of_its_instance_are_accepted() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").prompt("p");
    desk.answer([Answer::No]);
    let report = generated(&desk, &fleet);
    let said = desk.take_said();
    assert!(at(&said, "recipients").is_some() && at(&said, "enter").is_none(), "{said:?}");
    assert!(!report.errors.is_empty() && ran(&desk).is_empty());

    generated(&desk, &fleet);
    let said = desk.take_said();
    assert!(at(&said, "recipients").unwrap() < at(&said, "enter").unwrap(), "{said:?}");
    assert_eq!(ran(&desk), [A]);
}

#[test]
fn a_prompt_says_who_uses_the_answer_and_for_whom_it_is_stored() {
    let desk = Desk::new();
    let quiet = Fleet::new().machine("web1").secret("a").prompt("p");
    generated(&desk, &quiet);
    assert!(desk.take_said().contains(&format!(
        "prompt {A}/p: used by the generator of {A}, which has no network; stored in f: admin, host"
    )),);
    let loud = Fleet::new().machine("web1").secret("b").file("g").public("cert").network().prompt("p");
    generated(&desk, &loud);
    let said = desk.take_said();
    let details =
        format!("used by the generator of {B}, which has network access; stored in f, g: admin, host; cert: public");
    assert!(said.contains(&format!("prompt {B}/p: {details}")), "{said:?}");
}

#[test]
fn what_is_skipped_stays_absent_with_all_that_depends_on_it_and_is_no_failure() {
    let desk = Desk::new();
    let fleet =
        Fleet::new().machine("web1").secret("a").prompt("p").secret("b").depends_on("a").secret("c").prompt("q");
    desk.skip.borrow_mut().insert(A.to_owned());
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [C]);
    assert_eq!([A, B].map(|one| state(&report, one)), [InstanceState::Absent, InstanceState::Absent]);
    assert_eq!(notes(&report, A), "skipped at its prompt; not generated in this run");
    assert_eq!(notes(&report, B), format!("skipped: its dependency {A} is not generated in this run"));
    assert_eq!(report.exit_status(), 3, "work is left");
    assert!(desk.is_unlocked());
}

#[test]
fn who_enters_answers_knows_what_else_is_generated() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").prompt("p").secret("b").depends_on("a").secret("c");
    generated(&desk, &fleet);
    assert!(desk.take_said().contains(&format!("beside [\"{A}\"], []")));
}

#[test]
fn what_was_skipped_is_not_asked_for_in_a_later_round() {
    let desk = Desk::new();
    let first = Fleet::new().machine("web1").secret("a").prompt("p").secret("c").public("cert").artifact("b").blocked();
    let second = Fleet::new()
        .machine("web1")
        .secret("a")
        .prompt("p")
        .secret("c")
        .public("cert")
        .secret("b")
        .prompt("q")
        .depends_on("a");
    desk.skip.borrow_mut().insert(A.to_owned());
    let report = generated_in_rounds(&desk, &[&first, &second]);
    let said = desk.take_said();
    let asked: Vec<&String> = said.iter().filter(|text| text.starts_with("prompt")).collect();
    assert_eq!(asked.len(), 1, "{said:?}");
    assert!(said.contains(&"evaluating again".to_owned()) && report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [C]);
}

#[test]
fn a_generator_that_could_pass_an_answer_on_is_asked_about_once() {
    for (fleet, can) in [
        (Fleet::new().machine("web1").secret("a").network().prompt("p"), "has network access"),
        (Fleet::new().machine("web1").secret("a").public("cert").prompt("p"), "writes public files"),
    ] {
        let desk = Desk::new();
        // Yes to the recipients, no to the generator.
        desk.answer([Answer::Yes { by: "test" }, Answer::No]);
        let report = generated(&desk, &fleet);
        let said = desk.take_said();
        assert!(at(&said, "answer access 1?").is_some() && at(&said, "enter").is_none(), "{said:?}");
        assert_eq!(messages(&report), [format!("nothing changed: the use of answers by {A} was not allowed")]);
        assert!(ran(&desk).is_empty());
        assert_eq!(report.answer_requests.len(), 1);

        // Where no one can be asked, it is said what to pass.
        desk.answer([Answer::NoOne]);
        let report = generated(&desk, &fleet);
        let message = &report.errors[0].message;
        assert!(message.contains(can) && message.contains("you have not allowed that"), "{message}");
        assert!(report.errors[0].hint.as_ref().unwrap().contains("--accept-reading"));
        assert!(ran(&desk).is_empty());

        let report = generated(&desk, &fleet);
        let said = desk.take_said();
        assert!(at(&said, "answer access").unwrap() < at(&said, "enter").unwrap(), "{said:?}");
        assert!(report.errors.is_empty());

        // It is stored: another value asks no more.
        std::fs::remove_dir_all(desk.entry(A)).unwrap();
        generated(&desk, &fleet);
        assert!(at(&desk.take_said(), "answer access").is_none());
        assert_eq!(ran(&desk), [A, A]);
        let log = std::fs::read_to_string(desk.audit_log()).unwrap();
        assert_eq!(log.matches("\"about\":\"answers\"").count(), 1);
    }
}

#[test]
fn a_generator_that_keeps_an_answer_to_itself_is_not_asked_about() {
    let desk = Desk::new();
    generated(&desk, &Fleet::new().machine("web1").secret("a").prompt("p").secret("b").network().public("cert"));
    assert!(at(&desk.take_said(), "answer access").is_none());
    assert_eq!(ran(&desk), [A, B]);
}

#[test]
fn a_failure_after_answers_can_be_tried_again_and_every_other_answer_stays() {
    let desk = Desk::new();
    let fleet = Fleet::new()
        .machine("web1")
        .secret("a")
        .prompt("p")
        .secret("b")
        .prompt("q")
        .depends_on("a")
        .secret("c")
        .prompt("r");
    let name = |text: &str| text.to_owned();
    desk.generators.state.lock().unwrap().fail.insert(name(A));
    // Yes to the recipients and to the reading; then, while it is offered, the generator is content.
    let generators = desk.generators.clone();
    let content = move || assert!(generators.state.lock().unwrap().fail.remove(A));
    *desk.at_question.borrow_mut() = Some(("try again".to_owned(), Box::new(content)));
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [A, C, A, B]);
    let said = desk.take_said();
    assert!(said.contains(&name("try again 1?")), "{said:?}");
    let asked = |prompt: &str| said.iter().filter(|text| text.starts_with(&format!("prompt {prompt}"))).count();
    assert_eq!([A, B, C].map(asked), [2, 1, 1]);
    let prompts = desk.generators.state.lock().unwrap().prompts.clone();
    assert_eq!(prompts[&format!("{A}/p")], "typed p again");
    assert_eq!(prompts[&format!("{C}/r")], "typed r");
}

#[test]
fn who_does_not_try_again_is_not_asked_a_second_time() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").prompt("p").secret("c").public("cert").artifact("b").blocked();
    let second = Fleet::new().machine("web1").secret("a").prompt("p").secret("c").public("cert").secret("b");
    desk.generators.state.lock().unwrap().fail.insert(A.to_owned());
    desk.answer([Answer::Yes { by: "test" }, Answer::No]);
    let report = generated_in_rounds(&desk, &[&fleet, &second]);
    let said = desk.take_said();
    assert_eq!(said.iter().filter(|text| text.starts_with("try again")).count(), 1, "{said:?}");
    assert_eq!(report.errors.iter().filter(|failure| failure.subject == A).count(), 1);
    assert_eq!(ran(&desk), [A, C, B]);
}

#[test]
fn all_wrong_answers_are_reported_at_once_and_everything_else_is_generated() {
    let desk = Desk::new();
    let fleet = Fleet::new()
        .machine("web1")
        .secret("a")
        .prompt("p")
        .secret("b")
        .depends_on("a")
        .secret("c")
        .prompt("q")
        .secret("d")
        .prompt("r");
    // What is stored is not generated, and its answer is wrong all the same.
    generated(&desk, &Fleet::new().machine("web1").secret("d").prompt("r"));
    desk.wrong.borrow_mut().extend([A.to_owned(), "per-machine/web1/d".to_owned()]);
    desk.take_said();
    let report = generated(&desk, &fleet);
    let subjects: Vec<&str> = report.errors.iter().map(|failure| failure.subject.as_str()).collect();
    assert_eq!(subjects, [A, B, "per-machine/web1/d"], "{:?}", report.errors);
    assert_eq!(ran(&desk)[1..], [C]);
    let said = desk.take_said();
    assert_eq!(said.iter().filter(|text| text.starts_with("prompt")).count(), 1, "{said:?}");
}
