//! A checkout that goes back to an older value than this machine stored: that is shown, and nothing takes it for the current one.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::fakes::{
    A, B, Desk, Fleet, TWIN, VAULT, adopted, generated, generated_with, messages, name, read, reasons, rekeyed, run,
    set, setting, state, status,
};
use artifacts_flow::{Generate, Replaces, Report, Set};
use artifacts_plan::{Cause, InstanceState, Selector};

const OLDER: &str = "generated 2027-01-15T08:00:00Z: older than the last value that this machine stored, \
                     generated 2027-01-15T08:00:05Z";
const AS_STORED: &str =
    "declare it as it was when it was stored, adopt it by its name, and change the declaration then";

fn fleet() -> Fleet {
    Fleet::new().machine("web1").secret("a").secret("b").depends_on("a")
}

fn copied(from: &PathBuf, to: &PathBuf) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// A desk on which all was generated twice, and the copies of each time.
fn desk() -> (Desk, PathBuf, PathBuf) {
    desk_of(&fleet())
}

fn desk_of(fleet: &Fleet) -> (Desk, PathBuf, PathBuf) {
    let mut desk = Desk::new();
    generated(&desk, fleet);
    let (old, new) = (desk.root().join("old"), desk.root().join("new"));
    copied(&desk.entry("per-machine"), &old);
    desk.now += Duration::from_secs(5);
    generated_with(&desk, fleet, &[], Generate { replaces: Replaces::All, ..Generate::default() });
    copied(&desk.entry("per-machine"), &new);
    (desk, old, new)
}

fn is_present(report: &Report) -> bool {
    report.rows.values().all(|row| row.state == InstanceState::Present) && report.errors.is_empty()
}

#[test]
fn an_older_value_than_this_machine_stored_is_shown_as_that() {
    let (desk, old, new) = desk();
    assert!(is_present(&status(&desk, &fleet())));
    copied(&old, &desk.entry("per-machine"));
    let report = status(&desk, &fleet());
    for one in [A, B] {
        assert_eq!(reasons(&report, one), ["receipt"]);
        let row = &report.rows[&name(one)];
        let [reason] = row.state.reasons() else { panic!("{:?}", row.state) };
        assert_eq!((reason.message.as_str(), &reason.cause), (OLDER, &Cause::Older));
        let hints = artifacts_report::hint_line(&row.hints, &[one]).unwrap();
        assert!(hints.starts_with(&format!("keep: `artifacts adopt {one}`; undo: ")), "{hints}");
    }
    assert_eq!(report.exit_status(), 3);
    // Who looks for the old value reads it.
    assert_eq!(read(&desk, &fleet(), A, "f"), format!("{A}/f#1"));
    copied(&new, &desk.entry("per-machine"));
    assert!(is_present(&status(&desk, &fleet())));
}

#[test]
fn what_is_older_is_adopted_by_its_name_alone_and_then_the_newer_one_is_no_fault_either() {
    let (desk, old, new) = desk();
    copied(&old, &desk.entry("per-machine"));
    let receipt = || std::fs::read_to_string(desk.entry(A).join("receipt.json")).unwrap();
    let before = receipt();
    adopted(&desk, &fleet(), &[]);
    assert_eq!(reasons(&status(&desk, &fleet()), A), ["receipt"]);
    let report = adopted(&desk, &fleet(), &["a", "b"]);
    assert!(is_present(&report), "{:?} {:?}", report.rows, report.errors);
    assert_eq!(receipt(), before, "the value is as old as it was, and what was generated from it is up to date");
    assert!(is_present(&status(&desk, &fleet())));
    for copy in [&new, &old] {
        copied(copy, &desk.entry("per-machine"));
        assert!(is_present(&status(&desk, &fleet())));
    }
}

#[test]
fn what_is_older_is_not_stored_again_before_it_was_adopted() {
    let (desk, old, _) = desk();
    copied(&old, &desk.entry("per-machine"));
    let before = desk.entries();
    desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
    let declared = [fleet(), Fleet::new().machine("web1").secret("a").backend(TWIN).secret("b").backend(TWIN)];
    for (fleet, keep) in declared.into_iter().zip(["artifacts adopt", "adopt it by its name"]) {
        let (report, _) = rekeyed(&desk, &fleet, false);
        assert_eq!(report.errors.len(), 2, "{:?}", report.errors);
        assert!(messages(&report)[0].contains("older than the last value that this machine stored"));
        assert!(report.errors[0].hint.as_ref().unwrap().contains(keep), "{:?}", report.errors);
        assert_eq!(desk.entries(), before);
    }
    // Nor does a generator read it: an absent dependent waits.
    std::fs::remove_dir_all(desk.entry(B)).unwrap();
    let report = generated(&desk, &fleet());
    assert_eq!(state(&report, B), InstanceState::Absent);
    assert!(messages(&report)[0].starts_with(&format!("cannot read its dependency {A}: generated ")), "{report:?}");
}

fn renamed(desk: &Desk, fleet: &Fleet, old: &str, new: &str) -> Report {
    let mut run = run(desk, fleet);
    let (selection, rename) = run.select_renamed(&Selector::new(old), &Selector::new(new)).unwrap();
    run.survey(&selection).lock(rename).agree().rename().finish()
}

