//! Entries in two storages.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use crate::fakes::{
    A, B, Desk, Fleet, TWIN, VAULT, files, generated, generated_with, messages, pruned, reasons, status,
};
use artifacts_flow::{Generate, Replaces};
use artifacts_store::{Root, Storage, Writer, WriterOptions};

fn one() -> Fleet {
    Fleet::new().machine("web1").secret("a")
}

/// The directory of an entry in the other storage.
fn in_vault(desk: &Desk, name: &str) -> PathBuf {
    desk.root().join(VAULT).join(name)
}

/// Another run that writes to the other storage.
fn locked(desk: &Desk) -> Writer {
    let storage = Storage::open(&Root::open(&desk.root()).unwrap(), VAULT).unwrap();
    storage.lock(WriterOptions::at(desk.now)).unwrap()
}

#[test]
fn a_value_that_is_generated_for_another_storage_takes_the_place_of_the_old_entry() {
    for is_locked in [false, true] {
        let desk = Desk::new();
        generated(&desk, &one().backend(VAULT));
        assert!(in_vault(&desk, A).exists());
        assert_eq!(reasons(&status(&desk, &one()), A), ["backend"]);
        let _lock = is_locked.then(|| locked(&desk));
        let report = generated_with(&desk, &one(), &[A], Generate { replaces: Replaces::All, ..Generate::default() });
        assert_eq!(report.errors.len(), usize::from(is_locked), "{:?}", report.errors);
        assert_eq!((in_vault(&desk, A).exists(), desk.entry(A).exists()), (is_locked, !is_locked));
        let trash = files(&desk.root().join(VAULT).join(".artifacts/trash"));
        assert_eq!(trash.len(), usize::from(!is_locked), "{trash:?}");
    }
}

#[test]
fn a_backend_is_given_nothing_that_another_one_stored() {
    let desk = Desk::new();
    desk.world.borrow_mut().seals = true;
    generated(&desk, &one());
    assert_eq!(files(&desk.entry(A)), ["f.age", "f.fake", "receipt.json"]);
    desk.world.borrow_mut().seals = false;
    let again = Generate { replaces: Replaces::All, ..Generate::default() };
    // Its own files are there for it, and stay where it leaves them.
    generated_with(&desk, &one(), &[A], again);
    assert_eq!(files(&desk.entry(A)), ["f.age", "f.fake", "receipt.json"]);
    let report = generated_with(&desk, &one().backend(TWIN), &[A], again);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(files(&desk.entry(A)), ["f.twin", "receipt.json"]);
}

#[test]
fn entries_of_one_name_in_two_storages_are_trashed_each_for_itself() {
    for is_locked in [false, true] {
        let desk = Desk::new();
        generated(&desk, &one().secret("b"));
        std::fs::create_dir_all(in_vault(&desk, B)).unwrap();
        for file in files(&desk.entry(B)) {
            std::fs::copy(desk.entry(B).join(&file), in_vault(&desk, B).join(&file)).unwrap();
        }
        let _lock = is_locked.then(|| locked(&desk));
        let report = pruned(&desk, &one());
        assert_eq!(report.trashed.len(), if is_locked { 1 } else { 2 });
        assert_eq!((in_vault(&desk, B).exists(), desk.entry(B).exists()), (is_locked, false));
        let failed: Vec<bool> = messages(&report).iter().map(|message| message.contains("in use")).collect();
        assert_eq!(failed, vec![true; usize::from(is_locked)], "{:?}", report.errors);
    }
}
