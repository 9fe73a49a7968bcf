//! The complete program.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{guests, project, run, setup};

/// How the host is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For the demo and the tests: soon compiled, into `target/debug`.
    Quick,
    /// As it is delivered and measured: optimized, into `target/release`.
    Release,
}

impl Profile {
    /// Where its programs are.
    fn dir(self) -> PathBuf {
        match self {
            Self::Quick => project::quick(),
            Self::Release => project::released(),
        }
    }
}

/// Makes the complete program, with its backends inside.
///
/// # Errors
/// When something is missing or does not build.
pub fn run(profile: Profile) -> Result<()> {
    let ready = setup::ready()?;
    guests::build_bundled(&ready.wasm)?;
    complete(profile)?;
    println!("{}", profile.dir().join("artifacts").display());
    Ok(())
}

/// The packages of the complete program, and of its demo. They are always built together, since another choice is another choice of
/// features, and wasmtime would be compiled again. That the tests' choice comes to the same is a test.
const PACKAGES: &[&str] = &["artifacts", "artifacts-precompile", "artifacts-on-target", "artifacts-tasks"];

/// Builds the host with its backends inside, compiled: first the program that compiles them, of the same crates as the rest, so that the
/// code is of the very engine that will run it; then the one that has their code inside. All others come with the first: what a
/// build script and a program both use is compiled for both at once, or twice.
///
/// # Errors
/// When it does not build, or cannot compile a backend.
pub fn complete(profile: Profile) -> Result<()> {
    host(profile, &["artifacts-precompile", "artifacts-target", "artifacts-demo"])?;
    precompile(profile)?;
    host(profile, &["artifacts"])
}

/// Compiles each bundled component into `target/plugins`; code that did not change stays as it is.
fn precompile(profile: Profile) -> Result<()> {
    let dir = project::plugins_built();
    for name in guests::bundled()? {
        let place = dir.join(format!("{name}.{}.cwasm", std::env::consts::ARCH));
        let fresh = place.with_extension("new");
        let program = profile.dir().join("artifacts-precompile");
        run::done(run::command(program).arg(dir.join(format!("{name}.wasm"))).arg(&fresh))?;
        let code = fs::read(&fresh).with_context(|| fresh.display().to_string())?;
        if fs::read(&place).ok().as_ref() == Some(&code) {
            fs::remove_file(&fresh)?;
        } else {
            fs::rename(&fresh, &place)?;
        }
        println!("{:>8} kB  {}", code.len() / 1000, place.display());
    }
    Ok(())
}

/// Builds what the bench measures and what measures it.
///
/// # Errors
/// When it does not build.
pub fn measured() -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--locked", "--workspace", "--bin", "artifacts-bench", "--examples"]);
    run::done(cargo.current_dir(project::root()))
}

/// Builds some programs of the host.
fn host(profile: Profile, programs: &[&str]) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--locked"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    cargo.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    cargo.args(programs.iter().flat_map(|program| ["--bin", program]));
    run::done(cargo.current_dir(project::root()))
}
