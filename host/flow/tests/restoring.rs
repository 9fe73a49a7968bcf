//! What comes back from the trash, after a yes.
#![allow(clippy::unwrap_used)]

use crate::fakes;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fakes::{
    A, B, Desk, Fleet, files, generated, generated_with, messages, pruned, read, reasons, rekeyed, run, selectors,
    state,
};
use artifacts_flow::{Answer, Generate, Replaces, Report, Restore};
use artifacts_plan::InstanceState;

const OLD: &str = "per-machine/web1/a/f#1";
const NEW: &str = "per-machine/web1/a/f#2";

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

fn two() -> Fleet {
    one().secret("b")
}

/// Lets time pass, so that each entry goes to the trash in a second of its own.
fn later(desk: &mut Desk) {
    desk.now += Duration::from_secs(1);
}

/// A desk on which `a` was generated twice.
fn replaced() -> Desk {
    let mut desk = Desk::new();
    generated(&desk, &one());
    later(&mut desk);
    generated_with(&desk, &one(), &[], Generate { replaces: Replaces::All, ..Generate::default() });
    later(&mut desk);
    desk.take_said();
    desk
}

fn restored(desk: &Desk, fleet: &Fleet, words: &[&str], at: Option<&str>) -> Report {
    let mut run = run(desk, fleet);
    let selection = run.select_trashed(&selectors(words));
    let restore = Restore { at: at.map(str::to_owned) };
    let report = run.survey(&selection).lock(restore).agree().restore().finish();
    drop(run);
    assert!(desk.is_unlocked());
    report
}