#[test]
fn what_is_older_gets_no_other_name_before_it_was_adopted() {
    let one = |name: &str| Fleet::new().machine("web1").secret(name);
    let (desk, old, new) = desk_of(&one("a"));
    copied(&old, &desk.entry("per-machine"));
    let before = desk.entries();
    // It stays where it was, or its directory is moved to where the new one is.
    for is_moved in [false, true] {
        if is_moved {
            std::fs::rename(desk.entry(A), desk.entry(B)).unwrap();
        }
        let hints = status(&desk, &one("b")).rows[&name(B)].hints.clone();
        let hints = artifacts_report::hint_line(&hints, &[B]).unwrap_or_default();
        assert!(!hints.contains("rename"), "{hints}");
        let report = renamed(&desk, &one("b"), A, B);
        assert_eq!(messages(&report), [OLDER], "{is_moved}");
        assert_eq!(report.errors[0].hint.as_deref(), Some(AS_STORED));
        if is_moved {
            std::fs::rename(desk.entry(B), desk.entry(A)).unwrap();
        }
        assert_eq!(desk.entries(), before);
    }
    adopted(&desk, &one("a"), &["a"]);
    assert!(is_present(&renamed(&desk, &one("b"), A, B)));
    // The newer one is no fault either.
    std::fs::remove_dir_all(desk.entry("per-machine")).unwrap();
    copied(&new, &desk.entry("per-machine"));
    assert!(is_present(&renamed(&desk, &one("c"), A, "per-machine/web1/c")));
}

#[test]
fn what_a_value_has_replaced_does_not_come_back_under_the_name_that_it_had_before() {
    let one = |name: &str| Fleet::new().machine("web1").secret(name);
    let mut desk = Desk::new();
    generated(&desk, &one("a"));
    let old = desk.root().join("old");
    copied(&desk.entry("per-machine"), &old);
    assert!(is_present(&renamed(&desk, &one("b"), A, B)));
    desk.now += Duration::from_secs(5);
    generated_with(&desk, &one("b"), &[], Generate { replaces: Replaces::All, ..Generate::default() });
    copied(&old, &desk.entry("per-machine"));
    let report = renamed(&desk, &one("b"), A, B);
    assert_eq!(messages(&report), [OLDER]);
    // Another value is no older one, whenever it was generated.
    std::fs::remove_dir_all(desk.entry("per-machine")).unwrap();
    desk.now -= Duration::from_mins(1);
    generated(&desk, &one("c"));
    let report = renamed(&desk, &one("b"), "per-machine/web1/c", B);
    assert!(is_present(&report), "{:?} {:?}", report.rows, report.errors);
}

#[test]
fn what_is_older_is_not_taken_from_another_storage() {
    let of = |backend: &str| Fleet::new().machine("web1").secret("a").backend(backend);
    let (desk, old, _) = desk_of(&of("fake"));
    copied(&old, &desk.entry("per-machine"));
    let before = desk.entries();
    let (report, _) = rekeyed(&desk, &of(VAULT), false);
    assert_eq!(messages(&report), [OLDER]);
    assert_eq!(report.errors[0].hint.as_deref(), Some(AS_STORED));
    assert_eq!(desk.entries(), before);
    adopted(&desk, &of("fake"), &["a"]);
    assert!(is_present(&rekeyed(&desk, &of(VAULT), false).0));
}

#[test]
fn one_of_several_files_is_not_replaced_in_what_is_older() {
    let fleet = || Fleet::new().machine("web1").secret("a").file("two").secret("b").public("p").secret("c");
    let (desk, old, _) = desk_of(&fleet());
    copied(&old, &desk.entry("per-machine"));
    let before = desk.entries();
    for (instance, file) in [(A, "f"), (A, "two"), (B, "f"), (B, "p")] {
        let report = set(&desk, &fleet(), instance, file, "mine");
        assert_eq!(messages(&report), [OLDER], "{instance} {file}");
        let hint = report.errors[0].hint.as_deref().unwrap_or_default();
        assert!(hint.starts_with(&format!("keep: `artifacts adopt {instance}`; undo: ")), "{hint}");
        assert_eq!(desk.entries(), before);
    }
    // One that is all of its artifact takes the place of the older value, unless it is made from that.
    let c = "per-machine/web1/c";
    let opens = Set { opens: true, ..setting(c, "f") };
    let mut edited = run(&desk, &fleet());
    let selection = edited.select_one(&name(c));
    let agreed = edited.survey(&selection).lock(opens).agree();
    assert!(!agreed.is_open());
    assert_eq!(messages(&agreed.give_up()), [OLDER]);
    drop(edited);
    assert_eq!(desk.entries(), before);
    let report = set(&desk, &fleet(), c, "f", "mine");
    assert!(report.errors.is_empty() && state(&report, c) == InstanceState::Present, "{:?}", report.errors);
    adopted(&desk, &fleet(), &["a", "b"]);
    assert!(is_present(&set(&desk, &fleet(), A, "two", "mine")));
}

#[test]
fn a_machine_that_stored_nothing_here_takes_what_it_finds() {
    let (desk, old, _) = desk();
    copied(&old, &desk.entry("per-machine"));
    std::fs::remove_dir_all(desk.state().join("headers")).unwrap();
    assert!(is_present(&status(&desk, &fleet())));
}

#[test]
fn a_value_that_another_machine_stored_since_is_no_older_one() {
    let (mut desk, ..) = desk();
    // What this machine knows stays as it was before.
    let (state, kept) = (desk.state().join("headers"), desk.root().join("kept"));
    copied(&state, &kept);
    desk.now += Duration::from_secs(5);
    generated_with(&desk, &fleet(), &[], Generate { replaces: Replaces::All, ..Generate::default() });
    copied(&kept, &state);
    assert!(is_present(&status(&desk, &fleet())));
}
