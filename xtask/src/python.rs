//! Programs for the tests from Python's package index, each in a virtual environment of its own.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{apt, run};

/// Installs a package into a new environment in that directory.
///
/// # Errors
/// When Python, its module venv or the package cannot be had.
pub fn install(dir: &Path, package: &str) -> Result<()> {
    println!("Installing {package} with pip into {}", dir.display());
    environment(dir)?;
    run::done(
        run::command(dir.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
            .arg(package),
    )
}

/// A virtual environment of Python. Debian has a package of its own for that.
fn environment(dir: &Path) -> Result<()> {
    let make = || run::done(run::command("python3").args(["-m", "venv", "--clear"]).arg(dir));
    make()
        .or_else(|error| {
            if !apt::may_install() {
                return Err(error);
            }
            println!("Installing with apt-get: python3-venv");
            apt::install(&["python3-venv"])?;
            make()
        })
        .context("python3 with its module venv is missing; the tests get tools with it (apt-get install python3-venv)")
}
