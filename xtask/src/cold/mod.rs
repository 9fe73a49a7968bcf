//! What a newcomer waits for: the demo from a clean clone, without `target` and without this project's caches.

mod compiled;
mod cpu;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

pub use compiled::{is_compiler, record};

use crate::{project, run};
use compiled::Compiled;

/// Of the CPU time of the base's demo.
const DEMO_AT_MOST: f64 = 0.4;
/// Of the CPU time of the base's demo, for compiling the tests after the demo: what checks and writes no code is told apart.
const TESTS_AT_MOST: f64 = 0.45;
/// Seconds until a person sees that something happens.
const FIRST_LINE: f64 = 5.0;

/// Measures the demo of a clean clone of `HEAD` and compiling its tests afterwards; with a base, a revision to compare with, its
/// demo too, on the same machine.
///
/// # Errors
/// When a clone cannot be made, or its demo fails.
pub fn run(base: Option<&str>) -> Result<()> {
    let base = base.map(|revision| Clone::new(revision)?.task("demo", &["demo"])).transpose()?;
    let clone = Clone::new("HEAD")?;
    let demo = clone.task("demo", &["demo"])?;
    let tests = clone.task("tests", &["test", "--no-run"])?;
    println!();
    if let Some(base) = &base {
        println!("{}", base.row("demo of the base"));
    }
    println!("{}", demo.row("demo"));
    println!("{}", tests.row("compiling the tests after it"));
    if let Some(base) = &base {
        println!("demo against the base: {:.2} (at most {DEMO_AT_MOST})", demo.cpu / base.cpu);
        let without = tests.cpu - tests.compiled.of_checks();
        println!("tests against the demo of the base: {:.2} (at most {TESTS_AT_MOST})", without / base.cpu);
        println!("the same with lints and documentation: {:.2}", tests.cpu / base.cpu);
    }
    println!("first line: {:.1} s (at most {FIRST_LINE} s)", demo.first.as_secs_f64());
    println!("{}", demo.compiled.report());
    Ok(())
}

/// A checkout of its own.
struct Clone {
    dir: PathBuf,
}

/// What a task took.
struct Took {
    /// Seconds of CPU, with all that the task ran.
    cpu: f64,
    /// By the clock.
    wall: Duration,
    /// Until the first line.
    first: Duration,
    /// The longest time without a line.
    silence: Duration,
    compiled: Compiled,
}

impl Clone {
    fn new(revision: &str) -> Result<Self> {
        let commit = run::output(run::command("git").args(["rev-parse", revision]).current_dir(project::root()))?;
        let dir = std::env::temp_dir().join(format!("artifacts-cold-{}-{}", std::process::id(), &commit[..12]));
        run::done(run::command("git").args(["clone", "--quiet"]).arg(project::root()).arg(dir.join("checkout")))?;
        let checkout = ["checkout", "--quiet", "--detach", &commit];
        run::done(run::command("git").args(checkout).current_dir(dir.join("checkout")))?;
        Ok(Self { dir })
    }

    fn task(&self, name: &str, arguments: &[&str]) -> Result<Took> {
        let log = self.dir.join(format!("{name}.compiled"));
        let mut command = run::command("sh");
        command.args(["-c", "exec cargo xtask \"$@\" 2>&1", "sh"]).args(arguments);
        command.current_dir(self.dir.join("checkout")).stdout(Stdio::piped());
        command.env("XDG_CACHE_HOME", self.dir.join("cache")).env_remove("CARGO_TARGET_DIR");
        // Not by way of a shell: it would drop variables such as `CARGO_BIN_EXE_artifacts-target`.
        command.env("RUSTC_WRAPPER", std::env::current_exe()?).env(compiled::LOG, &log);
        let (before, start) = (cpu::of_children()?, Instant::now());
        let mut child = command.spawn().context("sh")?;
        let (mut first, mut last, mut silence) = (None, start, Duration::ZERO);
        for line in BufReader::new(child.stdout.take().context("no standard output")?).split(b'\n') {
            println!("{}", String::from_utf8_lossy(&line?));
            first.get_or_insert(start.elapsed());
            silence = silence.max(last.elapsed());
            last = Instant::now();
        }
        ensure!(child.wait()?.success(), "`cargo xtask {}` failed in {}", arguments.join(" "), self.dir.display());
        Ok(Took {
            cpu: cpu::of_children()? - before,
            wall: start.elapsed(),
            first: first.unwrap_or_default(),
            silence,
            compiled: Compiled::read(&log)?,
        })
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Took {
    fn row(&self, name: &str) -> String {
        format!(
            "{name:<30} {:>5.1} min CPU ({:.1} of compilers, {:.1} of them for lints), {:.1} min by the clock, longest silence {:.0} s",
            self.cpu / 60.0,
            self.compiled.cpu() / 60.0,
            self.compiled.of_checks() / 60.0,
            self.wall.as_secs_f64() / 60.0,
            self.silence.as_secs_f64(),
        )
    }
}
