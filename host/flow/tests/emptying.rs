//! What leaves the trash for good, after a yes.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::fakes::{A, B, Desk, Fleet, files, generated, generated_with, messages, pruned, read, run, selectors};
use artifacts_flow::{Answer, EmptyTrash, Generate, Replaces, Report};
use artifacts_report::RowAction;

fn two() -> Fleet {
    Fleet::new().machine("web1").secret("a").secret("b")
}

/// A desk with two entries of `a` and one of `b` in the trash.
fn desk() -> Desk {
    let mut desk = Desk::new();
    generated(&desk, &two());
    for _ in 0..2 {
        desk.now += Duration::from_secs(1);
        generated_with(&desk, &two(), &["a"], Generate { replaces: Replaces::All, ..Generate::default() });
    }
    desk.now += Duration::from_secs(1);
    pruned(&desk, &Fleet::new().machine("web1").secret("a"));
    desk.take_said();
    desk
}

fn emptied(desk: &Desk, words: &[&str]) -> Report {
    let mut run = run(desk, &two());
    let selection = run.select_emptied(&selectors(words));
    let report = run.survey(&selection).lock(EmptyTrash).agree().empty().finish();
    drop(run);
    assert!(desk.is_unlocked());
    report
}

fn rows(report: &Report) -> Vec<(String, String, RowAction)> {
    report.restorable.iter().map(|row| (row.name.to_string(), row.at.clone(), row.done.unwrap())).collect()
}

#[test]
fn what_was_moved_to_the_trash_goes_for_good_after_one_yes() {
    let desk = desk();
    let before = desk.entries();
    let report = emptied(&desk, &[]);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(desk.take_said(), ["remove 3?"]);
    let gone = |name: &str, time: &str| (name.to_owned(), time.to_owned(), RowAction::Removed);
    let expected = [gone(A, "2027-01-15T08:00:01Z"), gone(A, "2027-01-15T08:00:02Z"), gone(B, "2027-01-15T08:00:03Z")];
    assert_eq!(rows(&report), expected);
    assert_eq!(report.restorable[2].notes, ["no value of it is stored any more"]);
    assert!(report.restorable[0].notes.is_empty());
    assert_eq!((files(&desk.trash()), files(&desk.state().join("trash"))), (Vec::new(), Vec::new()));
    assert_eq!((desk.entries(), report.exit_status()), (before, 0), "nothing outside of the trash");
    assert!(run(&desk, &two()).list_trash().restorable.is_empty());
    let log = std::fs::read_to_string(desk.audit_log()).unwrap();
    assert_eq!(log.matches(r#""about":"removal""#).count(), 3, "{log}");
    // There is nothing left to ask about.
    assert!(emptied(&desk, &[]).errors.is_empty());
    assert_eq!(desk.take_said(), ["the trash is empty"]);
}

#[test]
fn only_what_is_selected_goes() {
    let desk = desk();
    assert_eq!(emptied(&desk, &["web1/a"]).restorable.len(), 2);
    assert_eq!(desk.take_said(), ["remove 2?"]);
    let report = emptied(&desk, &["web1/a"]);
    assert_eq!(messages(&report), ["nothing that this machine moved to the trash matches this selector"]);
    assert_eq!(run(&desk, &two()).list_trash().restorable.len(), 1);
}

#[test]
fn a_no_a_preview_and_no_one_to_ask_remove_nothing() {
    let desk = desk();
    let before = files(&desk.trash());
    let no = "nothing changed: 3 entries were not removed from the trash";
    for (answer, message) in
        [(Answer::No, no), (Answer::NoOne, "confirmation is required, but no terminal is available")]
    {
        desk.answer([answer]);
        let report = emptied(&desk, &[]);
        assert_eq!((messages(&report), report.restorable.len()), (vec![message], 0));
        assert_eq!(files(&desk.trash()), before);
    }
    let mut run = run(&desk, &two());
    let selection = run.select_emptied(&[]);
    let report = run.survey(&selection).preview(&EmptyTrash);
    assert!(rows(&report).iter().all(|(.., done)| *done == RowAction::WouldRemove));
    assert_eq!((files(&desk.trash()), report.exit_status()), (before, 0));
}

#[test]
fn what_another_program_put_there_or_changed_is_left_and_named() {
    let desk = desk();
    let names = files(&desk.trash());
    let planted = "2027-01-15T09:00:00Z-0011223344556677-shared+x";
    std::fs::create_dir(desk.trash().join(planted)).unwrap();
    std::fs::write(desk.trash().join(&names[0]).join("f.fake"), "mallory\nvalue").unwrap();
    let report = emptied(&desk, &[]);
    assert_eq!(report.restorable.len(), 2);
    assert!(messages(&report)[0].starts_with("left in the trash: "), "{:?}", report.errors);
    assert!(messages(&report)[0].contains("another program changed it"), "{:?}", report.errors);
    assert_eq!(files(&desk.trash()), [names[0].clone(), planted.to_owned()]);
    let said = desk.take_said();
    assert!(
        said[0].starts_with("1 entry in `secrets/.artifacts/trash` was not moved there by this machine"),
        "{said:?}"
    );
}

#[test]
fn what_changes_while_a_person_is_asked_is_left() {
    let desk = desk();
    let one = desk.trash().join(&files(&desk.trash())[0]).join("f.fake");
    *desk.meanwhile.borrow_mut() = Some(Box::new(move || std::fs::write(one, "admin,host\nanother").unwrap()));
    let report = emptied(&desk, &[]);
    assert_eq!((report.restorable.len(), report.errors.len()), (2, 1), "{:?}", report.errors);
    assert_eq!(files(&desk.trash()).len(), 1);
    assert_eq!(read(&desk, &two(), A, "f"), format!("{A}/f#4"));
}
