use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, ensure};

use super::fixture::Fixture;
use super::row::Row;
use super::{Bench, clock};
use xtask::run;

/// Machines, and artifacts of each, of two files.
const SIDES: (usize, usize) = (10, 100);
const ARTIFACTS: usize = 1000;
const JOBS: usize = 2;
const ROUNDS: usize = 3;

/// `generate` of a thousand artifacts by a trivial generator, against bubblewrap that runs the same program as often, as many at once.
/// Neither syncs. The two take turns.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let fixture = Fixture::declared(bench, SIDES.0, SIDES.1)?;
        ours.push(clock::wall(|| run::done(&mut fixture.generate(JOBS)))?.as_secs_f64());
        ensure!(fixture.entries()? == ARTIFACTS, "not all was generated");
        bare.push(clock::wall(|| sandboxed(&fixture.generator()))?.as_secs_f64());
    }
    let (ours, bare) = (clock::median(ours)?, clock::median(bare)?);
    Ok(vec![Row {
        what: "`generate` of 1,000 artifacts of two files by a trivial generator, `--jobs 2`, without syncing",
        here: format!("{ours:.2} s"),
        against: format!("{bare:.2} s, bubblewrap with the same program, two at once"),
        ratio: ours / bare,
        at_most: Some(1.15),
    }])
}

/// Runs the program in bubblewrap, in as many threads as there are jobs.
fn sandboxed(generator: &Path) -> Result<()> {
    let some = || (0..ARTIFACTS / JOBS).try_for_each(|_| sandboxed_once(generator));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..JOBS).map(|_| scope.spawn(some)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread failed")))
    })
}

fn sandboxed_once(generator: &Path) -> Result<()> {
    let out = tempfile::tempdir_in("/dev/shm")?;
    let mut bwrap = run::command("bwrap");
    bwrap.args(["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/", "/"]);
    bwrap
        .args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind"])
        .arg(generator)
        .arg("/tmp/generator");
    bwrap.arg("--bind").arg(out.path()).args(["/mnt", "--setenv", "out", "/mnt", "/tmp/generator"]);
    run::done(bwrap.stdin(Stdio::null()))?;
    ensure!(fs::read(out.path().join("two"))? == b"two", "the generator wrote something else");
    Ok(())
}
