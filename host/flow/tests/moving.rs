//! Values that move to another backend, storage or name: none is lost, none is there twice, and the next run goes on.
#![allow(clippy::unwrap_used)]

use crate::fakes;
use std::sync::atomic::Ordering;

use artifacts_flow::{Rekey, Report};
use artifacts_plan::InstanceState;

use crate::fakes::{
    A, BACKEND, Desk, Fleet, Misbehavior, TWIN, VAULT, files, many, messages, name, run, status, survives_ten_kills,
};

fn generated(desk: &Desk, fleet: &Fleet) {
    let report = fakes::generated(desk, fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
}

fn rekeyed(desk: &Desk, fleet: &Fleet) -> Report {
    fakes::rekeyed(desk, fleet, false).0
}

fn read(desk: &Desk, fleet: &Fleet, instance: &str) -> String {
    fakes::read(desk, fleet, instance, "f")
}

fn hint(report: &Report) -> &str {
    report.errors[0].hint.as_deref().unwrap_or_default()
}

/// Three artifacts of a machine with this backend.
fn three(backend: &str) -> Fleet {
    let fleet = Fleet::new().machine("web1").secret("a").public("p").backend(backend);
    fleet.secret("b").backend(backend).secret("c").backend(backend)
}

fn one(backend: &str) -> Fleet {
    Fleet::new().machine("web1").secret("a").backend(backend)
}

#[test]
fn a_value_follows_its_backend_and_its_storage() {
    for (from, to) in [("fake", TWIN), ("fake", VAULT), (VAULT, "fake"), (VAULT, TWIN)] {
        let desk = Desk::new();
        generated(&desk, &three(from));
        let before = desk.values();
        let fleet = three(to);
        let found = status(&desk, &fleet);
        assert!(found.rows.values().all(|row| row.state.as_str() == "stale"), "{from} → {to}");
        let report = rekeyed(&desk, &fleet);
        assert!(report.errors.is_empty(), "{from} → {to}: {:?}", report.errors);
        assert!(report.rows.values().all(|row| row.state == InstanceState::Present), "{from} → {to}");
        assert_eq!((desk.values(), desk.entries().len(), report.counts), (before, 3, Some((3, 3))), "{from} → {to}");
        assert_eq!(read(&desk, &fleet, A), format!("{A}/f#1"));
        let storage = if to == VAULT { "vault" } else { "secrets" };
        assert!(desk.entries().keys().all(|path| path.starts_with(storage)), "{from} → {to}");
        let old = if from == VAULT { "vault" } else { "secrets" };
        assert_eq!(files(&desk.root().join(old).join(".artifacts/trash")).len(), 3, "{from} → {to}: the old entries");
        let public = desk.root().join(storage).join(A).join("public/p");
        assert_eq!(std::fs::read_to_string(public).unwrap(), format!("{A}/p#1"));
        assert!(desk.is_unlocked());
    }
}

#[test]
fn a_value_moves_with_its_set_of_files() {
    let desk = Desk::new();
    generated(&desk, &one("fake").file("gone"));
    let fleet = one(VAULT).file("added");
    let report = rekeyed(&desk, &fleet);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(read(&desk, &fleet, A), format!("{A}/f#1"));
    let row = &report.rows[&name(A)];
    assert!(row.notes.iter().any(|note| note.contains("gone: removed")), "{:?}", row.notes);
    // No one made up a value for the new file, and none was lost.
    assert!(row.state.reasons().iter().any(|reason| reason.message.contains("added")), "{:?}", row.state);
    assert_eq!(files(&desk.root().join("vault").join(A)).iter().filter(|file| file.contains("gone")).count(), 0);
    assert_eq!(files(&desk.root().join("secrets/.artifacts/trash")).len(), 1, "the old entry");
}

#[test]
fn a_value_keeps_its_generation_and_its_age() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    let receipt = |storage: &str| -> serde_json::Value {
        let text = std::fs::read(desk.root().join(storage).join(A).join("receipt.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let before = receipt("secrets");
    assert!(rekeyed(&desk, &one(VAULT)).errors.is_empty());
    let after = receipt("vault");
    for field in ["generation", "generated", "dependencies", "recipients"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert_eq!(after["backend"]["name"], VAULT);
    assert!(after.get("former").is_none(), "its name is the same");
}

/// Whatever a killed run leaves, no value is lost, and the next run leaves each once.
fn survives_every_kill(old: &Fleet, go: &dyn Fn(&Desk) -> Report) {
    let mut kills = 0;
    for at in 1.. {
        let mut desk = Desk::new();
        generated(&desk, old);
        let before = desk.values();
        assert_eq!(before.len(), 3);
        desk.killed_at = Some(at);
        go(&desk);
        assert_eq!(desk.values(), before, "killed at {at}");
        let is_through = desk.steps.load(Ordering::Relaxed) < at;
        desk.killed_at = None;
        let report = go(&desk);
        assert!(report.errors.is_empty(), "killed at {at}: {:?}", report.errors);
        assert_eq!((desk.values(), desk.entries().len()), (before, 3), "killed at {at}");
        assert!(report.rows.values().all(|row| row.state == InstanceState::Present), "killed at {at}");
        if is_through {
            break;
        }
        kills += 1;
    }
    assert!(kills > 30, "{kills} steps are too few");
}

#[test]
fn a_move_to_another_storage_that_is_killed_at_any_step_loses_no_value_and_the_next_goes_on() {
    survives_every_kill(&three("fake"), &|desk| rekeyed(desk, &three(VAULT)));
}

#[test]
fn a_move_to_another_backend_that_is_killed_at_any_step_loses_no_value_and_the_next_goes_on() {
    survives_every_kill(&three("fake"), &|desk| rekeyed(desk, &three(TWIN)));
}

#[test]
fn a_move_of_a_thousand_that_is_killed_ten_times_loses_no_value_and_ends() {
    let before = |count| many(count, BACKEND);
    survives_ten_kills(before, |desk, count| rekeyed(desk, &many(count, VAULT)), |path| path.starts_with("vault"));
}

#[test]
fn what_a_killed_move_left_is_stale_and_no_command_takes_it_for_two_values() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    left_by_a_move(&desk);
    let report = status(&desk, &one(VAULT));
    let row = &report.rows[&name(A)];
    assert_eq!(row.state.reasons().len(), 1, "{:?}", row.state);
    assert!(row.state.reasons()[0].message.contains("its move from there is not finished"), "{:?}", row.state);
    assert_eq!(artifacts_report::hint_line(&row.hints, &[A]).unwrap(), format!("`artifacts rekey {A}`"));
    assert_eq!(read(&desk, &one(VAULT), A), format!("{A}/f#1"), "what is stored in its place is read");
}

/// Moves a value to the vault, and brings the old entry back, as a kill before the last step leaves it.
fn left_by_a_move(desk: &Desk) {
    let (old, kept) = (desk.entry(A), desk.root().join("kept"));
    std::process::Command::new("cp").arg("-a").args([&old, &kept]).status().unwrap();
    assert!(rekeyed(desk, &one(VAULT)).errors.is_empty());
    std::fs::create_dir_all(old.parent().unwrap()).unwrap();
    std::fs::rename(kept, old).unwrap();
}

#[test]
fn two_entries_with_other_values_are_both_left() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    left_by_a_move(&desk);
    // Two surveys; then the backend that reads the old one tells another value.
    let at = desk.world.borrow().calls.len() + 3;
    desk.world.borrow_mut().misbehave.insert(at, Misbehavior::Lie);
    let report = rekeyed(&desk, &one(VAULT));
    assert_eq!(messages(&report), ["its new entry has another value than the old one"]);
    assert_eq!(desk.entries().len(), 2, "{:?}", report.errors);
}

#[test]
fn a_backend_that_stores_another_value_than_it_was_given_is_found_out_before_anything_is_stored() {
    for to in [TWIN, VAULT] {
        let desk = Desk::new();
        generated(&desk, &one("fake"));
        let before = desk.entries();
        let fleet = one(to);
        // Two surveys, a decryption, the encryption, a check; then it is read back.
        let at = desk.world.borrow().calls.len() + 6;
        desk.world.borrow_mut().misbehave.insert(at, Misbehavior::Lie);
        let report = rekeyed(&desk, &fleet);
        assert_eq!(
            messages(&report),
            ["the backend stored another value than it was given"],
            "{:?}",
            desk.world.borrow().calls
        );
        assert_eq!(desk.entries(), before);
    }
}

#[test]
fn an_old_entry_that_changes_meanwhile_is_left() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    let path = desk.entry(A).join("f.fake");
    let calls = std::cell::Cell::new(0);
    desk.world.borrow_mut().hook = Some(Box::new(move || {
        calls.set(calls.get() + 1);
        // Two surveys, a decryption, the encryption, a check; then it is read back.
        if calls.get() == 6 {
            std::fs::write(&path, "admin\nby another").unwrap();
        }
    }));
    let report = rekeyed(&desk, &one(VAULT));
    assert_eq!(messages(&report)[0], "the old entry changed during this run, and was left", "{:?}", report.errors);
    assert_eq!(desk.values(), ["by another".to_owned(), format!("{A}/f#1")]);
}

#[test]
fn what_no_one_here_reads_in_its_new_place_keeps_its_old_entry() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    desk.world.borrow_mut().identity = Some("admin".to_owned());
    desk.world.borrow_mut().recipients(&["host"]);
    let report = rekeyed(&desk, &one(VAULT));
    assert!(
        messages(&report)[0].contains("the old entry `secrets/per-machine/web1/a` was left"),
        "{:?}",
        report.errors
    );
    assert!(hint(&report).contains("artifacts rekey per-machine/web1/a"), "{:?}", report.errors);
    assert_eq!(desk.entries().len(), 2);
    // Who reads both finishes it.
    desk.world.borrow_mut().identity = None;
    let report = rekeyed(&desk, &one(VAULT));
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(desk.entries().into_keys().collect::<Vec<_>>(), ["vault/per-machine/web1/a"]);
}

