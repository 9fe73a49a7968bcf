use anyhow::{Context, Result, ensure};
use artifacts_tests::nix::git;

use super::fixture::Fixture;
use super::memory;
use super::row::Row;
use super::{Bench, clock};
use xtask::run;

/// Machines, and artifacts of each.
const SIDES: (usize, usize) = (100, 100);
const INSTANCES: u64 = 10_000;
const ROUNDS: usize = 3;
/// What takes a tenth of a second is done so often at once: the kernel counts in hundredths.
const TIMES: u32 = 5;
/// Megabytes, through the component and by memo.
const MEMORY: (f64, f64) = (80.0, 60.0);

/// `status` of many present instances, each answered by the component, against what git needs to look at the same files; and its
/// memory.
///
/// # Errors
/// When not all are present, or the component was not asked about each.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::new(bench, SIDES.0, SIDES.1)?;
    for arguments in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
        git(fixture.dir(), arguments)?;
    }
    let calls = calls(&fixture.status()?)?;
    println!("  {calls} calls of the component for {INSTANCES} instances");
    ensure!(calls >= INSTANCES, "the component was not asked about each instance");
    fixture.status_by_memo()?;
    let (mut ours, mut by_memo, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(clock::cpu(|| fixture.status().map(drop))?);
        by_memo.push(clock::cpu(|| fixture.status_by_memo().map(drop))?);
        theirs.push(each(|| {
            run::output(run::command("git").args(["status", "--porcelain"]).current_dir(fixture.dir())).map(drop)
        })?);
    }
    let (ours, by_memo, theirs) = (clock::median(ours)?, clock::median(by_memo)?, clock::median(theirs)?);
    let (read, looked) = (bare(bench, &fixture, "read")?, bare(bench, &fixture, "look")?);
    let peak = memory::peak(fixture.artifacts().args(["status", "--no-memo"]))?;
    let peak_by_memo = memory::peak(fixture.artifacts().arg("status"))?;
    let against_git = |what, here, seconds: f64, at_most| Row {
        what,
        here,
        against: format!("{theirs:.3} s CPU, `git status` over the same files"),
        ratio: seconds / theirs,
        at_most,
    };
    let megabytes = |what, peak: f64, most: f64| Row {
        what,
        here: format!("{peak:.0} MB"),
        against: format!("{most:.0} MB"),
        ratio: peak / most,
        at_most: Some(1.0),
    };
    let of_status = "`status` of 10,000 unchanged instances of two files, by memo";
    let of_reading = "reading the same files and their receipts, each opened, read and closed, and nothing else";
    let of_looking = "listing and looking at the same files, reading the receipts alone, and nothing else";
    Ok(vec![
        against_git(of_status, format!("{by_memo:.2} s CPU"), by_memo, Some(2.5)),
        against_git("the same, all through the component", format!("{ours:.2} s CPU, {calls} calls"), ours, Some(9.0)),
        against_git(of_reading, format!("{read:.3} s CPU"), read, None),
        against_git(of_looking, format!("{looked:.3} s CPU"), looked, None),
        megabytes("its memory, of the program and its workers together", peak, MEMORY.0),
        megabytes("the same by memo", peak_by_memo, MEMORY.1),
    ])
}

/// Seconds of CPU time that it takes to read what is stored, or to look at it.
fn bare(bench: &Bench, fixture: &Fixture<'_>, how: &str) -> Result<f64> {
    let mut read = run::command(&bench.native);
    read.arg(how).arg(fixture.dir().join("secrets")).arg("1");
    let rounds = (0..ROUNDS).map(|_| each(|| run::output(&mut read).map(drop)));
    clock::median(rounds.collect::<Result<_>>()?)
}

/// Seconds of CPU time of one of several.
fn each(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    Ok(clock::cpu(|| (0..TIMES).try_for_each(|_| work()))? / f64::from(TIMES))
}

/// From the line `agenix: 20000 calls`.
fn calls(words: &str) -> Result<u64> {
    let line = words.lines().find_map(|line| line.strip_suffix(" calls")?.rsplit_once(": "));
    let (_, number) = line.with_context(|| format!("no line says how many calls there were:\n{words}"))?;
    Ok(number.parse()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn the_count_is_read_off_its_line() {
        assert_eq!(super::calls("note: x\nagenix: 20000 calls\n").unwrap(), 20_000);
        assert!(super::calls("agenix: no calls\n").is_err());
        assert!(super::calls("").is_err());
    }
}
