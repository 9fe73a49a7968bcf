use std::process::Command;

use anyhow::Result;

use super::row::Row;
use super::{Bench, clock, numbers};
use xtask::{project, run};

const SLICES: f64 = 200.0;
const ROUNDS: &str = "3";

/// Commits of entries with one file against writing, renaming and syncing the same files.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    // On the disk that the checkout is on, since a temporary directory may be in RAM.
    let dir = tempfile::tempdir_in(project::target())?;
    [
        ("full", "commit of an entry of one file and its receipt", Some(1.2)),
        ("no-sync", "the same without syncing", None),
    ]
    .into_iter()
    .map(|(how, what, at_most)| {
        let measured = |mut command: Command| {
            command.arg(dir.path()).args([ROUNDS, &SLICES.to_string(), how]);
            clock::median(numbers(&mut command)?).map(|micros| micros / 1e3 / SLICES)
        };
        let ours = measured(run::command(bench.rooms.join("commit")))?;
        let mut native = run::command(&bench.native);
        native.arg("replace");
        let native = measured(native)?;
        Ok(Row {
            what,
            here: format!("{ours:.2} ms"),
            against: format!("{native:.2} ms, the same two files, each written aside and renamed"),
            ratio: ours / native,
            at_most,
        })
    })
    .collect()
}
