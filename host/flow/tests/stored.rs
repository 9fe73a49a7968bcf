//! What a backend wrote, on its way into the storage: looked at once more, and known to this machine before it is stored.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use crate::fakes::{A, B, Desk, Fleet, age_file, generated, messages, read, rekeyed, set};
use artifacts_flow::Tally;
use artifacts_trust::KnownHeaders;

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

fn two() -> Fleet {
    one().secret("b")
}

/// Whether this machine knows the header of an age file, by its number.
fn knows(desk: &Desk, number: usize) -> bool {
    let mut known = KnownHeaders::new(desk.state().join("headers"), desk.state().join("sealed"));
    let header = artifacts_age::header_hash(&age_file(number)).unwrap();
    !known.places(&header).unwrap().is_empty()
}

/// Does something at the call of this number, from now on.
fn at_call(desk: &Desk, number: usize, act: impl Fn() + 'static) {
    let calls = Cell::new(0);
    desk.world.borrow_mut().hook = Some(Box::new(move || {
        calls.set(calls.get() + 1);
        if calls.get() == number {
            act();
        }
    }));
}

/// Puts a directory or a file where another thing is expected.
fn block(path: &std::path::Path) {
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_dir_all(path);
    std::fs::create_dir(path.parent().unwrap()).ok();
    if path.extension().is_some() { std::fs::create_dir(path).unwrap() } else { std::fs::write(path, "").unwrap() }
}

#[test]
fn headers_of_what_is_stored_are_known_and_no_others() {
    let desk = Desk::new();
    desk.world.borrow_mut().seals = true;
    generated(&desk, &two());
    assert!(knows(&desk, 1) && knows(&desk, 2));
    desk.world.borrow_mut().spoils.insert(B.to_owned());
    let (report, tally) = rekeyed(&desk, &two(), true);
    assert_eq!(tally, Tally { steps: 2, done: 1, dropped: 1, unreached: 0 }, "{:?}", report.errors);
    assert_eq!(report.errors[0].subject, B);
    assert!(knows(&desk, 3), "that of what was stored");
    assert!(!knows(&desk, 4), "what its own backend rejects is not stored, and gives nothing a place");
    assert_eq!(std::fs::read(desk.entry(A).join("f.age")).unwrap(), age_file(3));
    assert_eq!(std::fs::read(desk.entry(B).join("f.age")).unwrap(), age_file(2));
}

#[test]
fn a_bundled_backend_is_asked_once_in_a_run_about_the_same() {
    for (bundled, surveys) in [(true, 1), (false, 2)] {
        let desk = Desk::new();
        generated(&desk, &one());
        desk.world.borrow_mut().bundled = bundled;
        desk.world.borrow_mut().calls.clear();
        assert_eq!(rekeyed(&desk, &one(), true).1.done, 1);
        let calls = desk.world.borrow().calls.clone();
        let checks = calls.iter().filter(|call| call.starts_with("check")).count();
        assert_eq!(checks, surveys + 1, "and about what it wrote: {calls:?}");
    }
}

#[test]
fn nothing_is_stored_that_this_machine_cannot_note_and_what_needs_no_note_is() {
    let desk = Desk::new();
    desk.world.borrow_mut().seals = true;
    let fleet = Fleet::new().machine("web1").secret("a").artifact("p").public("p");
    generated(&desk, &fleet);
    let headers = desk.state().join("headers");
    // Two surveys, the decryption, the call that writes, then this.
    at_call(&desk, 5, move || block(&headers));
    let (report, tally) = rekeyed(&desk, &fleet, true);
    assert_eq!(tally, Tally { steps: 2, done: 1, dropped: 1, unreached: 0 }, "{:?}", report.errors);
    assert_eq!(report.errors[0].subject, A);
    assert_eq!(std::fs::read(desk.entry(A).join("f.age")).unwrap(), age_file(1));
}

#[test]
fn what_keeps_a_backend_from_looking_is_a_failure_of_each_that_it_wrote() {
    let desk = Desk::new();
    generated(&desk, &two());
    let log = desk.audit_log();
    // Two surveys, two decryptions, two calls that write, then this.
    at_call(&desk, 7, move || block(&log));
    let (report, tally) = rekeyed(&desk, &two(), true);
    assert_eq!((tally.done, tally.dropped), (0, 2));
    let subjects: Vec<&str> = report.errors.iter().map(|failure| failure.subject.as_str()).collect();
    assert_eq!(subjects, [A, B], "{:?}", report.errors);
    assert!(messages(&report).iter().all(|message| message.contains("audit")), "{:?}", report.errors);
}

#[test]
fn a_backend_that_rejects_what_it_wrote_is_wrong_unless_other_files_may_be() {
    // Of two files one is set; one file is set and is all; all files are written.
    let incomplete = "the artifact is still incomplete after storing this file";
    let rejected = "the backend rejected its own output";
    for (fleet, is_set, message) in
        [(one().file("g"), true, incomplete), (one(), true, rejected), (one().file("g"), false, rejected)]
    {
        let desk = Desk::new();
        generated(&desk, &fleet);
        desk.world.borrow_mut().spoils.insert(A.to_owned());
        let report = if is_set { set(&desk, &fleet, A, "f", "mine") } else { rekeyed(&desk, &fleet, true).0 };
        assert_eq!(messages(&report), [message]);
        desk.world.borrow_mut().spoils.clear();
        assert_eq!(read(&desk, &fleet, A, "f"), format!("{A}/f#1"), "nothing was changed");
    }
}
