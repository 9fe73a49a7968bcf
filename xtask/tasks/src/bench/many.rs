use anyhow::{Context, Result, ensure};

use super::fixture::Fixture;
use super::row::Row;
use super::{Bench, clock};

/// Machines, and artifacts of each.
const SIDES: (usize, usize) = (100, 100);
const INSTANCES: u64 = 10_000;
/// Seconds of CPU.
const ALLOWED: f64 = 2.0;
const ROUNDS: usize = 3;

/// `status` of many present instances, each answered by the component.
///
/// # Errors
/// When not all are present, or the component was not asked about each.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let fixture = Fixture::new(bench, SIDES.0, SIDES.1)?;
    let calls = calls(&fixture.status()?)?;
    println!("  {calls} calls of the component for {INSTANCES} instances");
    ensure!(calls >= INSTANCES, "the component was not asked about each instance");
    let rounds = (0..ROUNDS).map(|_| clock::cpu(|| fixture.status().map(drop)));
    let seconds = clock::median(rounds.collect::<Result<_>>()?)?;
    Ok(vec![Row {
        what: "`status` of 10,000 present instances, two files and three recipients each",
        here: format!("{seconds:.2} s CPU, {calls} calls"),
        against: format!("{ALLOWED} s CPU"),
        ratio: seconds / ALLOWED,
        at_most: Some(1.0),
    }])
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
