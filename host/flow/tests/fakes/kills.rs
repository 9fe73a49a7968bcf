//! A long run that is killed again and again.

use std::sync::atomic::Ordering;

use artifacts_flow::Report;

use super::{Desk, Fleet, generated};

const COUNT: usize = 1000;
const KILLS: u64 = 10;
/// So many of which the changes of the storages are counted.
const FEW: usize = 10;

/// Draws the same numbers in each run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// So many artifacts of a machine with this backend.
pub fn many(count: usize, backend: &str) -> Fleet {
    let add = |fleet: Fleet, at: usize| fleet.secret(&format!("a{at}")).backend(backend);
    (0..count).fold(Fleet::new().machine("web1"), add)
}

/// Kills a change of a thousand entries ten times and then lets it end: no value is lost or there twice, and what is done stays so.
/// Done is what has a path like that.
pub fn survives_ten_kills(before: fn(usize) -> Fleet, change: fn(&Desk, usize) -> Report, is_done: fn(&str) -> bool) {
    let few = Desk::new();
    generated(&few, &before(FEW));
    change(&few, FEW);
    let all = few.steps.load(Ordering::Relaxed) * (COUNT / FEW) as u64;

    let mut desk = Desk::new();
    generated(&desk, &before(COUNT));
    let values = desk.values();
    assert_eq!(values.len(), COUNT);
    let (mut draws, mut done) = (Draws(18), 0);
    for _ in 0..KILLS {
        let at = 1 + draws.below(all / KILLS);
        desk.killed_at = Some(at);
        change(&desk, COUNT);
        assert!(desk.steps.load(Ordering::Relaxed) >= at, "it came to its end before {at}");
        assert_eq!(desk.values(), values, "killed at {at}");
        let now = desk.entries().keys().filter(|path| is_done(path)).count();
        assert!(now >= done, "what was done stays so");
        done = now;
    }
    assert!((COUNT / 4..COUNT).contains(&done), "{done}");
    desk.killed_at = None;
    let report = change(&desk, COUNT);
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((desk.values(), desk.entries().len()), (values, COUNT));
    assert!(desk.entries().keys().all(|path| is_done(path)));
}
