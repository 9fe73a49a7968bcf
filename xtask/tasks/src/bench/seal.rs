use anyhow::Result;

use super::row::Row;
use super::{Bench, clock, numbers, on_one};
use xtask::project;

const SECRETS: &str = "1000";
const ROUNDS: usize = 5;

/// `serialize` without commit against the same age crate native, both into RAM. The two take turns.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let component = project::root().join("target/plugins/agenix.wasm");
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let (mut ours, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut rooms = on_one(bench.rooms.join("serialize"));
        ours.extend(numbers(rooms.arg(&component).args(["1", SECRETS]).args(&bench.recipients))?);
        let mut alone = on_one(&bench.native);
        native.extend(numbers(alone.arg("seal").arg(ram.path()).args(["1", SECRETS]).args(&bench.recipients))?);
    }
    let (ours, native) = (clock::median(ours)?, clock::median(native)?);
    Ok(vec![Row {
        what: "`serialize` of 1,000 secrets for three recipients, without commit",
        here: format!("{:.0} ms", ours / 1e3),
        against: format!("{:.0} ms, the same age crate native, writing files to RAM", native / 1e3),
        ratio: ours / native,
        at_most: Some(2.5),
    }])
}
