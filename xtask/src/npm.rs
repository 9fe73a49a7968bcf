//! Programs for the tests from Node's package index.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::{apt, run};

/// Copies these files from a directory and installs the packages that its lock names, unless just these are there.
///
/// # Errors
/// When npm or a package cannot be had; `what` says what it is for.
pub fn install(source: &Path, dir: &Path, script: &str, what: &str) -> Result<()> {
    if run::find("npm").is_none() {
        let how = if apt::is_here() { "apt-get install nodejs npm" } else { "https://nodejs.org" };
        bail!("npm is missing: it installs {what} ({how})");
    }
    fs::create_dir_all(dir)?;
    let lock = "package-lock.json";
    let is_same = fs::read(dir.join(lock)).ok() == Some(fs::read(source.join(lock)).context(lock)?);
    let is_installed = is_same && dir.join("node_modules/.package-lock.json").exists();
    for file in ["package.json", lock, script] {
        fs::copy(source.join(file), dir.join(file)).with_context(|| file.to_owned())?;
    }
    if is_installed {
        return Ok(());
    }
    println!("Installing {what} with npm into {}", dir.display());
    let mut npm = run::command("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]);
    run::done(npm.current_dir(dir))
}
