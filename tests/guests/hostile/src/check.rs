use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bindings::exports::artifacts::backend::storage::{Reason, ReasonKind, Stale};
use crate::{Entry, Failure, Instance, Plan, State, anywhere, path, resource};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The state, true or not.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance, entry: &Entry) -> Result<State, Failure> {
    Ok(match plan.mode.as_str() {
        "absent" => State::Absent,
        "stale" => stale("something is not as it should be", 0),
        "stale-huge" => stale(&"sentence".repeat(1 << 18), 3),
        "stale-many" => stale("again", 999_999),
        "stale-control" => stale("\r\nforged: all is well\u{7}\u{202e}", 0),
        "changing" if CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => State::Absent,
        "present" | "changing" => State::Present,
        _ => {
            if !resource::read(plan, entry)? {
                anywhere::run(plan)?;
            }
            truth(instance)
        }
    })
}

/// A reason, and so many more that are the same.
fn stale(message: &str, more: usize) -> State {
    let first = Reason { kind: ReasonKind::Files, message: message.to_owned(), attrs: Vec::new() };
    State::Stale(Stale { rest: vec![first.clone(); more], first, attrs: Vec::new() })
}

fn truth(instance: &Instance) -> State {
    let there = |name: &str| std::fs::exists(path(name)).unwrap_or(false);
    let lying = instance.files.iter().filter(|file| there(&file.name)).count();
    if lying == instance.files.len() {
        State::Present
    } else if lying == 0 {
        State::Absent
    } else {
        stale(&format!("{lying} of {} are there", instance.files.len()), 0)
    }
}
