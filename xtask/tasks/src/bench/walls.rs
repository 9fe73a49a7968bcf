use std::path::Path;

use anyhow::Result;

use super::row::Row;
use super::{Bench, clock, numbers};
use xtask::{project, run};

const STARTS: usize = 11;
const CHECKS: f64 = 10_000.0;
const ROUNDS: usize = 5;
/// How many starts of `true` a worker may take.
const START: f64 = 8.0;
/// How much of a start of `true` it may add to a check in a batch.
const CHECK: f64 = 0.1;

/// What the worker process costs, with compiled code at hand: its start, and a batched check beyond the same check in this process.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let component = project::root().join("target/plugins/agenix.wasm");
    let (start, nothing) = start(bench, &component)?;
    Ok(vec![start, check(bench, &component, nothing)?])
}

/// The row of a worker's start, and the milliseconds of a program that does nothing. Both by turns: a machine that gets busy
/// meanwhile slows both.
fn start(bench: &Bench, component: &Path) -> Result<(Row, f64)> {
    let (mut took, mut nothing) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        took.extend(numbers(walls(bench).arg("start").arg(component).arg(STARTS.to_string()))?);
        for _ in 0..2 * STARTS {
            nothing.push(clock::wall(|| run::done(&mut run::command("true")))?.as_secs_f64() * 1e3);
        }
    }
    let (took, nothing) = (clock::median(took)? / 1e3, clock::median(nothing)?);
    let row = Row {
        what: "a worker's start and end, code at hand",
        here: format!("{took:.2} ms"),
        against: format!("{nothing:.2} ms, `true`"),
        ratio: took / nothing,
        at_most: Some(START),
    };
    Ok((row, nothing))
}

fn check(bench: &Bench, component: &Path, nothing: f64) -> Result<Row> {
    let (mut here, mut worker) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (place, took) in [("here", &mut here), ("worker", &mut worker)] {
            let mut rooms = walls(bench);
            rooms.args(["check", place]).arg(component).args(["1", &CHECKS.to_string()]).args(&bench.recipients);
            took.extend(numbers(&mut rooms)?);
        }
    }
    let (here, worker) = (clock::median(here)? / 1e3 / CHECKS, clock::median(worker)? / 1e3 / CHECKS);
    Ok(Row {
        what: "a batched check in a worker, beyond the same in this process",
        here: format!("{worker:.3} - {here:.3} ms"),
        against: format!("{nothing:.2} ms, `true`"),
        ratio: (worker - here).max(0.0) / nothing,
        at_most: Some(CHECK),
    })
}

fn walls(bench: &Bench) -> std::process::Command {
    run::command(bench.rooms.join("walls"))
}