#[test]
fn what_no_one_here_reads_is_not_replaced_by_what_another_backend_wrote() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    let before = desk.entries();
    desk.world.borrow_mut().identity = Some("admin".to_owned());
    desk.world.borrow_mut().recipients(&["host"]);
    let report = rekeyed(&desk, &one(TWIN));
    assert!(messages(&report)[0].contains("no one could verify its new entry"), "{:?}", report.errors);
    assert_eq!(desk.entries(), before);
    // To other recipients alone it is encrypted all the same, as by whoever leaves.
    assert!(rekeyed(&desk, &one("fake")).errors.is_empty());
}

#[test]
fn one_that_cannot_be_decrypted_is_named_and_stops_no_other() {
    let desk = Desk::new();
    generated(&desk, &three("fake"));
    let at = desk.world.borrow().calls.len() + 4;
    desk.world.borrow_mut().misbehave.insert(at, Misbehavior::Fail);
    let report = rekeyed(&desk, &three(VAULT));
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    let paths: Vec<String> = desk.entries().into_keys().collect();
    assert_eq!(paths.iter().filter(|path| path.starts_with("vault")).count(), 2, "{paths:?}");
    assert_eq!(paths.len(), 3);
}

#[test]
fn a_backend_that_is_not_registered_any_more_is_named_with_what_to_do() {
    for to in [TWIN, VAULT] {
        let mut desk = Desk::new();
        generated(&desk, &one("fake"));
        desk.unknown.push("fake");
        let report = rekeyed(&desk, &one(to));
        assert!(
            messages(&report)[0].contains("stored by backend `fake`, which cannot be opened"),
            "{:?}",
            report.errors
        );
        assert!(hint(&report).contains("register `artifacts.backends.fake`"), "{:?}", report.errors);
        assert_eq!(desk.entries().len(), 1);
    }
}

