//! The chain over fakes: which state leads to what, what is asked, and what is left when something fails.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::fakes::{
    A, B, BACKEND, C, Desk, Fleet, Misbehavior, adopted, files, generated, generated_in_rounds, generated_with, many,
    messages, name, pruned, ran, read, reasons, rekeyed, run, set, setting, state, status,
};
use artifacts_flow::{Answer, Generate, Prune, Rekey, Replaces, Report, Run, Set, Tally, generate};
use artifacts_plan::InstanceState;
use artifacts_seam::{SandboxLayer, Secret};

fn jobs(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// The first row.
fn first(report: &Report) -> &artifacts_report::InstanceRow {
    report.rows.values().next().unwrap()
}

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

fn three() -> Fleet {
    Fleet::new().machine("web1").secret("a").secret("b").secret("c")
}

#[test]
fn what_is_absent_is_generated_and_is_present_then() {
    let desk = Desk::new();
    let report = generated(&desk, &one());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&report, A), InstanceState::Present);
    assert_eq!(read(&desk, &one(), A, "f"), "per-machine/web1/a/f#1");
}

#[test]
fn what_is_present_is_generated_no_second_time() {
    let desk = Desk::new();
    generated(&desk, &one());
    generated(&desk, &one());
    assert_eq!(ran(&desk), [A]);
}

#[test]
fn everything_is_generated_again_after_one_question() {
    let desk = Desk::new();
    generated(&desk, &three());
    desk.take_said();
    let report = generated_with(&desk, &three(), &[], Generate { replaces: Replaces::All, ..Generate::default() });
    assert!(report.errors.is_empty());
    assert!(desk.take_said().contains(&"replace 3?".to_owned()));
    assert_eq!(read(&desk, &three(), A, "f"), "per-machine/web1/a/f#4");
}

#[test]
fn a_no_replaces_nothing() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.answer([Answer::No]);
    let report = generated_with(&desk, &one(), &[], Generate { replaces: Replaces::All, ..Generate::default() });
    assert_eq!((messages(&report), report.exit_status()), (vec!["nothing changed: 1 value was not replaced"], 1));
    assert_eq!(read(&desk, &one(), A, "f"), "per-machine/web1/a/f#1");
}

#[test]
fn without_anyone_to_ask_nothing_is_replaced_and_that_is_a_failure() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.answer([Answer::NoOne]);
    let report = generated_with(&desk, &one(), &[], Generate { replaces: Replaces::All, ..Generate::default() });
    assert!(messages(&report)[0].contains("no terminal is available"), "{:?}", report.errors);
}

#[test]
fn who_names_an_instance_is_asked_as_well_whether_it_is_replaced() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.take_said();
    generated_with(&desk, &one(), &[A], Generate { replaces: Replaces::All, ..Generate::default() });
    assert_eq!(desk.take_said()[0], "replace 1?");
    assert_eq!(read(&desk, &one(), A, "f"), "per-machine/web1/a/f#2");
}

#[test]
fn one_failure_among_many_stops_no_other() {
    let desk = Desk::new();
    desk.generators.state.lock().unwrap().fail.insert(B.to_owned());
    let report = generated(&desk, &three());
    assert_eq!(messages(&report), ["the generator failed"]);
    assert_eq!(
        [A, B, C].map(|one| state(&report, one)),
        [InstanceState::Present, InstanceState::Absent, InstanceState::Present]
    );
    assert!(desk.take_said().contains(&format!("output of {B}")));
}

#[test]
fn what_depends_on_a_failure_is_not_generated() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").depends_on("a").secret("c");
    desk.generators.state.lock().unwrap().fail.insert(A.to_owned());
    let report = generated(&desk, &fleet);
    assert_eq!(ran(&desk), [A, C]);
    assert_eq!(report.errors.len(), 2);
    assert_eq!(state(&report, B), InstanceState::Absent);
}

#[test]
fn a_generator_finds_the_files_of_its_dependencies() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").depends_on("a");
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let state = desk.generators.state.lock().unwrap();
    assert_eq!(state.inputs[&format!("{B}/a/f")], format!("{A}/f#1"));
}

#[test]
fn several_generators_at_once_keep_the_order_of_dependencies() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").depends_on("a").secret("c").depends_on("b");
    let report = generate(&mut run(&desk, &fleet), &[], &Generate::default(), jobs(4));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(ran(&desk), [A, B, C]);
}

