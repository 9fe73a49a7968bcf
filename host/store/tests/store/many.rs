//! 10,000 entries are stored, read, compared with their receipts and listed. How long that takes is measured by `cargo xtask bench`.

use artifacts_store::{Durability, WriterOptions};

use crate::support::*;

const ENTRIES: u32 = 10_000;

#[test]
fn ten_thousand_entries() {
    let checkout = Checkout { dir: tempfile::tempdir_in("/dev/shm").unwrap() };
    let writer =
        checkout.storage().lock(WriterOptions { durability: Durability::NoSync, ..WriterOptions::at(now()) }).unwrap();
    let cipher = "c".repeat(600);
    let names: Vec<_> = (0..ENTRIES).map(|number| format!("per-machine/m{}/a{}", number % 100, number / 100)).collect();
    for instance in &names {
        put(&writer, instance, &[("one.age", &cipher), ("two.age", &cipher)], &[]).unwrap();
    }
    let storage = checkout.storage();
    for instance in &names {
        assert_eq!(storage.read(&name(instance)).unwrap().unwrap().differences(), []);
    }
    assert_eq!(storage.list().unwrap().entries.len(), names.len());
}
