//! The complete program.

use std::path::PathBuf;

use anyhow::Result;

use crate::{guests, project, run, setup};

/// Makes `target/release/artifacts` with its backends inside.
///
/// # Errors
/// When something is missing or does not build.
pub fn run() -> Result<PathBuf> {
    let ready = setup::ready()?;
    guests::build(&ready.wasm)?;
    host()?;
    println!("{}", project::program().display());
    Ok(project::program())
}

/// Builds the host. The whole workspace and its examples, as the tests do: another choice is another choice of features, and
/// wasmtime would be compiled again.
///
/// # Errors
/// When it does not build.
pub fn host() -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--locked", "--workspace", "--bins", "--examples"]);
    run::done(cargo.current_dir(project::root()))
}
