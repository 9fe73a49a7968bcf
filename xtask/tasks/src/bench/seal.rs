use anyhow::{Context, Result};

use super::row::Row;
use super::{Bench, clock, numbers, on_one};
use xtask::{project, run};

const SECRETS: &str = "1000";
const ROUNDS: usize = 5;

/// A recipient whose key is in hardware, of the tests of the age crate.
const TAG: &str = "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e";

/// `serialize` without commit against the same age crate native, both into RAM.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (tag, post_quantum) = ([TAG.to_owned()], [post_quantum(bench)?]);
    let [first, ..] = &bench.recipients;
    let three = "`serialize` of 1,000 secrets for three recipients, without commit";
    Ok(vec![
        Row { at_most: Some(2.5), ..row(bench, three, &bench.recipients, &bench.recipients, "")? },
        row(bench, "the same for one key in hardware (`age1tag1…`)", &tag, &tag, "")?,
        // The age crate has no such recipient.
        row(
            bench,
            "the same for one post-quantum recipient",
            &post_quantum,
            std::slice::from_ref(first),
            ", for X25519",
        )?,
    ])
}

/// Measures one pair; the two take turns.
fn row(bench: &Bench, what: &'static str, recipients: &[String], compared: &[String], note: &str) -> Result<Row> {
    let component = project::root().join("target/plugins/agenix.wasm");
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let (mut ours, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut rooms = on_one(bench.rooms.join("serialize"));
        ours.extend(numbers(rooms.arg(&component).args(["1", SECRETS]).args(recipients))?);
        let mut alone = on_one(&bench.native);
        native.extend(numbers(alone.arg("seal").arg(ram.path()).args(["1", SECRETS]).args(compared))?);
    }
    let (ours, native) = (clock::median(ours)?, clock::median(native)?);
    Ok(Row {
        what,
        here: format!("{:.0} ms", ours / 1e3),
        against: format!("{:.0} ms, the same age crate native{note}, writing files to RAM", native / 1e3),
        ratio: ours / native,
        at_most: None,
    })
}

fn post_quantum(bench: &Bench) -> Result<String> {
    let key = run::output(run::command(&bench.program).args(["keygen", "--pq"]).stderr(std::process::Stdio::null()))?;
    let recipient = key.lines().find_map(|line| line.strip_prefix("# public key: "));
    recipient.map(str::to_owned).context("`artifacts keygen` named no public key")
}