/// Paths and bytes of everything in the checkout and in what this machine knows, but the accepted recipients.
fn everything(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let (mut all, mut folders) = (BTreeMap::new(), vec![desk.root(), desk.state().join("trash")]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = if path.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
            all.insert(path.display().to_string(), bytes);
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    all
}

#[test]
fn the_old_value_comes_back_and_then_the_new_one() {
    let mut desk = replaced();
    assert_eq!(read(&desk, &one(), A, "f"), NEW);
    for value in [OLD, NEW, OLD] {
        let report = restored(&desk, &one(), &["a"], None);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        assert_eq!(state(&report, A), InstanceState::Present);
        assert_eq!(desk.take_said(), ["restore 1?"]);
        assert_eq!(read(&desk, &one(), A, "f"), value);
        assert_eq!(files(&desk.trash()).len(), 1, "what it replaced");
        assert!(report.restorable[0].replaced.is_some());
        later(&mut desk);
    }
}

#[test]
fn what_was_pruned_comes_back_and_is_orphaned_while_nothing_declares_it() {
    let mut desk = Desk::new();
    generated(&desk, &two());
    later(&mut desk);
    pruned(&desk, &one());
    let report = restored(&desk, &one(), &["b"], None);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert!(report.restorable[0].notes[0].starts_with("no longer declared"), "{:?}", report.restorable);
    assert_eq!((report.orphaned.len(), report.exit_status()), (1, 3));
    assert_eq!(state(&fakes::status(&desk, &two()), B), InstanceState::Present);
    // Declared again, it is as it was.
    pruned(&desk, &one());
    let report = restored(&desk, &two(), &[B], None);
    assert_eq!((state(&report, B), report.exit_status()), (InstanceState::Present, 0));
    assert_eq!(read(&desk, &two(), B, "f"), "per-machine/web1/b/f#2");
    assert!(files(&desk.trash()).is_empty());
}

#[test]
fn a_no_a_preview_and_no_one_to_ask_change_nothing() {
    let desk = replaced();
    let before = everything(&desk);
    let no = "nothing changed: 1 entry was not restored";
    for (answer, message) in
        [(Answer::No, no), (Answer::NoOne, "confirmation is required, but no terminal is available")]
    {
        desk.answer([answer]);
        let report = restored(&desk, &one(), &["a"], None);
        assert_eq!((messages(&report), report.restorable.len()), (vec![message], 0));
        assert_eq!(everything(&desk), before);
    }
    let mut run = run(&desk, &one());
    let selection = run.select_trashed(&selectors(&["a"]));
    let report = run.survey(&selection).preview(&Restore::default());
    assert!(report.errors.is_empty() && report.restorable.len() == 1, "{:?}", report.errors);
    assert_eq!(run.list_trash().restorable.len(), 1);
    drop(run);
    assert_eq!(everything(&desk), before);
    assert_eq!(desk.take_said(), ["restore 1?", "restore 1?"]);
}

#[test]
fn that_someone_who_left_can_decrypt_it_is_shown_and_asked() {
    let mut desk = Desk::new();
    desk.world.borrow_mut().recipients(&["admin", "gone"]);
    generated(&desk, &one());
    later(&mut desk);
    desk.world.borrow_mut().recipients(&["admin"]);
    rekeyed(&desk, &one(), false);
    later(&mut desk);
    desk.take_said();
    let before = everything(&desk);
    // Yes to the entry is no yes to who can decrypt it.
    for answer in [Answer::No, Answer::NoOne] {
        desk.answer([Answer::Yes { by: "test" }, answer]);
        let report = restored(&desk, &one(), &["a"], None);
        assert_eq!((report.errors.len(), report.restorable.len()), (1, 0), "{:?}", report.errors);
        assert_eq!(desk.take_said(), ["restore 1?", "recipients +gone (1)?"]);
        assert_eq!(everything(&desk), before);
    }
    for _ in 0..2 {
        let report = restored(&desk, &one(), &["a"], None);
        assert!(report.errors.is_empty(), "{:?}", report.errors);
        let row = &report.restorable[0];
        assert_eq!(row.unaccepted.iter().collect::<Vec<_>>(), ["gone"]);
        assert_eq!(row.newer, None, "it is the same value");
        assert_eq!(
            report.rows[&A.parse().unwrap()].recipients,
            Some(2),
            "those that it has, not those that are declared"
        );
        // It was no consent to encrypt to them: they are asked about the next time as well.
        assert_eq!(desk.take_said(), ["restore 1?", "recipients +gone (1)?"]);
        assert_eq!(reasons(&report, A), ["recipients"]);
        assert_eq!(report.exit_status(), 3);
        later(&mut desk);
        rekeyed(&desk, &one(), false);
        later(&mut desk);
        desk.take_said();
    }
}

/// The secret values that are stored and in the trash.
fn all_values(desk: &Desk) -> Vec<String> {
    let mut values = desk.values();
    for trashed in files(&desk.trash()) {
        let text = std::fs::read_to_string(desk.trash().join(trashed).join("f.fake")).unwrap();
        values.push(text.split_once('\n').unwrap().1.to_owned());
    }
    values.sort();
    values
}

#[test]
fn a_run_that_is_killed_at_any_step_loses_no_value_and_the_next_goes_on() {
    let fleet = two().secret("c");
    let mut kills = 0;
    for at in 1.. {
        let mut desk = Desk::new();
        generated(&desk, &fleet);
        let old = desk.values();
        later(&mut desk);
        generated_with(&desk, &fleet, &[], Generate { replaces: Replaces::All, ..Generate::default() });
        later(&mut desk);
        let before = all_values(&desk);
        assert_eq!(before.len(), 6);
        desk.killed_at = Some(at);
        restored(&desk, &fleet, &[], None);
        assert_eq!(all_values(&desk), before, "killed at {at}");
        let is_through = desk.steps.load(Ordering::Relaxed) < at;
        desk.killed_at = None;
        later(&mut desk);
        // What came back would go again by the same command.
        for name in desk.entries().into_iter().filter(|(_, value)| !old.contains(value)).map(|(path, _)| path) {
            let report = restored(&desk, &fleet, &[name.trim_start_matches("secrets/")], None);
            assert!(report.errors.is_empty(), "killed at {at}: {:?}", report.errors);
        }
        assert_eq!((desk.values(), all_values(&desk)), (old, before), "killed at {at}");
        assert!(fakes::status(&desk, &fleet).rows.values().all(|row| row.state == InstanceState::Present));
        if is_through {
            break;
        }
        kills += 1;
    }
    assert!(kills > 10, "{kills} steps are too few");
}

#[test]
fn a_value_older_than_another_is_shown_as_that() {
    let desk = replaced();
    let rows = |report: Report| report.restorable.iter().map(|row| row.newer.clone()).collect::<Vec<_>>();
    let newer = rows(restored(&desk, &one(), &["a"], None));
    assert_eq!(newer, [Some("2027-01-15T08:00:01Z".to_owned())]);
    assert_eq!(rows(restored(&desk, &one(), &["a"], None)), [None], "it is the newest again");
}

#[test]
fn an_entry_is_named_by_its_time_and_by_more_where_two_have_the_same() {
    let mut desk = replaced();
    let regenerate = || Generate { replaces: Replaces::All, ..Generate::default() };
    generated_with(&desk, &one(), &[], regenerate());
    // In the same second.
    generated_with(&desk, &one(), &[], regenerate());
    later(&mut desk);
    let rows = run(&desk, &one()).list_trash().restorable;
    let at: Vec<&str> = rows.iter().map(|row| row.at.as_str()).collect();
    assert_eq!(at.len(), 3);
    assert_eq!(at[0], "2027-01-15T08:00:01Z");
    assert!(at[1..].iter().all(|at| at.starts_with("2027-01-15T08:00:02Z-")), "{at:?}");
    let before = everything(&desk);
    for (wrong, why) in [
        (None, "2 entries of this time are in the trash"),
        (Some("2027"), "3 entries of this time are in the trash"),
        (Some("2026"), "no entry of this time is in the trash: `2026`"),
    ] {
        let report = restored(&desk, &one(), &["a"], wrong);
        assert_eq!(messages(&report), [why]);
        assert!(
            at.iter().skip(usize::from(wrong.is_none())).all(|at| report.errors[0].hint.as_ref().unwrap().contains(at))
        );
    }
    assert_eq!(everything(&desk), before);
    assert!(restored(&desk, &one(), &["a"], Some(at[1])).errors.is_empty());
    // Which one is first is random.
    assert!([NEW, "per-machine/web1/a/f#3"].contains(&read(&desk, &one(), A, "f").as_str()));
    later(&mut desk);
    assert!(restored(&desk, &one(), &["a"], Some("2027-01-15T08:00:01")).errors.is_empty());
    assert_eq!(read(&desk, &one(), A, "f"), OLD);
}

#[test]
fn what_was_changed_or_planted_in_the_trash_is_not_brought_back() {
    let desk = replaced();
    let trashed = desk.trash().join(&files(&desk.trash())[0]);
    let planted = "2027-01-15T09:00:00Z-0011223344556677-per-machine+web1+a";
    let copy = desk.trash().join(planted);
    std::fs::create_dir(&copy).unwrap();
    for file in files(&trashed) {
        std::fs::copy(trashed.join(&file), copy.join(&file)).unwrap();
    }
    assert_eq!(run(&desk, &one()).list_trash().restorable.len(), 1, "what was planted is not offered");
    let report = restored(&desk, &one(), &["a"], Some("2027-01-15T09"));
    assert_eq!(messages(&report), ["no entry of this time is in the trash: `2027-01-15T09`"]);
    std::fs::write(trashed.join("f.fake"), "mallory\nvalue").unwrap();
    for report in [run(&desk, &one()).list_trash(), restored(&desk, &one(), &["a"], None)] {
        assert!(report.restorable.is_empty());
        assert!(messages(&report)[0].contains("another program changed it"), "{:?}", report.errors);
    }
    let report = restored(&desk, &one(), &["b"], None);
    assert_eq!(messages(&report), ["nothing that this machine moved to the trash matches this selector"]);
    assert_eq!(read(&desk, &one(), A, "f"), NEW);
}

#[test]
fn what_another_run_stores_while_a_person_is_asked_is_not_replaced() {
    let desk = replaced();
    let stored = desk.entry(A).join("f.fake");
    let written = stored.clone();
    *desk.meanwhile.borrow_mut() = Some(Box::new(move || std::fs::write(written, "admin,host\nnewest").unwrap()));
    let report = restored(&desk, &one(), &["a"], None);
    assert_eq!((report.errors.len(), report.restorable.len()), (1, 0));
    assert!(messages(&report)[0].contains("another process changed this entry"), "{:?}", report.errors);
    assert_eq!(std::fs::read_to_string(stored).unwrap(), "admin,host\nnewest");
    assert_eq!(run(&desk, &one()).list_trash().restorable.len(), 1, "what was asked for is still there");
}

#[test]
fn what_is_old_enough_to_leave_the_trash_comes_back_all_the_same() {
    let mut desk = replaced();
    desk.now += Duration::from_hours(24 * 31);
    assert!(desk.is_unlocked(), "a run finds it old enough");
    desk.now += Duration::from_hours(24 * 2);
    let report = restored(&desk, &one(), &["a"], None);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(read(&desk, &one(), A, "f"), OLD);
}
