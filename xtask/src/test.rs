//! Everything that is checked.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::stages::Stages;
use crate::tally::Tally;
use crate::{c_guest, composed, demo, guests, other_ages, other_guests, other_nixes, project, run, setup, sops};

/// Runs every check, prints the minutes a stage took and last of all `N passed, N failed`, whatever happened. A failure is in
/// the exit status, so that the count stays the last line. Without running them, the tests and all that they need are only compiled.
pub fn run(compile_only: bool) -> ExitCode {
    let mut stages = Stages::default();
    let mut toolchain = None;
    stages.run("setup", |_| {
        toolchain = Some(setup::ready()?.wasm);
        sops::ready()?;
        other_ages::ready()?;
        packages()
    });
    let wasm = || toolchain.as_ref().context("there is no toolchain for guests: see setup");
    stages.run("guests", |_| guests::build(wasm()?));
    stages.run("guest in C", |_| c_guest::build(wasm()?));
    stages.run("composed guest", |_| composed::build());
    stages.run("host", |_| build::complete(Profile::Quick));
    stages.run("guests in Python, JavaScript", |_| other_guests::build());
    stages.run("formatting", |_| formatting());
    stages.run("lints of the guests", |_| lints(guest_lints()));
    stages.run("lints of the host", |_| lints(host_lints()));
    stages.run("fuzz targets", |_| fuzz_targets().try_for_each(|dir| lints(fuzz_lints(dir))));
    stages.run("documentation", |_| documentation());
    stages.run("tests of the guests", |tally| compiled_or_counted(guest_tests(), compile_only, tally));
    stages.run("tests of the host", |tally| compiled_or_counted(host_tests(), compile_only, tally));
    if !compile_only {
        stages.run("other versions of Nix", other_nixes::check);
        stages.run("demo", |_| demo::show());
    }
    if stages.finish(std::env::var_os("CI").is_some()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Downloads what tests look at and nothing compiles: packages for other systems, and those of the fuzz targets.
fn packages() -> Result<()> {
    let fetch = |dir: PathBuf| run::done(run::cargo().args(["fetch", "--locked"]).current_dir(dir));
    [project::root(), project::plugins()].into_iter().chain(fuzz_targets()).try_for_each(fetch)
}

fn formatting() -> Result<()> {
    let formatted = |dir: PathBuf| run::done(run::cargo().args(["fmt", "--all", "--check"]).current_dir(dir));
    [project::root(), project::plugins()].into_iter().chain(fuzz_targets()).try_for_each(formatted)
}

/// Workspaces of their own, which only who fuzzes builds.
fn fuzz_targets() -> impl Iterator<Item = PathBuf> {
    [project::root().join("fuzz"), project::plugins().join("sops/fuzz")].into_iter()
}

/// Without debug information, which no lint looks at.
fn fuzz_lints(dir: PathBuf) -> Command {
    let mut cargo = run::cargo();
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_TARGET_DIR", project::root().join("target/fuzz"));
    cargo.args(["clippy", "--locked"]).current_dir(dir);
    cargo
}

fn host_lints() -> Command {
    let mut cargo = run::cargo();
    cargo.args(["clippy", "--locked", "--workspace", "--all-targets"]).current_dir(project::root());
    cargo
}

/// For the machine's own target with the usual compiler: a private one has no clippy, and the lints are the same.
fn guest_lints() -> Command {
    let mut cargo = guests::cargo_quick("clippy");
    cargo.arg("--all-targets");
    cargo
}

fn lints(mut cargo: Command) -> Result<()> {
    run::done(cargo.args(["--", "-D", "warnings"]))
}

/// Of examples too, so that features are as in the lints, and what these have read is not read again.
fn documentation() -> Result<()> {
    run::done(
        run::cargo()
            .args(["doc", "--locked", "--workspace", "--no-deps", "--lib", "--bin", "artifacts", "--examples"])
            .current_dir(project::root())
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

/// With a rustdoc that also checks why an example does not compile.
fn host_tests() -> Command {
    let mut cargo = cargo_test();
    cargo.env("RUSTDOC", project::root().join("xtask/rustdoc"));
    cargo
}

/// `cargo test` of the host's workspace.
pub fn cargo_test() -> Command {
    let mut cargo = run::cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]).current_dir(project::root());
    cargo
}

fn guest_tests() -> Command {
    let mut cargo = guests::cargo_quick("test");
    cargo.arg("--no-fail-fast");
    cargo
}

/// Runs tests and counts them, or compiles them only.
fn compiled_or_counted(mut cargo: Command, compile_only: bool, tally: &mut Tally) -> Result<()> {
    if compile_only { run::done(cargo.arg("--no-run")) } else { counted(&mut cargo, tally) }
}

/// Runs tests and counts them.
///
/// # Errors
/// When one fails, or none ran.
pub fn counted(cargo: &mut Command, tally: &mut Tally) -> Result<()> {
    let before = *tally;
    let well = run::lines(cargo, |line| {
        if let Some(result) = Tally::of_line(line) {
            *tally += result;
        }
    })?;
    if *tally == before {
        bail!("no test ran");
    }
    if well { Ok(()) } else { bail!("{} failed", (tally.failed - before.failed).max(1)) }
}
