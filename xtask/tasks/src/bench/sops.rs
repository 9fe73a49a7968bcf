use std::fs::{self, File};
use std::time::Duration;

use anyhow::Result;

use super::row::Row;
use super::{Bench, clock, numbers, on_one};
use xtask::{project, run, sops};

const SECRETS: usize = 1000;
/// A process for each takes its time.
const PROCESSES: usize = 20;
const ROUNDS: usize = 5;

/// `serialize` of the backend sops-nix, without commit, against the same code native and against a process of sops for each
/// secret, both into RAM. All take turns.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    sops::ready()?;
    let component = project::root().join("target/plugins/sops-nix.wasm");
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let secrets = SECRETS.to_string();
    fs::write(ram.path().join("plain"), [b'x'; 100])?;
    let (mut ours, mut native, mut processes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut rooms = on_one(bench.rooms.join("walls"));
        rooms.arg("serialize").arg(&component).args(["1", "1", &secrets]);
        ours.extend(numbers(rooms.args(&bench.recipients))?);
        let mut alone = on_one(&bench.native);
        native.extend(numbers(alone.arg("sops").arg(ram.path()).args(["1", &secrets]).args(&bench.recipients))?);
        let took = clock::wall(|| (0..PROCESSES).try_for_each(|number| encrypt(bench, ram.path(), number)))?;
        processes.push(took.as_secs_f64() / f64::from(u32::try_from(PROCESSES)?));
    }
    let (ours, native) = (clock::median(ours)?, clock::median(native)?);
    let each = Duration::from_secs_f64(clock::median(processes)?);
    let mine = ours / 1e3 / f64::from(u32::try_from(SECRETS)?);
    Ok(vec![
        Row {
            what: "`serialize` of 1,000 secrets by sops-nix for three recipients, in a worker on one core",
            here: format!("{:.0} ms", ours / 1e3),
            against: format!("{:.0} ms, the same code native, writing files to RAM", native / 1e3),
            ratio: ours / native,
            at_most: Some(1.7),
        },
        Row {
            what: "the same, for each secret",
            here: format!("{mine:.2} ms"),
            against: format!("{:.2} ms, a process of sops, writing to RAM", each.as_secs_f64() * 1e3),
            ratio: mine / (each.as_secs_f64() * 1e3),
            at_most: Some(1.0 / 40.0),
        },
    ])
}

fn encrypt(bench: &Bench, dir: &std::path::Path, number: usize) -> Result<()> {
    let mut sops = run::command(sops::program());
    sops.args(["--disable-version-check", "encrypt", "--input-type", "binary", "--output-type", "binary", "--age"]);
    sops.arg(bench.recipients.join(",")).arg("plain").current_dir(dir);
    run::done(sops.stdout(File::create(dir.join(format!("{number}.sops")))?))
}
