use anyhow::{Result, ensure};

use super::fixture::{self, Fixture};
use super::row::Row;
use super::{Bench, clock, numbers};
use xtask::run;

/// Machines, and artifacts of each, of two files.
const SIDES: (usize, usize) = (10, 100);
const FILES: u16 = 2000;
const COUNTED: &str = "1000 decrypted, 1000 re-encrypted";
const ROUNDS: usize = 3;

/// The same of the run that is killed, and the change of the storage at which it is: some ten are made for an instance.
const MANY: (usize, usize) = (100, 100);
const KILLED_AT: &str = "40000";

/// `rekey` of a thousand instances from agenix to sops-nix, which decrypts what it wrote as well, against the same crates native, which
/// decrypt and encrypt as many files; and of ten thousand with a kill, against one without. Nothing syncs.
///
/// # Errors
/// When one of them fails, or a value is lost or there twice.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::new(bench, SIDES.0, SIDES.1)?;
    let dir = fixture::ram()?;
    let (mut ours, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut alone = run::command(&bench.native);
        alone.arg("move").arg(dir.path()).args(["1", &FILES.to_string()]).arg(fixture.identity());
        native.extend(numbers(alone.arg(fixture.stored()).args(&bench.recipients))?.into_iter().map(|one| one / 1e6));
        fixture.declare_for("sops-nix", SIDES.0, SIDES.1, &bench.recipients)?;
        let taken = clock::wall(|| moved(&fixture, COUNTED))?;
        ours.push(taken.as_secs_f64());
        fixture.declare(SIDES.0, SIDES.1, &bench.recipients)?;
        moved(&fixture, COUNTED)?;
    }
    let (ours, native) = (clock::median(ours)?, clock::median(native)?);
    Ok(vec![
        Row {
            what: "`rekey` of 1,000 instances, two files and three recipients each, from agenix to sops-nix, without syncing",
            here: format!("{ours:.2} s"),
            against: format!(
                "{native:.2} s, the same crates native: decrypt, encrypt, write aside and rename each file"
            ),
            ratio: ours / native,
            at_most: Some(3.0),
        },
        killed(bench)?,
    ])
}

/// A run that is killed, and the one that goes on.
fn killed(bench: &Bench) -> Result<Row> {
    let fixture = Fixture::new(bench, MANY.0, MANY.1)?;
    let all = MANY.0 * MANY.1;
    fixture.declare_for("sops-nix", MANY.0, MANY.1, &bench.recipients)?;
    let cut = clock::wall(|| {
        let status = rekey(&fixture, &["--crash-at", KILLED_AT]).output()?.status;
        ensure!(status.code().is_none(), "the run was not killed: {status}");
        Ok(())
    })?;
    ensure!(fixture.entries()? == all, "{} entries of {all} after a kill", fixture.entries()?);
    let rest = clock::wall(|| moved(&fixture, " re-encrypted"))?;
    ensure!(fixture.entries()? == all, "{} entries of {all} at the end", fixture.entries()?);
    fixture.status()?;
    fixture.declare(MANY.0, MANY.1, &bench.recipients)?;
    let whole = clock::wall(|| moved(&fixture, " re-encrypted"))?.as_secs_f64();
    let both = (cut + rest).as_secs_f64();
    Ok(Row {
        what: "the same of 10,000, killed once, with the run that goes on",
        here: format!("{both:.1} s"),
        against: format!("{whole:.1} s, back to agenix in one run"),
        ratio: both / whole,
        at_most: None,
    })
}

fn rekey(fixture: &Fixture<'_>, first: &[&str]) -> std::process::Command {
    let mut program = fixture.artifacts();
    program.args(first).args(["--no-sync", "--accept-recipients", "-i"]).arg(fixture.identity()).arg("rekey");
    program
}

fn moved(fixture: &Fixture<'_>, counted: &str) -> Result<()> {
    let said = run::output(&mut rekey(fixture, &[]))?;
    ensure!(said.contains(counted), "not all was moved:\n{said}");
    Ok(())
}
