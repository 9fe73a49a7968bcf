//! The template of a backend, built as its author builds it, but with the sdk of this checkout.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::wasm::Toolchain;
use crate::{guests, project, run};

/// What it calls itself.
pub const NAME: &str = "mine";

/// Where its `Cargo.toml` has the sdk from.
const PUBLISHED: &str = "git = \"https://example.org/artifacts\"";

/// Builds a copy of it into the guests' directory. What it depends on is locked as for the other guests, so nothing is downloaded and
/// little compiled.
///
/// # Errors
/// When it does not build.
pub fn build(toolchain: &Toolchain) -> Result<()> {
    let copy = guests::dir().join("template");
    let template = project::root().join("nix/templates/backend");
    for file in ["manifest.json", "src/lib.rs"] {
        put(&read(&template.join(file))?, &copy.join(file))?;
    }
    let sdk = format!("path = '{}'", project::plugins().join("sdk").display());
    put(&read(&template.join("Cargo.toml"))?.replace(PUBLISHED, &sdk), &copy.join("Cargo.toml"))?;
    put(&read(&project::plugins().join("Cargo.lock"))?, &copy.join("Cargo.lock"))?;
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--offline", "--target-dir"]).arg(guests::dir());
    run::done(guests::compiled_by(toolchain, cargo.current_dir(&copy))?)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// A file that did not change keeps its time, so that nothing is built again.
fn put(text: &str, place: &Path) -> Result<()> {
    if fs::read_to_string(place).ok().as_deref() != Some(text) {
        fs::create_dir_all(place.parent().context("a file is in a directory")?)?;
        fs::write(place, text).with_context(|| place.display().to_string())?;
    }
    Ok(())
}