#[test]
fn a_stored_secret_is_given_to_a_generator_after_a_yes_alone() {
    let desk = Desk::new();
    generated(&desk, &one());
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").depends_on("a");
    // Recipients are known by now, so the one question is about read access.
    desk.answer([Answer::No]);
    desk.take_said();
    let report = generated(&desk, &fleet);
    assert_eq!(desk.take_said(), ["read access 1?"]);
    assert_eq!(messages(&report), [format!("nothing changed: read access of {B} was not allowed")]);
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[test]
fn prompts_are_entered_once_for_all_and_given_to_generators() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").prompt("p").secret("b").prompt("q");
    let report = generated(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(desk.take_said().contains(&"enter 2".to_owned()));
    assert_eq!(desk.generators.state.lock().unwrap().prompts[&format!("{A}/p")], "typed p");
}

#[test]
fn without_a_sandbox_no_prompt_is_asked_and_everything_drops_out_at_once() {
    let desk = Desk::new();
    desk.generators.state.lock().unwrap().unready = Some("no bubblewrap".to_owned());
    let report = generated(&desk, &three());
    assert_eq!(messages(&report), ["no bubblewrap"]);
    assert!(desk.take_said().iter().all(|said| !said.starts_with("enter")));
    assert_eq!(report.rows.len(), 3);
}

#[test]
fn refused_recipients_are_written_to_no_file() {
    let desk = Desk::new();
    desk.answer([Answer::No]);
    let report = generated(&desk, &one());
    assert!(messages(&report)[0].contains("were not accepted"), "{:?}", report.errors);
    assert!(report.recipients_digest.is_some());
    assert_eq!((desk.world.borrow().count("serialize"), files(&desk.entry(A)).len()), (0, 0));
}

#[test]
fn what_no_plugin_encrypts_here_is_told_before_anyone_is_asked() {
    let desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", "age1tester1wg5z3tth"]);
    let report = generated(&desk, &one());
    assert!(messages(&report)[0].contains("needs age plugin `tester`, which is not enabled"), "{:?}", report.errors);
    let hint = report.errors[0].hint.clone().unwrap();
    assert!(hint.contains("--age-plugin tester"), "{hint}");
    assert_eq!((desk.take_said().len(), desk.world.borrow().count("serialize")), (0, 0));
    let selection = run(&desk, &one()).select(&[]);
    let preview = run(&desk, &one()).survey(&selection).preview(&Generate::default());
    assert!(messages(&preview)[0].contains("`tester`"), "{:?}", preview.errors);
    assert_eq!(status(&desk, &one()).errors, [], "nothing is encrypted to see what is stored");
}

#[test]
fn recipients_that_age_does_not_mix_are_an_error_that_names_both_kinds() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").admin("alice", "age1alice").admin("bob", "age1pq1bob").secret("a");
    desk.world.borrow_mut().recipients(&["age1alice", "age1pq1bob"]);
    let report = generated(&desk, &fleet);
    assert!(messages(&report)[0].contains("post-quantum recipients (bob) and others (alice)"), "{:?}", report.errors);
    assert_eq!((desk.take_said().len(), desk.world.borrow().count("serialize")), (0, 0));
    desk.world.borrow_mut().sees_plaintext = true;
    assert!(generated(&desk, &fleet).errors.is_empty(), "it may encrypt to each alone");
}

#[test]
fn a_refusal_is_one_failure_however_many_secrets_it_is_about() {
    let fleet = three().secret("d").depends_on("a");
    for (answer, said) in [
        (Answer::No, "nothing changed: the recipients of 4 secrets were not accepted"),
        (Answer::NoOne, "recipients were not accepted: +admin (4), +host (4)"),
    ] {
        let desk = Desk::new();
        desk.answer([answer]);
        let report = generated(&desk, &fleet);
        assert_eq!(messages(&report), [said]);
        assert_eq!(report.exit_status(), 1);
    }
}

#[test]
fn what_depends_on_refused_recipients_is_skipped_and_others_go_on() {
    let desk = Desk::new();
    let fleet = one().file("g").public("p").secret("c");
    generated(&desk, &one());
    generated(&desk, &Fleet::new().machine("web2").secret("c"));
    desk.answer([Answer::No]);
    let fleet = fleet.machine("web2").secret("c").secret("e").machine("web3").secret("x");
    let report = generated(&desk, &fleet);
    assert_eq!(messages(&report), ["the recipients of 1 secret were not accepted; these artifacts are unchanged"]);
    assert_eq!(state(&report, "per-machine/web2/e"), InstanceState::Present);
}

#[test]
fn accepted_recipients_are_asked_about_once() {
    let desk = Desk::new();
    generated(&desk, &one());
    assert_eq!(desk.take_said().iter().filter(|said| said.starts_with("recipients")).count(), 1);
    generated(&desk, &three());
    assert_eq!(desk.take_said().iter().filter(|said| said.starts_with("recipients")).count(), 0);
}

#[test]
fn a_backend_that_fails_to_write_leaves_nothing() {
    let desk = Desk::new();
    desk.world.borrow_mut().broken.insert(A.to_owned());
    let report = generated(&desk, &one());
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert!(files(&desk.entry(A)).is_empty());
}

#[test]
fn a_backend_that_lies_about_what_it_wrote_is_not_believed() {
    for misbehavior in [Misbehavior::BeSilent, Misbehavior::Lie] {
        let desk = Desk::new();
        // Two checks find it absent, the third call writes.
        desk.world.borrow_mut().misbehave.insert(3, misbehavior);
        let report = generated(&desk, &one());
        assert!(messages(&report)[0].contains("rejected its own output"), "{misbehavior:?}: {:?}", report.errors);
        assert!(files(&desk.entry(A)).is_empty(), "{misbehavior:?}");
    }
}

#[test]
fn a_backend_that_names_other_recipients_afterwards_is_not_believed() {
    let desk = Desk::new();
    desk.world.borrow_mut().misbehave.insert(4, Misbehavior::Lie);
    let report = generated(&desk, &one());
    assert!(messages(&report)[0].contains("rejected its own output"), "{:?}", report.errors);
    assert!(files(&desk.entry(A)).is_empty());
}

#[test]
fn a_cancel_names_what_was_not_reached_and_keeps_what_was() {
    for after in 1..=2 {
        let desk = Desk::new();
        desk.generators.state.lock().unwrap().cancel_after = Some(after);
        let report = generated(&desk, &three());
        assert!(messages(&report)[0].contains("not processed"), "{:?}", report.errors);
        let present = report.rows.values().filter(|row| row.state == InstanceState::Present).count();
        assert_eq!(present, after, "a commit that has begun ends");
    }
}

#[test]
fn a_cancel_before_anything_writes_nothing() {
    let desk = Desk::new();
    desk.cancel.set();
    let report = generated(&desk, &three());
    assert!(messages(&report)[0].contains("3 artifacts"), "{:?}", report.errors);
    assert!(ran(&desk).is_empty());
}

