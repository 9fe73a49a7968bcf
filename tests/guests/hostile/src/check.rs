use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Failure, Instance, Plan, State, anywhere, path};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The state, true or not.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance) -> Result<State, Failure> {
    let stale = |kind: &str, sentence: &str| State::Stale(vec![(kind.to_owned(), sentence.to_owned())]);
    Ok(match plan.mode.as_str() {
        "absent" => State::Absent,
        "stale" => stale("files", "something is not as it should be"),
        "stale-nothing" => State::Stale(Vec::new()),
        "stale-huge" => State::Stale(vec![("kind".repeat(1 << 18), "sentence".repeat(1 << 18)); 4]),
        "stale-many" => State::Stale(vec![("files".to_owned(), "again".to_owned()); 1_000_000]),
        "stale-control" => stale("\u{1b}[2J", "\r\nforged: all is well\u{7}\u{202e}"),
        "changing" if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => State::Absent,
        "present" | "changing" => State::Present,
        _ => {
            anywhere::run(plan)?;
            truth(instance)
        }
    })
}

fn truth(instance: &Instance) -> State {
    let there = |name: &str| std::fs::exists(path(name)).unwrap_or(false);
    let lying = instance.files.iter().filter(|file| there(&file.name)).count();
    if lying == instance.files.len() {
        State::Present
    } else if lying == 0 {
        State::Absent
    } else {
        State::Stale(vec![("files".to_owned(), format!("{lying} of {} are there", instance.files.len()))])
    }
}
