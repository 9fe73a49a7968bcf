//! A checkout that goes back to an older value than this machine stored: that is shown, and nothing takes it for the current one.
#![allow(clippy::unwrap_used)]

mod fakes;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use artifacts_flow::{Generate, Report};
use artifacts_plan::{Cause, InstanceState};
use fakes::{
    A, B, Desk, Fleet, TWIN, adopted, generated, generated_with, messages, name, read, reasons, rekeyed, state, status,
};

fn fleet() -> Fleet {
    Fleet::new().machine("web1").secret("a").secret("b").depends_on("a")
}

fn copied(from: &PathBuf, to: &PathBuf) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// A desk on which all was generated twice, and the copies of each time.
fn desk() -> (Desk, PathBuf, PathBuf) {
    let mut desk = Desk::new();
    generated(&desk, &fleet());
    let (old, new) = (desk.root().join("old"), desk.root().join("new"));
    copied(&desk.entry("per-machine"), &old);
    desk.now += Duration::from_secs(5);
    generated_with(&desk, &fleet(), &[], Generate { regenerate: true, ..Generate::default() });
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
        let why = "generated 2027-01-15T08:00:00Z: older than the last value that this machine stored, \
                   generated 2027-01-15T08:00:05Z";
        assert_eq!((reason.message.as_str(), &reason.cause), (why, &Cause::Older));
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
    generated_with(&desk, &fleet(), &[], Generate { regenerate: true, ..Generate::default() });
    copied(&kept, &state);
    assert!(is_present(&status(&desk, &fleet())));
}
