use std::process::{Command, Stdio};

use anyhow::Result;

use super::fixture::Fixture;
use super::row::Row;
use super::{Bench, clock};
use xtask::run;

const ROUNDS: usize = 101;

/// Whole processes, from start to end, by the clock, each against one that does nothing.
///
/// # Errors
/// When one fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::new(bench, 1, 1)?;
    fixture.status()?;
    let version = || {
        let mut command = run::command(&bench.program);
        command.arg("--version");
        command
    };
    // A worker to whom no one says what to do ends before it has done anything.
    let start = || {
        let mut command = run::command(&bench.program);
        command.arg("--artifacts-worker").stdin(Stdio::null());
        command
    };
    let status = || {
        let mut command = fixture.artifacts();
        command.arg("status");
        command
    };
    let get = || {
        let mut command = fixture.artifacts();
        command.arg("-i").arg(fixture.identity()).args(["get", "m000/a000", "one"]);
        command
    };
    let measured: [(_, &dyn Fn() -> Command, Option<f64>); 4] = [
        ("`artifacts --version`", &version, Some(2.0)),
        ("the same program, started and ended without reading its arguments", &start, None),
        ("`artifacts status --spec` of one instance, warm", &status, Some(9.0)),
        ("`artifacts get` of one file, warm", &get, Some(14.0)),
    ];
    let (mut nothing, mut took) = (Vec::new(), measured.map(|_| Vec::new()));
    // In turns, so that a busy machine is busy for all of them.
    for _ in 0..ROUNDS {
        nothing.push(milliseconds(run::command("true"))?);
        for ((_, command, _), took) in measured.iter().zip(&mut took) {
            took.push(milliseconds(command())?);
        }
    }
    let nothing = clock::median(nothing)?;
    let row = |((what, _, at_most), took)| {
        let took = clock::median(took)?;
        let (here, against) = (format!("{took:.1} ms"), format!("{nothing:.2} ms, `true`"));
        Ok(Row { what, here, against, ratio: took / nothing, at_most })
    };
    measured.into_iter().zip(took).map(row).collect()
}

/// Of a whole process.
fn milliseconds(mut command: Command) -> Result<f64> {
    command.stdout(Stdio::null());
    Ok(clock::wall(|| run::done(&mut command))?.as_secs_f64() * 1e3)
}
