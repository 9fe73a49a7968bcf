use anyhow::{Result, ensure};

use super::fixture::Fixture;
use super::row::Row;
use super::{Bench, clock, numbers, reader};
use crate::run;

/// Machines, and artifacts of each, of two files.
const SIDES: (usize, usize) = (10, 100);
const FILES: &str = "2000";
const COUNTED: &str = "1000 opened, 1000 written";
const ROUNDS: usize = 3;

/// `rekey` of a thousand instances whose third reader changed, against the same age crate native, which opens, seals and
/// writes as many files. Neither syncs. The two take turns.
///
/// # Errors
/// When one of them fails, or not all is opened and written.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::generated(bench, SIDES.0, SIDES.1)?;
    let folder = tempfile::tempdir()?;
    let (mut ours, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut readers = bench.readers.clone();
        readers[2] = reader()?;
        fixture.declare(SIDES.0, SIDES.1, &readers)?;
        let mut program = fixture.artifacts();
        program.args(["--no-sync", "--accept-readers", "-i"]).arg(fixture.identity()).arg("rekey");
        let taken = clock::wall(|| {
            let said = run::output(&mut program)?;
            ensure!(said.contains(COUNTED), "not all was encrypted anew:\n{said}");
            Ok(())
        })?;
        ours.push(taken.as_secs_f64());
        let mut alone = run::command(&bench.native);
        alone
            .arg("rekey")
            .arg(folder.path())
            .args(["1", FILES])
            .arg(fixture.identity())
            .arg(fixture.stored())
            .args(&readers);
        native.extend(numbers(&mut alone)?.into_iter().map(|micros| micros / 1e6));
    }
    let (ours, native) = (clock::median(ours)?, clock::median(native)?);
    Ok(vec![Row {
        what: "`rekey` of 1,000 instances, two files and three readers each, without syncing",
        here: format!("{ours:.2} s"),
        against: format!("{native:.2} s, the same age crate native: open, seal, write aside and rename each file"),
        ratio: ours / native,
        at_most: Some(3.0),
    }])
}