#[test]
fn changed_recipients_are_stale_and_rekeyed_without_a_new_value() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    assert_eq!(reasons(&status(&desk, &one()), A), ["recipients"]);
    let (report, tally) = rekeyed(&desk, &one(), false);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(tally, Tally { steps: 1, done: 1, dropped: 0, unreached: 0 });
    assert_eq!(report.counts, Some((1, 1)));
    assert_eq!(read(&desk, &one(), A, "f"), "per-machine/web1/a/f#1");
    let text = std::fs::read_to_string(desk.entry(A).join("f.fake")).unwrap();
    assert!(text.starts_with("admin,host,new\n"), "{text}");
}

#[test]
fn generate_never_replaces_what_has_other_recipients() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin"]);
    let report = generated(&desk, &one());
    assert!(report.errors.is_empty());
    assert_eq!(reasons(&report, A), ["recipients"]);
    assert_eq!(ran(&desk).len(), 1);
}

#[test]
fn what_is_present_is_rekeyed_with_all_alone() {
    let desk = Desk::new();
    generated(&desk, &three());
    assert_eq!(rekeyed(&desk, &three(), false).1.steps, 0);
    let (report, tally) = rekeyed(&desk, &three(), true);
    assert_eq!((tally.steps, tally.done, report.counts), (3, 3, Some((3, 3))));
    assert_eq!(files(&desk.trash()).len(), 3, "the old entries");
}

#[test]
fn what_is_absent_is_rekeyed_by_nothing_and_no_lock_is_taken() {
    let desk = Desk::new();
    assert_eq!(rekeyed(&desk, &three(), true).1, Tally { steps: 0, done: 0, dropped: 0, unreached: 0 });
    assert!(files(&desk.root()).is_empty() || desk.root().join("secrets").exists());
}

#[test]
fn one_that_cannot_be_decrypted_stops_no_other_from_being_rekeyed() {
    let desk = Desk::new();
    generated(&desk, &three());
    desk.world.borrow_mut().recipients(&["admin"]);
    desk.world.borrow_mut().broken.insert(B.to_owned());
    let (report, tally) = rekeyed(&desk, &three(), false);
    assert_eq!((tally.done, tally.dropped, report.errors.len()), (2, 1, 1));
    assert_eq!(reasons(&report, B), ["recipients"]);
    assert_eq!(state(&report, C), InstanceState::Present);
}

#[test]
fn a_machine_that_knows_nothing_is_shown_recipients_once() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin", "new"]);
    std::fs::remove_dir_all(desk.state()).unwrap();
    desk.take_said();
    let (report, _) = rekeyed(&desk, &one(), false);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let said = desk.take_said();
    assert!(said.contains(&"recipients +admin (1), +new (1)?".to_owned()), "{said:?}");
    assert!(!said.iter().any(|one| one.starts_with("recipient changes")), "{said:?}");
    // Where something was accepted before, the change is shown, once.
    desk.world.borrow_mut().recipients(&["admin", "newer"]);
    rekeyed(&desk, &one(), false);
    let said: Vec<String> = desk.take_said().into_iter().filter(|one| one.starts_with("recipient")).collect();
    assert_eq!(said, ["recipients +newer (1), -new (1)?"]);
}

/// Writes into the receipt who reads a file; none takes the file out.
fn receipt_says(desk: &Desk, file: &str, recipients: Option<&[&str]>) {
    let path = desk.entry(A).join("receipt.json");
    let mut receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let files = receipt["recipients"].as_object_mut().unwrap();
    files.remove(file);
    files.extend(recipients.map(|recipients| (file.to_owned(), serde_json::json!(recipients))));
    std::fs::write(&path, receipt.to_string()).unwrap();
}

#[test]
fn whatever_a_receipt_says_a_first_use_is_shown_whole() {
    let fleet = Fleet::new().machine("web1").secret("a").file("g");
    for recipients in [Some(&[][..]), None, Some(&["admin"][..]), Some(&["admin", "host"][..])] {
        let desk = Desk::new();
        generated(&desk, &fleet);
        std::fs::remove_dir_all(desk.state()).unwrap();
        for file in ["f", "g"].iter().take(if recipients.is_some() { 2 } else { 1 }) {
            receipt_says(&desk, file, recipients);
        }
        desk.take_said();
        desk.answer([Answer::NoOne, Answer::Yes { by: "test" }]);
        for _ in 0..2 {
            rekeyed(&desk, &fleet, true);
            let said: Vec<String> = desk.take_said().into_iter().filter(|one| one.starts_with("recipient")).collect();
            assert_eq!(said, ["recipients +admin (1), +host (1)?"], "{recipients:?}");
        }
    }
}

#[test]
fn a_receipt_cannot_hide_that_a_file_becomes_public() {
    let everyone = artifacts_report::EVERYONE;
    for recipients in [&[everyone][..], &["admin", everyone], &["admin"], &[]] {
        let desk = Desk::new();
        generated(&desk, &Fleet::new().machine("web1").secret("a").file("g"));
        std::fs::remove_dir_all(desk.state()).unwrap();
        receipt_says(&desk, "g", Some(recipients));
        desk.take_said();
        let public = Fleet::new().machine("web1").secret("a").public("g");
        generated_with(&desk, &public, &["a"], Generate { replaces: Replaces::All, ..Generate::default() });
        let said = desk.take_said();
        assert!(said.iter().any(|one| one.contains("+everyone (public file) (1)")), "{recipients:?}: {said:?}");
    }
}

