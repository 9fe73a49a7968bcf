use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

use super::row::Row;
use super::{Bench, clock, numbers, on_one};
use xtask::{project, run};

const SECRETS: &str = "1000";
const ROUNDS: usize = 5;
const AGENIX: &str = "target/plugins/agenix.wasm";
const IN_C: &str = "target/guests/in-c.wasm";
/// A process for each takes its time.
const PROCESSES: u16 = 50;

/// A recipient whose key is in hardware, of the tests of the age crate.
const TAG: &str = "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e";

/// `serialize` without commit, the worker and its scratch file system included, against the same age crate native, which writes files to
/// RAM, and against a process of age for each secret.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (tag, post_quantum) = ([TAG.to_owned()], [post_quantum(bench)?]);
    let [first, ..] = &bench.recipients;
    let three =
        Pair { component: AGENIX, recipients: &bench.recipients, compared: &bench.recipients, workers: 1, note: "" };
    let one = "`serialize` of 1,000 secrets for three recipients, in a worker on one core";
    let (one, each) = row(bench, one, &three)?;
    let two = "the same, in two workers on two cores";
    let (two, _) = row(bench, two, &Pair { workers: 2, ..three })?;
    let small = "the same by a component that imports no WASI: the example in C, which has its entry in memory";
    let (small, _) = row(bench, small, &Pair { component: IN_C, ..three })?;
    let tag = Pair { recipients: &tag, compared: &tag, ..three };
    let (tag, _) = row(bench, "the same for one key in hardware (`age1tag1…`), on one core", &tag)?;
    let tag_pq = [tag_pq()?];
    let tag_pq = Pair { recipients: &tag_pq, compared: &tag_pq, ..three };
    let (tag_pq, _) =
        row(bench, "the same for one post-quantum key in hardware (`age1tagpq1…`), on one core", &tag_pq)?;
    // The age crate has no such recipient.
    let pq = Pair { recipients: &post_quantum, compared: std::slice::from_ref(first), note: ", for X25519", ..three };
    let (pq, _) = row(bench, "the same for one post-quantum recipient, on one core", &pq)?;
    let rows = [
        Row { at_most: Some(1.3), ..one },
        Row { at_most: Some(0.8), ..two },
        process(bench, each)?,
        small,
        tag,
        tag_pq,
        pq,
    ];
    Ok(rows.into())
}

/// What is measured, and what it is compared with.
#[derive(Clone, Copy)]
struct Pair<'a> {
    /// Below the project.
    component: &'a str,
    recipients: &'a [String],
    compared: &'a [String],
    workers: usize,
    note: &'a str,
}

/// Measures one pair; the two take turns. Returns the milliseconds of one secret as well.
fn row(bench: &Bench, what: &'static str, pair: &Pair<'_>) -> Result<(Row, f64)> {
    let component = project::root().join(pair.component);
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let (mut ours, mut native) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let rooms = bench.rooms.join("walls");
        let mut rooms = if pair.workers == 1 { on_one(rooms) } else { run::command(rooms) };
        rooms.arg("serialize").arg(&component).args([&pair.workers.to_string(), "1", SECRETS]);
        ours.extend(numbers(rooms.args(pair.recipients))?);
        let mut alone = on_one(&bench.native);
        native.extend(numbers(alone.arg("seal").arg(ram.path()).args(["1", SECRETS]).args(pair.compared))?);
    }
    let (ours, native) = (clock::median(ours)? / 1e3, clock::median(native)? / 1e3);
    let row = Row {
        what,
        here: format!("{ours:.0} ms"),
        against: format!("{native:.0} ms, the same age crate native on one core{}, writing files to RAM", pair.note),
        ratio: ours / native,
        at_most: None,
    };
    Ok((row, ours / SECRETS.parse::<f64>()?))
}

/// A process of age for each secret.
fn process(bench: &Bench, each: f64) -> Result<Row> {
    let ram = tempfile::tempdir_in("/dev/shm")?;
    std::fs::write(ram.path().join("plain"), [b'x'; 100])?;
    let encrypt = |number: u16| {
        let mut age = run::command("age");
        age.arg("--armor").args(bench.recipients.iter().flat_map(|recipient| ["-r", recipient])).arg("plain");
        age.current_dir(ram.path()).stdin(Stdio::null());
        run::done(age.stdout(File::create(ram.path().join(format!("{number}.age")))?))
    };
    let took = clock::wall(|| (0..PROCESSES).try_for_each(encrypt))?.as_secs_f64() * 1e3 / f64::from(PROCESSES);
    Ok(Row {
        what: "the same in a worker on one core, for each secret",
        here: format!("{each:.2} ms"),
        against: format!("{took:.2} ms, a process of age, writing to RAM"),
        ratio: each / took,
        at_most: Some(1.0 / 8.0),
    })
}

/// A recipient of the tests of the age crate, read from its package: its key has 1.2 kB.
fn tag_pq() -> Result<String> {
    let metadata =
        run::output(run::cargo().args(["metadata", "--format-version", "1", "--locked"]).current_dir(project::root()))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?;
    let age = packages.iter().find(|package| package["name"] == "age").context("there is no package age")?;
    let manifest = age["manifest_path"].as_str().context("the package age has no manifest")?;
    let source = std::fs::read_to_string(Path::new(manifest).with_file_name("src/native/tagpq.rs"))?;
    let found = source.split('"').find(|text| text.starts_with("age1tagpq1"));
    found.map(str::to_owned).context("the age crate's tests have no `age1tagpq1`")
}

fn post_quantum(bench: &Bench) -> Result<String> {
    let key = run::output(run::command(&bench.program).args(["keygen", "--pq"]).stderr(Stdio::null()))?;
    let recipient = key.lines().find_map(|line| line.strip_prefix("# public key: "));
    recipient.map(str::to_owned).context("`artifacts keygen` named no public key")
}
