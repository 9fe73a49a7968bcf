use std::process::{Command, Stdio};

use anyhow::Result;

use super::fixture::Fixture;
use super::row::Row;
use super::{Bench, clock};
use xtask::run;

const ROUNDS: usize = 101;
/// Milliseconds for `--version`.
const ALLOWED: f64 = 3.0;

/// Whole processes, from start to end, by the clock.
///
/// # Errors
/// When one fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::new(bench, 1, 1)?;
    fixture.status()?;
    let (mut nothing, mut version, mut status) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that a busy machine is busy for all of them.
    for _ in 0..ROUNDS {
        nothing.push(milliseconds(run::command("true"))?);
        let mut command = run::command(&bench.program);
        command.arg("--version");
        version.push(milliseconds(command)?);
        let mut command = fixture.artifacts();
        command.arg("status");
        status.push(milliseconds(command)?);
    }
    let (nothing, version, status) = (clock::median(nothing)?, clock::median(version)?, clock::median(status)?);
    Ok(vec![
        Row {
            what: "`artifacts --version`",
            here: format!("{version:.2} ms"),
            against: format!("{ALLOWED} ms (`true` takes {nothing:.2} ms)"),
            ratio: version / ALLOWED,
            at_most: Some(1.0),
        },
        Row {
            what: "`artifacts status --spec` of one instance, warm",
            here: format!("{status:.1} ms"),
            against: format!("{nothing:.2} ms, `true`"),
            ratio: status / nothing,
            at_most: None,
        },
    ])
}

/// Of a whole process.
fn milliseconds(mut command: Command) -> Result<f64> {
    command.stdout(Stdio::null());
    Ok(clock::wall(|| run::done(&mut command))?.as_secs_f64() * 1e3)
}