#[test]
fn a_yes_to_a_file_that_becomes_public_is_known_from_then_on() {
    let desk = Desk::new();
    generated(&desk, &one());
    std::fs::remove_dir_all(desk.state()).unwrap();
    let public = Fleet::new().machine("web1").artifact("a").public("f");
    desk.generators.state.lock().unwrap().fail.insert(A.to_owned());
    for questions in [1, 0] {
        desk.take_said();
        generated_with(&desk, &public, &["a"], Generate { replaces: Replaces::All, ..Generate::default() });
        let said = desk.take_said();
        assert_eq!(
            said.iter().filter(|one| one.contains("+everyone (public file) (1)")).count(),
            questions,
            "{said:?}"
        );
    }
}

#[test]
fn a_preview_shows_all_that_its_digest_accepts() {
    let desk = Desk::new();
    generated(&desk, &one());
    std::fs::remove_dir_all(desk.state()).unwrap();
    desk.world.borrow_mut().recipients(&["admin", "new"]);
    for stored in [Some(&[][..]), Some(&["admin"][..])] {
        receipt_says(&desk, "f", stored);
        let mut run = run(&desk, &one());
        let selection = run.select(&[]);
        let report = run.survey(&selection).preview(&Rekey { all: true });
        assert!(report.recipients_digest.is_some());
        let shown = artifacts_report::recipient_summary(&report.recipients, &report.names);
        assert_eq!(shown, "+admin (1), +new (1)", "{stored:?}");
    }
}

#[test]
fn an_emptied_receipt_makes_accepted_recipients_no_first_use() {
    let desk = Desk::new();
    generated(&desk, &one());
    receipt_says(&desk, "f", Some(&[]));
    desk.take_said();
    let (report, tally) = rekeyed(&desk, &one(), true);
    assert_eq!((tally.done, messages(&report)), (1, vec![]));
    let said = desk.take_said();
    assert!(!said.iter().any(|one| one.starts_with("recipient")), "{said:?}");
    // Who joins since is asked about, and no one else.
    receipt_says(&desk, "f", Some(&[]));
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    rekeyed(&desk, &one(), false);
    let said: Vec<String> = desk.take_said().into_iter().filter(|one| one.starts_with("recipient")).collect();
    assert_eq!(said, ["recipients +new (1)?"]);
}

#[test]
fn who_was_accepted_for_a_machine_is_no_first_use_for_what_is_adopted_on_it() {
    let desk = Desk::new();
    generated(&desk, &one());
    let entry = desk.entry(B);
    std::fs::create_dir_all(&entry).unwrap();
    std::fs::copy(desk.entry(A).join("f.fake"), entry.join("f.fake")).unwrap();
    let fleet = one().secret("b");
    let report = adopted(&desk, &fleet, &[]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let mut run = run(&desk, &fleet);
    let selection = run.select(&[artifacts_plan::Selector::new(B)]);
    let report = run.survey(&selection).preview(&Rekey { all: true });
    assert!(report.recipients_digest.is_some(), "what was stored goes to whom was accepted for that very file");
    assert!(report.recipients.iter().all(|change| !change.is_first) && report.recipients.len() == 1);
}

/// What was said about recipients.
fn of_recipients(desk: &Desk) -> Vec<String> {
    desk.take_said().into_iter().filter(|said| said.starts_with("recipient")).collect()
}

#[test]
fn who_was_accepted_where_nothing_was_stored_after_that_did_not_join() {
    let failing = |desk: &Desk| {
        let calls = desk.world.borrow().calls.len();
        // Two surveys, then the value is decrypted.
        desk.world.borrow_mut().misbehave.insert(calls + 3, Misbehavior::Fail);
        assert_eq!(rekeyed(desk, &one(), false).1.dropped, 1);
    };
    let canceled = |desk: &Desk| {
        let cancel = desk.cancel.clone();
        *desk.at_question.borrow_mut() = Some(("recipients".to_owned(), Box::new(move || cancel.set())));
        assert_eq!(rekeyed(desk, &one(), false).1.unreached, 1);
    };
    let given_up = |desk: &Desk| {
        let mut run = run(desk, &one());
        let selection = run.select_one(&name(A));
        let change = Set { instance: name(A), file: "f".parse().unwrap(), opens: true };
        drop(run.survey(&selection).lock(change).agree().leave());
    };
    for in_vain in [&failing as &dyn Fn(&Desk), &canceled, &given_up] {
        let mut desk = Desk::new();
        generated(&desk, &one());
        desk.world.borrow_mut().recipients(&["admin", "host", "mallory"]);
        of_recipients(&desk);
        in_vain(&desk);
        assert_eq!(of_recipients(&desk), ["recipients +mallory (1)?"]);
        // The declaration was a mistake, and is taken back.
        desk.cancel = artifacts_flow::Cancel::default();
        desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
        rekeyed(&desk, &one(), false);
        assert_eq!(of_recipients(&desk), ["recipients +new (1)?"]);
        desk.world.borrow_mut().recipients(&["admin", "host"]);
        rekeyed(&desk, &one(), false);
        assert_eq!(of_recipients(&desk), ["recipients -new (1)?"], "who did join leaves");
    }
}

#[test]
fn recipients_are_accepted_once_however_often_a_person_tries_again() {
    let desk = Desk::new();
    let fleet = one().prompt("p");
    desk.generators.state.lock().unwrap().fail.insert(A.to_owned());
    desk.answer([Answer::Yes { by: "test" }, Answer::Yes { by: "test" }, Answer::No]);
    generated(&desk, &fleet);
    let said = desk.take_said();
    assert_eq!(said.iter().filter(|one| one.starts_with("try again")).count(), 2, "{said:?}");
    assert_eq!(said.iter().filter(|one| one.starts_with("recipient")).count(), 1, "{said:?}");
    desk.answer([Answer::No]);
    generated(&desk, &fleet);
    assert!(of_recipients(&desk).is_empty(), "a yes is remembered, whatever comes of it");
}

#[test]
fn without_any_identity_no_one_is_asked_to_accept_recipients() {
    let desk = Desk::new();
    generated(&desk, &three());
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    desk.world.borrow_mut().uses_identities = true;
    desk.take_said();
    let (report, tally) = rekeyed(&desk, &three(), false);
    assert_eq!((tally.dropped, messages(&report)), (3, vec!["no identity found"; 3]));
    let expected = &report.errors[0].details.comparison.expected;
    assert_eq!(expected.as_deref(), Some("an identity of admin or host"));
    assert_eq!((desk.take_said(), desk.world.borrow().count("retrieve")), (Vec::new(), 0));
}

#[test]
fn new_recipients_that_are_refused_get_nothing() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin", "host", "mallory"]);
    desk.answer([Answer::No]);
    let (report, tally) = rekeyed(&desk, &one(), false);
    assert_eq!((tally.done, tally.dropped), (0, 1));
    assert!(messages(&report)[0].contains("were not accepted"));
    assert_eq!(desk.world.borrow().count("retrieve"), 0, "nothing is decrypted either");
}

