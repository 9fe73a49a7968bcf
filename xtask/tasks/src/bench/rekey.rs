use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, ensure};

use super::fixture::{self, Fixture};
use super::row::Row;
use super::{Bench, clock, numbers, recipient};
use xtask::run;

/// Machines, and artifacts of each, of two files.
const SIDES: (usize, usize) = (10, 100);
const FILES: u16 = 2000;
const COUNTED: &str = "1000 decrypted, 1000 re-encrypted";
const ROUNDS: usize = 3;
/// Files for `agenix -r`, which starts four programs for each.
const THEIRS: u16 = 100;

/// `rekey` of a thousand instances whose third recipient changed, against the same age crate native, which opens, seals and
/// writes as many files. Neither syncs. The two take turns.
///
/// # Errors
/// When one of them fails, or not all is opened and written.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::new(bench, SIDES.0, SIDES.1)?;
    let dir = fixture::ram()?;
    let (mut ours, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut recipients = bench.recipients.clone();
        recipients[2] = recipient()?;
        fixture.declare(SIDES.0, SIDES.1, &recipients)?;
        let mut program = fixture.artifacts();
        program.args(["--no-sync", "--accept-recipients", "-i"]).arg(fixture.identity()).arg("rekey");
        let taken = clock::wall(|| {
            let said = run::output(&mut program)?;
            ensure!(said.contains(COUNTED), "not all was encrypted anew:\n{said}");
            Ok(())
        })?;
        ours.push(taken.as_secs_f64());
        let mut alone = run::command(&bench.native);
        alone
            .arg("rekey")
            .arg(dir.path())
            .args(["1", &FILES.to_string()])
            .arg(fixture.identity())
            .arg(fixture.stored())
            .args(&recipients);
        native.extend(numbers(&mut alone)?.into_iter().map(|micros| micros / 1e6));
    }
    let (ours, native) = (clock::median(ours)?, clock::median(native)?);
    let mut rows = vec![Row {
        what: "`rekey` of 1,000 instances, two files and three recipients each, on two cores, without syncing",
        here: format!("{ours:.2} s"),
        against: format!(
            "{native:.2} s, the same age crate native on one core: open, seal, write aside and rename each file"
        ),
        ratio: ours / native,
        at_most: Some(1.0),
    }];
    if let Some(agenix) = run::find("agenix") {
        let theirs = by_agenix(bench, &agenix, &fixture)?;
        let ours = ours / f64::from(FILES);
        rows.push(Row {
            what: "the same, a file",
            here: format!("{:.1} ms", ours * 1e3),
            against: format!("{:.1} ms, `agenix -r` over {THEIRS} files", theirs * 1e3),
            ratio: ours / theirs,
            at_most: Some(1.0 / 60.0),
        });
    } else {
        println!("`agenix` is not in PATH: `rekey` is not measured beside `agenix -r`");
    }
    Ok(rows)
}

/// What `agenix -r` takes for a file of as many recipients, in seconds.
fn by_agenix(bench: &Bench, agenix: &Path, fixture: &Fixture<'_>) -> Result<f64> {
    let dir = fixture::ram()?;
    let recipients: Vec<String> = bench.recipients.iter().map(|recipient| format!("\"{recipient}\"")).collect();
    let mut rules = String::new();
    for number in 0..THEIRS {
        let name = format!("{number}.age");
        fs::copy(fixture.stored(), dir.path().join(&name))?;
        let _ = write!(rules, "\"{name}\" = {{ publicKeys = [ {} ]; armor = true; }};", recipients.join(" "));
    }
    fs::write(dir.path().join("secrets.nix"), format!("{{ {rules} }}"))?;
    let mut command = run::command(agenix);
    command.args(["-r", "-i"]).arg(fixture.identity()).current_dir(dir.path()).stderr(Stdio::null());
    let before = fs::read(dir.path().join("0.age"))?;
    let taken = clock::wall(|| run::done(&mut command))?;
    ensure!(fs::read(dir.path().join("0.age"))? != before, "`agenix -r` left a file as it was");
    Ok(taken.as_secs_f64() / f64::from(THEIRS))
}