#[test]
fn who_may_read_what_moves_is_asked_about_as_always() {
    let desk = Desk::new();
    generated(&desk, &one("fake"));
    desk.take_said();
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    desk.answer([artifacts_flow::Answer::No]);
    let report = rekeyed(&desk, &one(VAULT));
    assert_eq!(desk.take_said(), ["recipients +new (1)?"]);
    assert_eq!((report.errors.len(), desk.entries().len(), desk.world.borrow().count("retrieve")), (1, 1, 0));
}

#[test]
fn an_edited_entry_moves_nowhere() {
    for to in [TWIN, VAULT] {
        let desk = Desk::new();
        generated(&desk, &one("fake"));
        std::fs::write(desk.entry(A).join("f.fake"), "admin,host\nby hand").unwrap();
        let report = rekeyed(&desk, &one(to));
        assert!(messages(&report)[0].contains("`f.fake` was modified outside artifacts"), "{:?}", report.errors);
        assert_eq!(desk.values(), ["by hand"]);
    }
}

#[test]
fn a_preview_of_a_move_decrypts_and_writes_nothing() {
    let desk = Desk::new();
    generated(&desk, &three("fake"));
    let fleet = three(VAULT);
    let mut run = run(&desk, &fleet);
    let selection = run.select(&[]);
    let report = run.survey(&selection).preview(&Rekey { all: false });
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(report.rows.values().all(|row| row.done == Some(artifacts_report::RowAction::WouldReencrypt)));
    assert_eq!(desk.world.borrow().count("retrieve"), 0);
    assert!(!desk.root().join("vault").exists());
}