#[test]
fn a_cancel_ends_rekeying_between_two_batches() {
    let desk = Desk::new();
    generated(&desk, &three());
    desk.world.borrow_mut().recipients(&["admin"]);
    let cancel = desk.cancel.clone();
    let calls = std::cell::Cell::new(0);
    desk.world.borrow_mut().hook = Some(Box::new(move || {
        calls.set(calls.get() + 1);
        if calls.get() == 3 {
            cancel.set();
        }
    }));
    let (report, tally) = rekeyed(&desk, &three(), false);
    assert_eq!((tally.steps, tally.done, tally.dropped, tally.unreached), (3, 0, 0, 3));
    assert!(messages(&report)[0].contains("3 artifacts not processed"));
}

#[test]
fn a_backend_that_cannot_read_back_is_not_rekeyed() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin"]);
    desk.world.borrow_mut().retrieves = false;
    let (report, tally) = rekeyed(&desk, &one(), false);
    assert_eq!(tally.steps, 0);
    assert!(messages(&report)[0].contains("cannot decrypt"), "{:?}", report.errors);
}

#[test]
fn a_file_that_is_no_longer_declared_goes_with_a_rekey_and_is_named() {
    let desk = Desk::new();
    generated(&desk, &one().file("g"));
    let (report, _) = rekeyed(&desk, &one(), false);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(first(&report).notes.iter().any(|note| note.starts_with("g: removed")), "{:?}", first(&report).notes);
    assert_eq!(read(&desk, &one(), A, "f"), "per-machine/web1/a/f#1");
}

#[test]
fn a_preview_locks_asks_and_writes_nothing() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin", "new"]);
    desk.take_said();
    let mut run = run(&desk, &one());
    let selection = run.select(&[]);
    let report = run.survey(&selection).preview(&Rekey { all: false });
    assert_eq!(first(&report).done, Some(artifacts_report::RowAction::WouldReencrypt));
    assert!(report.recipients_digest.is_some() && desk.take_said().is_empty());
    assert_eq!((desk.world.borrow().count("retrieve"), desk.world.borrow().count("serialize")), (0, 1));
}

#[test]
fn what_was_modified_outside_is_stale_until_it_is_adopted() {
    let desk = Desk::new();
    generated(&desk, &one());
    std::fs::write(desk.entry(A).join("f.fake"), "admin,host\nby hand").unwrap();
    assert_eq!(reasons(&status(&desk, &one()), A), ["receipt"]);
    let report = adopted(&desk, &one(), &[]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(state(&report, A), InstanceState::Present);
    assert_eq!(read(&desk, &one(), A, "f"), "by hand");
    assert!(desk.take_said().contains(&format!("adopt {A}")));
}

#[test]
fn what_is_present_is_not_adopted() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.take_said();
    let report = adopted(&desk, &one(), &[]);
    assert!(report.errors.is_empty() && desk.take_said().is_empty());
    assert_eq!(files(&desk.trash()).len(), 0);
}

#[test]
fn a_changed_validation_is_accepted_by_name_alone() {
    let desk = Desk::new();
    generated(&desk, &one().validation("1"));
    let fleet = one().validation("2");
    assert_eq!(reasons(&status(&desk, &fleet), A), ["validation"]);
    assert_eq!(reasons(&adopted(&desk, &fleet, &[]), A), ["validation"]);
    assert_eq!(state(&adopted(&desk, &fleet, &[A]), A), InstanceState::Present);
    assert_eq!(read(&desk, &fleet, A, "f"), "per-machine/web1/a/f#1");
}

#[test]
fn outdated_values_are_generated_again_with_stale() {
    let desk = Desk::new();
    generated(&desk, &one().validation("1"));
    let fleet = one().validation("2");
    assert_eq!(reasons(&generated(&desk, &fleet), A), ["validation"]);
    let report = generated_with(&desk, &fleet, &[], Generate { replaces: Replaces::Outdated, ..Generate::default() });
    assert_eq!(state(&report, A), InstanceState::Present);
    assert_eq!(read(&desk, &fleet, A, "f"), "per-machine/web1/a/f#2");
}

#[test]
fn what_was_modified_outside_is_replaced_by_no_stale() {
    let desk = Desk::new();
    generated(&desk, &one());
    std::fs::write(desk.entry(A).join("f.fake"), "admin,host\nby hand").unwrap();
    let report = generated_with(&desk, &one(), &[], Generate { replaces: Replaces::Outdated, ..Generate::default() });
    assert_eq!(reasons(&report, A), ["receipt"]);
    assert_eq!(ran(&desk).len(), 1);
}

