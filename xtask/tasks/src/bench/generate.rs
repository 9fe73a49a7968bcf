use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use artifacts_tests::script;
use rustix::io::{FdFlags, fcntl_setfd};

use super::fixture::{self, Fixture};
use super::row::Row;
use super::{Bench, clock};
use xtask::run;

/// Machines, and artifacts of each, of two files.
const SIDES: (usize, usize) = (10, 100);
const ARTIFACTS: usize = 1000;
const JOBS: usize = 2;
const ROUNDS: usize = 3;

/// `generate` of a thousand artifacts by a trivial generator, against bubblewrap that runs the same program as often with the same
/// options, as many at once. Neither syncs. The two take turns.
///
/// # Errors
/// When one of them fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let sandbox = Sandbox::of(bench)?;
    for _ in 0..ROUNDS {
        let fixture = Fixture::declared(bench, SIDES.0, SIDES.1)?;
        ours.push(clock::wall(|| run::done(&mut fixture.generate(JOBS)))?.as_secs_f64());
        ensure!(fixture.entries()? == ARTIFACTS, "not all was generated");
        bare.push(clock::wall(|| sandbox.run_all(&fixture.generator()))?.as_secs_f64());
    }
    let (ours, bare) = (clock::median(ours)?, clock::median(bare)?);
    Ok(vec![Row {
        what: "`generate` of 1,000 artifacts of two files by a trivial generator, `--jobs 2`, without syncing",
        here: format!("{ours:.2} s"),
        against: format!("{bare:.2} s, bubblewrap with the same options and program, two at once"),
        ratio: ours / bare,
        at_most: Some(1.15),
    }])
}

/// Bubblewrap's options as `artifacts` gave them once, but for the filter of system calls, which it reads only once.
struct Sandbox {
    options: Vec<String>,
    /// Stands in for the private directory of a run.
    dir: tempfile::TempDir,
}

/// Files that a private directory has.
const MADE_UP: [&str; 3] = ["etc/passwd", "etc/group", "etc/hosts"];

impl Sandbox {
    /// Has `artifacts` generate one artifact with a program in bubblewrap's place that notes how it is called.
    fn of(bench: &Bench) -> Result<Self> {
        let bwrap = run::find("bwrap").context("bubblewrap is not in PATH")?;
        let fixture = Fixture::declared(bench, 1, 1)?;
        let (stand_in, noted) = (fixture.dir().join("bin/bwrap"), fixture.dir().join("options"));
        fs::create_dir(fixture.dir().join("bin"))?;
        let note = format!("[ \"$1\" = --help ] || printf '%s\\0' \"$@\" > '{}'", noted.display());
        script::write(&stand_in, format!("#!/bin/sh\n{note}\nexec '{}' \"$@\"\n", bwrap.display()))?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(fixture.dir().join("bin")).chain(std::env::split_paths(&path)))?;
        run::done(fixture.generate(1).env("PATH", path))?;
        let noted = fs::read_to_string(noted).context("bubblewrap was not run")?;
        let options: Vec<String> = noted.split_terminator('\0').map(str::to_owned).collect();
        let prompts = options.iter().find_map(|one| one.strip_suffix("/prompts").filter(|dir| !dir.is_empty()));
        let private = prompts.context("bubblewrap was given no prompts")?.to_owned();
        let dir = fixture::ram()?;
        for name in ["etc", "prompts"] {
            fs::create_dir(dir.path().join(name))?;
        }
        for name in MADE_UP {
            fs::write(dir.path().join(name), "x\n")?;
        }
        let own = dir.path().to_string_lossy().into_owned();
        let mut options: Vec<String> = options.into_iter().map(|one| one.replace(&private, &own)).collect();
        if let Some(filter) = options.iter().position(|one| one == "--seccomp") {
            options.drain(filter..filter + 2);
        }
        Ok(Self { options, dir })
    }

    /// Runs the program as often as there are artifacts, in as many threads as there are jobs.
    fn run_all(&self, generator: &Path) -> Result<()> {
        let some = || (0..ARTIFACTS / JOBS).try_for_each(|_| self.run(generator));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..JOBS).map(|_| scope.spawn(some)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread failed")))
        })
    }

    fn run(&self, generator: &Path) -> Result<()> {
        let files = [
            ("--json-status-fd", File::options().write(true).open("/dev/null")?),
            ("--block-fd", File::open("/dev/zero")?),
            ("--file", File::open(generator)?),
        ];
        let mut options = self.options.clone();
        for (option, file) in &files {
            fcntl_setfd(file, FdFlags::empty())?;
            let at = options.iter().position(|one| one == option).with_context(|| format!("no {option}"))?;
            options[at + 1] = file.as_raw_fd().to_string();
        }
        let mut bwrap = run::command("bwrap");
        bwrap.args(options).env_clear().stdin(Stdio::null()).current_dir(self.dir.path());
        run::done(&mut bwrap)
    }
}
