//! A no: one failure, without a flag after it, whatever it was to.
#![allow(clippy::unwrap_used)]

use crate::fakes;
use crate::fakes::{A, B, C, Desk, Fleet, generated, generated_with, messages, name, pruned, ran, rekeyed, set, state};
use artifacts_flow::{Answer, Generate, Replaces, Report};

/// The questions of a run: how each begins, and what asks it.
type Asking = (&'static str, fn(&Desk) -> Report);

const ALL: Generate = Generate { replaces: Replaces::All, only_stored: false, yes: false };

const QUESTIONS: [Asking; 8] = [
    ("recipients", |desk| generated(desk, &one())),
    ("recipients", |desk| {
        generated(desk, &one());
        desk.world.borrow_mut().recipients(&["admin", "new"]);
        rekeyed_once(desk)
    }),
    ("recipients", |desk| set(desk, &one(), A, "f", "given")),
    ("read access", |desk| {
        generated(desk, &one());
        generated(desk, &one().secret("b").depends_on("a").secret("c").depends_on("b"))
    }),
    ("answer access", |desk| generated(desk, &one().network().prompt("p").secret("b").depends_on("a"))),
    ("new values", |desk| {
        generated(desk, &one());
        generated(desk, &Fleet::new().machine("web1").secret("y").secret("z").depends_on("y"))
    }),
    ("replace", |desk| {
        generated(desk, &one());
        generated_with(desk, &one().secret("b"), &[], ALL)
    }),
    ("trash", |desk| {
        generated(desk, &one().secret("b"));
        pruned(desk, &one())
    }),
];

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

fn rekeyed_once(desk: &Desk) -> Report {
    rekeyed(desk, &one(), false).0
}

/// Answers the last question that begins so, and all before it with yes.
fn answered(question: &str, act: fn(&Desk) -> Report, last: Answer) -> (Desk, Report) {
    let all = Desk::new();
    act(&all);
    let asked: Vec<String> = all.take_said().into_iter().filter(|said| said.ends_with('?')).collect();
    let at = asked.iter().rposition(|said| said.starts_with(question)).unwrap();
    let desk = Desk::new();
    desk.answer(std::iter::repeat_n(Answer::Yes { by: "test" }, at).chain([last]));
    let report = act(&desk);
    (desk, report)
}

#[test]
fn a_no_is_one_failure_and_names_no_flag_whatever_was_asked() {
    for (question, act) in QUESTIONS {
        let (desk, report) = answered(question, act, Answer::No);
        let [failure] = &report.errors[..] else { panic!("{question}: {:?}", report.errors) };
        assert!(failure.is_declined() && failure.hint.is_none(), "{question}: {failure:?}");
        assert!(failure.message.starts_with("nothing changed: "), "{question}: {failure:?}");
        assert_eq!(report.exit_status(), 1, "what was asked for is not done: {question}");
        let asked = desk.take_said().into_iter().rfind(|said| said.ends_with('?')).unwrap();
        assert!(asked.starts_with(question), "nothing is asked after a no to {question}: {asked}");
    }
}

#[test]
fn where_no_one_can_be_asked_it_is_said_what_to_pass() {
    for (question, act) in QUESTIONS {
        let (_, report) = answered(question, act, Answer::NoOne);
        let own = report.errors.iter().filter(|failure| failure.details.cause.is_none());
        let hints: Vec<&str> = own.map(|failure| failure.hint.as_deref().unwrap()).collect();
        assert!(!hints.is_empty() && hints.iter().all(|hint| hint.contains("--")), "{question}: {hints:?}");
        assert!(report.errors.iter().all(|failure| !failure.is_declined()), "{question}: {:?}", report.errors);
    }
}

#[test]
fn what_depends_on_what_was_refused_is_left_out_with_it_and_others_go_on() {
    let desk = Desk::new();
    let fleet = one().network().prompt("p").secret("b").depends_on("a").secret("c");
    desk.answer([Answer::Yes { by: "test" }, Answer::Yes { by: "test" }, Answer::No]);
    let report = generated(&desk, &fleet);
    assert_eq!(
        messages(&report),
        [format!(
            "the use of answers by {A} was not allowed; these artifacts, and 1 that depends on them, are unchanged"
        )]
    );
    assert_eq!(ran(&desk), [C]);
    let left = &report.rows[&name(B)];
    assert_eq!(left.notes, [format!("skipped: its dependency {A} is not generated in this run")]);
}

#[test]
fn what_was_refused_is_not_tried_in_a_later_round() {
    let desk = Desk::new();
    generated(&desk, &one());
    let declared = || one().secret("b").depends_on("a").secret("c").public("p");
    let (first, second) = (declared().artifact("d").blocked(), declared().secret("d"));
    desk.take_said();
    desk.answer([Answer::No]);
    let report = fakes::generated_in_rounds(&desk, &[&first, &second]);
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert!(matches!(state(&report, "per-machine/web1/d"), artifacts_plan::InstanceState::Present));
    let asked = desk.take_said().into_iter().filter(|said| said.starts_with("read access")).count();
    assert_eq!(asked, 1);
}