#[test]
fn a_new_value_of_a_dependency_makes_its_dependent_stale() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").depends_on("a");
    generated(&desk, &fleet);
    let report = set(&desk, &fleet, A, "f", "mine");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(first(&report).sentences[0].contains(B), "{:?}", first(&report).sentences);
    let stale: Vec<String> = report.now_stale.iter().map(|stale| stale.name.to_string()).collect();
    assert_eq!(stale, [B]);
    assert_eq!(reasons(&status(&desk, &fleet), B), ["dependency"]);
}

#[test]
fn a_file_that_is_set_keeps_the_others() {
    let desk = Desk::new();
    let fleet = one().file("g");
    generated(&desk, &fleet);
    let report = set(&desk, &fleet, A, "f", "mine");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((read(&desk, &fleet, A, "f"), read(&desk, &fleet, A, "g")), ("mine".into(), format!("{A}/g#1")));
    assert_eq!(desk.world.borrow().count("retrieve"), 2, "only what was read here");
}

#[test]
fn a_backend_that_writes_all_or_none_gets_the_others_read_first() {
    let desk = Desk::new();
    let fleet = one().file("g");
    generated(&desk, &fleet);
    desk.world.borrow_mut().needs_all = true;
    let report = set(&desk, &fleet, A, "f", "mine");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(desk.world.borrow().count("retrieve"), 1);
    assert_eq!((read(&desk, &fleet, A, "f"), read(&desk, &fleet, A, "g")), ("mine".into(), format!("{A}/g#1")));
}

#[test]
fn one_file_of_several_is_not_set_while_it_is_absent() {
    let desk = Desk::new();
    let report = set(&desk, &one().file("g"), A, "f", "mine");
    assert!(messages(&report)[0].contains("can replace one of several files only afterwards"), "{:?}", report.errors);
    assert!(report.rows.is_empty() && files(&desk.entry(A)).is_empty());
}

#[test]
fn the_only_file_is_set_while_it_is_absent() {
    let desk = Desk::new();
    let report = set(&desk, &one(), A, "f", "mine");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(read(&desk, &one(), A, "f"), "mine");
}

#[test]
fn what_was_edited_is_stored_though_the_run_is_to_end() {
    for opens in [true, false] {
        let desk = Desk::new();
        generated(&desk, &one());
        let mut run = run(&desk, &one());
        let selection = run.select_one(&name(A));
        let change = Set { opens, ..setting(A, "f") };
        let agreed = run.survey(&selection).lock(change).agree();
        desk.cancel.set();
        let report = agreed.set(Secret::new(b"typed".to_vec())).finish();
        assert_eq!(report.errors.is_empty(), opens, "{:?}", report.errors);
        let stored = std::fs::read_to_string(desk.entry(A).join("f.fake")).unwrap();
        assert_eq!(stored.ends_with("\ntyped"), opens, "{stored}");
    }
}

#[test]
fn a_public_file_is_set_without_a_call_that_writes() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").public("p");
    generated(&desk, &fleet);
    let before = desk.world.borrow().count("serialize");
    let report = set(&desk, &fleet, A, "p", "mine");
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(desk.world.borrow().count("serialize"), before);
    assert_eq!(std::fs::read_to_string(desk.entry(A).join("public/p")).unwrap(), "mine");
}

#[test]
fn who_gives_up_leaves_everything_as_it_is() {
    let desk = Desk::new();
    generated(&desk, &one());
    let mut run = run(&desk, &one());
    let selection = run.select_one(&name(A));
    let change = Set { opens: true, ..setting(A, "f") };
    let mut agreed = run.survey(&selection).lock(change).agree();
    assert_eq!(agreed.stored().unwrap().unwrap().expose(), format!("{A}/f#1").as_bytes());
    let report = agreed.leave();
    assert!(report.errors.is_empty() && report.rows.len() == 1);
    assert!(desk.is_unlocked());
}

#[test]
fn an_orphaned_entry_is_trashed_after_a_yes() {
    let desk = Desk::new();
    generated(&desk, &three());
    let report = pruned(&desk, &one());
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(report.trashed.len(), 2);
    assert!(desk.entry(A).exists() && !desk.entry(B).exists() && files(&desk.trash()).len() == 2);
}

#[test]
fn a_no_trashes_nothing() {
    let desk = Desk::new();
    generated(&desk, &three());
    desk.answer([Answer::No]);
    let report = pruned(&desk, &one());
    assert_eq!(messages(&report), ["nothing changed: 2 entries were not moved to the trash"]);
    assert!(report.trashed.is_empty() && desk.entry(B).exists());
}

