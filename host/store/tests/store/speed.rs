//! 10,000 entries are read and compared with their receipts in a small part of a second.

use artifacts_store::{Durability, Options};
use rustix::time::{ClockId, clock_gettime};

use crate::support::*;

const ENTRIES: u32 = 10_000;

fn cpu_micros() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

#[test]
fn ten_thousand_entries() {
    let checkout = Checkout { dir: tempfile::tempdir_in("/dev/shm").unwrap() };
    let writer = checkout.storage().lock(Options { durability: Durability::NoSync, ..Options::at(now()) }).unwrap();
    let cipher = "c".repeat(600);
    let names: Vec<_> = (0..ENTRIES).map(|number| format!("per-machine/m{}/a{}", number % 100, number / 100)).collect();
    let start = cpu_micros();
    for instance in &names {
        put(&writer, instance, &[("one.age", &cipher), ("two.age", &cipher)], &[]).unwrap();
    }
    let written = cpu_micros() - start;

    let storage = checkout.storage();
    let names: Vec<_> = names.iter().map(|instance| name(instance)).collect();
    let start = cpu_micros();
    for instance in &names {
        assert_eq!(storage.read(instance).unwrap().unwrap().differences(), []);
    }
    let read = cpu_micros() - start;
    let start = cpu_micros();
    assert_eq!(storage.list().unwrap().entries.len(), names.len());
    let listed = cpu_micros() - start;
    let each = |micros: i64| micros / i64::from(ENTRIES);
    eprintln!(
        "µs of CPU an entry: {} read and hashed, {} listed, {} committed unsynced",
        each(read),
        each(listed),
        each(written)
    );
    assert!(read < 600_000, "{read} µs for {ENTRIES} entries");
}
