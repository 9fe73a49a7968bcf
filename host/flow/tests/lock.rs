//! A storage that another run holds.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroUsize;

use crate::fakes::{Desk, Fleet, run};
use artifacts_flow::{Generate, Report, generate};
use artifacts_store::{Root, Storage, Writer, WriterOptions};

fn generated(desk: &Desk) -> Report {
    let fleet = Fleet::new().machine("web1").secret("a");
    generate(&mut run(desk, &fleet), &[], &Generate::default(), NonZeroUsize::MIN)
}

/// Another run, which holds the lock until it is dropped.
fn other(desk: &Desk) -> Writer {
    let storage = Storage::open(&Root::open(&desk.root()).unwrap(), "secrets").unwrap();
    storage.lock(WriterOptions::at(desk.now)).unwrap()
}

#[test]
fn a_held_lock_is_waited_for() {
    let desk = Desk::new();
    let other = other(&desk);
    desk.waits.set(true);
    *desk.meanwhile.borrow_mut() = Some(Box::new(move || drop(other)));
    let report = generated(&desk);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    let said = desk.take_said();
    assert_eq!(said.iter().filter(|text| *text == "waiting for secrets").count(), 1, "{said:?}");
    assert_eq!(said.first().unwrap(), "waiting for secrets", "nothing is asked before");
}

#[test]
fn who_waits_can_stop() {
    let desk = Desk::new();
    let _other = other(&desk);
    desk.waits.set(true);
    let cancel = desk.cancel.clone();
    *desk.meanwhile.borrow_mut() = Some(Box::new(move || cancel.set()));
    let report = generated(&desk);
    assert!(report.errors[0].message.contains("interrupted while another artifacts held the lock"), "{report:?}");
    assert!(!desk.entry("per-machine/web1/a").exists());
}

#[test]
fn who_does_not_wait_fails_at_once() {
    let desk = Desk::new();
    let _other = other(&desk);
    let report = generated(&desk);
    assert!(report.errors[0].message.contains("in use by another run"), "{report:?}");
    assert!(desk.take_said().is_empty());
}