/// Paths and bytes of everything in the checkout.
fn everything(desk: &Desk) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![desk.root()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = if path.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
            all.push((path.display().to_string(), bytes));
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_no_leaves_the_old_trash_as_well() {
    let mut desk = Desk::new();
    generated(&desk, &three());
    pruned(&desk, &Fleet::new().machine("web1").secret("a").secret("b"));
    assert_eq!(files(&desk.trash()).len(), 1);
    // What is old enough is removed by the second run that finds it so.
    desk.now += Duration::from_hours(24 * 31);
    assert!(desk.is_unlocked());
    desk.now += Duration::from_hours(24 * 2);
    let before = everything(&desk);
    desk.answer([Answer::No]);
    let mut run = run(&desk, &one());
    let selection = run.select_orphans(&[]);
    drop(run.survey(&selection).lock(Prune).agree().remove().finish());
    assert_eq!(everything(&desk), before);
    drop(run);
    pruned(&desk, &one());
    assert_eq!(files(&desk.trash()).len(), 1, "a yes empties it: only what was trashed just now is in it");
}

#[test]
fn what_another_run_stores_while_a_person_is_asked_is_not_trashed() {
    let desk = Desk::new();
    generated(&desk, &three());
    let stored = desk.entry(B).join("f.fake");
    let written = stored.clone();
    *desk.meanwhile.borrow_mut() = Some(Box::new(move || std::fs::write(written, "admin,host\nnew").unwrap()));
    let report = pruned(&desk, &one());
    assert_eq!((report.trashed.len(), report.errors.len()), (1, 1), "{:?}", report.errors);
    assert!(messages(&report)[0].contains("it is not as it was shown"), "{:?}", report.errors);
    assert_eq!(std::fs::read_to_string(stored).unwrap(), "admin,host\nnew");
    assert!(!desk.entry(C).exists());
}

#[test]
fn without_anyone_to_ask_nothing_is_trashed_and_that_is_a_failure() {
    let desk = Desk::new();
    generated(&desk, &three());
    desk.answer([Answer::NoOne]);
    let report = pruned(&desk, &one());
    assert_eq!((report.errors.len(), report.trashed.len()), (1, 0));
    assert!(desk.entry(B).exists());
}

#[test]
fn a_renamed_instance_is_not_generated_unasked_while_its_old_entry_exists() {
    let desk = Desk::new();
    generated(&desk, &one());
    let renamed = Fleet::new().machine("web1").secret("z");
    desk.answer([Answer::No]);
    let report = generated(&desk, &renamed);
    let no = "nothing changed: no new value was generated for per-machine/web1/z";
    assert_eq!(messages(&report), [no]);
    assert!(desk.take_said().contains(&"new values 1?".to_owned()));
}

#[test]
fn public_files_lead_to_another_evaluation_and_what_was_blocked_is_generated() {
    let desk = Desk::new();
    let first = Fleet::new().machine("web1").secret("a").public("p").artifact("b").blocked();
    let second = Fleet::new().machine("web1").secret("a").public("p").secret("b");
    let report = generated_in_rounds(&desk, &[&first, &second]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(desk.take_said().contains(&"evaluating again".to_owned()));
    assert_eq!(ran(&desk), [A, B]);
    assert_eq!(report.rows.len(), 2);
}

#[test]
fn what_failed_in_one_round_is_not_tried_in_the_next() {
    let desk = Desk::new();
    let first = Fleet::new().machine("web1").secret("a").public("p").secret("c").artifact("b").blocked();
    let second = Fleet::new().machine("web1").secret("a").public("p").secret("c").secret("b").depends_on("c");
    desk.generators.state.lock().unwrap().fail.insert(C.to_owned());
    let report = generated_in_rounds(&desk, &[&first, &second]);
    assert_eq!(ran(&desk).iter().filter(|one| *one == C).count(), 1);
    assert!(report.errors.len() >= 2, "{:?}", report.errors);
}

#[test]
fn a_cancel_between_two_rounds_evaluates_nothing() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").public("p").artifact("b").blocked();
    desk.generators.state.lock().unwrap().cancel_after = Some(1);
    let report = generated(&desk, &fleet);
    assert!(
        messages(&report).iter().any(|message| message.contains("before the second evaluation")),
        "{:?}",
        report.errors
    );
    assert_eq!(state(&report, A), InstanceState::Present);
}

#[test]
fn an_entry_that_appears_between_survey_and_lock_is_not_replaced() {
    let desk = Desk::new();
    let (one, other) = (one(), Desk::new());
    generated(&other, &one);
    let (from, to) = (other.entry(A), desk.entry(A));
    let calls = std::cell::Cell::new(0);
    desk.world.borrow_mut().hook = Some(Box::new(move || {
        calls.set(calls.get() + 1);
        // After the first survey, before the one under the lock reads the entries.
        if calls.get() == 1 {
            std::fs::create_dir_all(&to).unwrap();
            for file in ["f.fake", "receipt.json"] {
                std::fs::copy(from.join(file), to.join(file)).unwrap();
            }
        }
    }));
    let report = generated(&desk, &one);
    assert_eq!(state(&report, A), InstanceState::Present, "{:?}", report.errors);
    assert!(ran(&desk).is_empty());
}

#[test]
fn an_entry_that_changes_after_the_lock_is_not_replaced() {
    let desk = Desk::new();
    generated(&desk, &one());
    desk.world.borrow_mut().recipients(&["admin"]);
    let path = desk.entry(A).join("f.fake");
    let calls = std::cell::Cell::new(0);
    desk.world.borrow_mut().hook = Some(Box::new(move || {
        calls.set(calls.get() + 1);
        // Two surveys, the decryption, then this.
        if calls.get() == 3 {
            std::fs::write(&path, "admin\nby another").unwrap();
        }
    }));
    let (report, tally) = rekeyed(&desk, &one(), false);
    assert_eq!((tally.done, tally.dropped), (0, 1), "{:?}", report.errors);
    assert_eq!(std::fs::read_to_string(desk.entry(A).join("f.fake")).unwrap(), "admin\nby another");
}

#[test]
fn however_many_are_read_and_stored_at_once_the_report_is_the_same() {
    let fleet = many(60, BACKEND);
    let owned = |said: Vec<&str>| -> Vec<String> { said.into_iter().map(str::to_owned).collect() };
    let looked = |count: usize| {
        let mut desk = Desk::new();
        desk.jobs = jobs(count);
        generated(&desk, &fleet);
        std::fs::remove_file(desk.entry("per-machine/web1/a7").join("receipt.json")).unwrap();
        std::fs::write(desk.entry("per-machine/web1/a33").join("f.fake"), "admin\nother").unwrap();
        std::fs::remove_dir_all(desk.entry("per-machine/web1/a50")).unwrap();
        desk.world.borrow_mut().recipients(&["admin"]);
        let rekeyed = rekeyed(&desk, &fleet, true);
        let found = status(&desk, &fleet);
        let row = |row: &artifacts_report::InstanceRow| (row.state.clone(), row.sentences.clone());
        let rows: Vec<_> = found.rows.values().map(row).collect();
        (owned(messages(&found)), owned(messages(&rekeyed.0)), rekeyed.1, rows, desk.values())
    };
    let alone = looked(1);
    let not_present = alone.3.iter().filter(|(state, _)| *state != InstanceState::Present).count();
    assert_eq!((alone.2.done, not_present), (57, 3), "{:?}", alone.1);
    for count in [2, 3, 8] {
        assert_eq!(looked(count), alone, "{count} at once");
    }
}

#[test]
fn a_storage_that_another_run_has_locked_is_written_by_no_one_else() {
    let desk = Desk::new();
    generated(&desk, &one());
    let root = artifacts_store::Root::open(&desk.root()).unwrap();
    let storage = artifacts_store::Storage::open(&root, "secrets").unwrap();
    let lock = storage.lock(artifacts_store::WriterOptions::at(desk.now)).unwrap();
    desk.take_said();
    let mut run = run(&desk, &three());
    let report = generate(&mut run, &[], &Generate::default(), jobs(1));
    assert_eq!(report.errors.len(), 2, "{:?}", report.errors);
    assert!(desk.take_said().is_empty(), "nobody is asked about what cannot be stored");
    drop((lock, run));
    assert!(desk.is_unlocked());
}

#[test]
fn a_worker_that_is_started_again_with_fewer_layers_is_told_of_once_each() {
    let desk = Desk::new();
    let (one_layer, other) = (SandboxLayer::UtsNamespace, SandboxLayer::Landlock);
    let missing = |layer: SandboxLayer| format!("missing: {}", layer.weaker());
    let mut run = run(&desk, &one());
    let selection = run.select(&[]);
    desk.world.borrow_mut().missing = vec![one_layer];
    let agreed = run.survey(&selection).lock(Generate::default()).agree();
    assert!(desk.take_said().contains(&missing(one_layer)));
    desk.world.borrow_mut().missing = vec![other];
    drop(agreed.generate(jobs(1)).finish());
    let said = desk.take_said();
    assert!(said.contains(&missing(other)) && !said.contains(&missing(one_layer)), "{said:?}");
}

#[test]
fn a_backend_is_not_called_with_a_configuration_that_it_does_not_take() {
    let desk = Desk::new();
    desk.world.borrow_mut().config = serde_json::json!({"required": ["vault"]});
    let report = generated(&desk, &one());
    assert_eq!(
        messages(&report),
        ["`artifacts.config.fake.vault` of nixos web1 does not fit: it is not set, and is required"]
    );
    assert!(desk.world.borrow().calls.is_empty() && desk.take_said().is_empty(), "nobody is asked, either");
    // What the artifact itself sets is named as that.
    desk.world.borrow_mut().config =
        serde_json::json!({"properties": {"format": {"type": "string"}, "keys": {"type": "array"}}});
    for (settings, option) in [
        (serde_json::json!({"format": 1, "keys": []}), "artifacts.store.a.backendConfig.fake.format"),
        (serde_json::json!({"keys": "x"}), "artifacts.store.a.backendConfig.fake.keys"),
    ] {
        let report = generated(&desk, &one().own_config(&settings));
        assert!(messages(&report)[0].starts_with(&format!("`{option}` of nixos web1 does not fit")), "{report:?}");
    }
    // What has no secret file is no affair of its backend.
    let report = status(&desk, &Fleet::new().machine("web1").artifact("a").public("p"));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

#[test]
fn large_public_files_go_few_at_a_time() {
    let desk = Desk::new();
    let with_public = |fleet: Fleet, name: &str| fleet.secret(name).public("p");
    let fleet = ["a", "b", "c"].into_iter().fold(Fleet::new().machine("web1"), with_public);
    generated(&desk, &fleet);
    for instance in [A, B, C] {
        std::fs::File::create(desk.entry(instance).join("public/p")).unwrap().set_len(33 << 20).unwrap();
    }
    desk.world.borrow_mut().calls.clear();
    status(&desk, &fleet);
    assert_eq!(desk.world.borrow().calls, [format!("check {A} {B}"), format!("check {C}")]);
}

#[test]
fn an_unknown_backend_fails_its_instances_and_no_others() {
    let desk = Desk::new();
    let fleet = Fleet::new().machine("web1").secret("a").secret("b").backend("other");
    let report = generated(&desk, &fleet);
    assert_eq!(state(&report, A), InstanceState::Present);
    assert!(matches!(state(&report, B), InstanceState::Error(_)));
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
}

#[test]
fn what_cannot_be_recorded_is_not_generated() {
    let desk = Desk::new();
    let mut tools = desk.tools(vec![desk.declared(&one())]);
    let log = artifacts_flow::AuditLog::new(
        "/dev/full",
        artifacts_audit::RunRecord::default(),
        artifacts_audit::SyncMode::No,
        std::time::SystemTime::now,
    );
    tools.audit = Some(log);
    let report = generate(&mut Run::open(desk.declared(&one()), tools), &[], &Generate::default(), jobs(1));
    assert!(messages(&report)[0].contains("/dev/full"), "{:?}", report.errors);
    assert!(desk.world.borrow().calls.is_empty());
}
