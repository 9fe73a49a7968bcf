//! The complete program.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{guests, project, run, setup};

/// Makes `target/release/artifacts` with its backends inside.
///
/// # Errors
/// When something is missing or does not build.
pub fn run() -> Result<PathBuf> {
    let ready = setup::ready()?;
    guests::build(&ready.wasm)?;
    complete()?;
    println!("{}", project::program().display());
    Ok(project::program())
}

/// Builds the host with its backends inside, compiled. It compiles them itself, so that the code is of the very engine that will
/// run it: a program that made other code than it has inside is built once more.
///
/// # Errors
/// When it does not build, or cannot compile a backend.
pub fn complete() -> Result<()> {
    host()?;
    if precompile()? { host() } else { Ok(()) }
}

/// Compiles each bundled component into `target/plugins`. Whether any code is new.
fn precompile() -> Result<bool> {
    let folder = project::plugins_built();
    let mut new = false;
    for name in guests::BUNDLED {
        let place = folder.join(format!("{name}.{}.cwasm", std::env::consts::ARCH));
        let fresh = place.with_extension("new");
        let program = project::target().join("release/artifacts-precompile");
        run::done(run::command(program).arg(folder.join(format!("{name}.wasm"))).arg(&fresh))?;
        let code = fs::read(&fresh).with_context(|| fresh.display().to_string())?;
        if fs::read(&place).ok().as_ref() == Some(&code) {
            fs::remove_file(&fresh)?;
        } else {
            fs::rename(&fresh, &place)?;
            new = true;
        }
        println!("{:>8} kB  {}", code.len() / 1000, place.display());
    }
    Ok(new)
}

/// Builds the host. The whole workspace and its examples, as the tests do: another choice is another choice of features, and
/// wasmtime would be compiled again.
///
/// # Errors
/// When it does not build.
fn host() -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--locked", "--workspace", "--bins", "--examples"]);
    run::done(cargo.current_dir(project::root()))
}
