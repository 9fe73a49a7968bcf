//! The example backends in Python and JavaScript, made components by the tools for these languages: componentize-py and
//! componentize-js. What these need is in Python's and Node's package indexes; neither is asked where a component is newer than all
//! that it is made of.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::{guests, npm, project, python, run};

const COMPONENTIZE_PY: &str = "componentize-py==0.25.1";

/// Builds both into `target/guests`, with the program that writes manifests.
///
/// # Errors
/// When a tool is missing and cannot be installed, or a guest does not build.
pub fn build() -> Result<()> {
    let tool = "xtask/src/other_guests.rs";
    guest("in-python", "backend.py", &[tool], in_python)?;
    guest("in-javascript", "backend.js", &[tool, "xtask/javascript"], in_javascript)
}

/// What one of them is made of, and what is made.
struct Guest {
    name: &'static str,
    source: PathBuf,
    /// The contract and the example's world, as a directory of WIT. The world has the guest's name.
    contract: PathBuf,
    component: PathBuf,
}

/// One of them, unless it is there.
fn guest(name: &'static str, source: &str, tools: &[&str], made: fn(&Guest) -> Result<()>) -> Result<()> {
    let dir = project::plugins().join("examples").join(name);
    let (manifest, component) = (dir.join("manifest.json"), project::guests_built().join(format!("{name}.wasm")));
    let contract = contract(name, &dir.join("world.wit"))?;
    let staged = guests::dir().join(format!("{name}.wasm"));
    let guest = Guest { name, source: dir.join(source), contract, component: staged };
    let tools: Vec<PathBuf> = tools.iter().map(|tool| project::root().join(tool)).collect();
    if !is_newer(&component, [&guest.source, &manifest, &guest.contract].into_iter().chain(&tools))? {
        made(&guest)?;
        let mut annotate = run::command(project::quick().join("artifacts"));
        annotate.args(["backend", "annotate"]).arg(&guest.component).arg("--manifest").arg(&manifest);
        run::done(annotate.arg("--output").arg(&component))?;
    }
    println!("{:>8} kB  {}", fs::metadata(&component)?.len() / 1000, component.display());
    Ok(())
}

/// Without WASI: each import of it is replaced by a stub that traps.
fn in_python(guest: &Guest) -> Result<()> {
    let dir = project::root().join("target/test-tools/componentize-py");
    let program = dir.join("bin/componentize-py");
    let version = || run::output(run::command(&program).arg("--version"));
    let (_, wanted) = COMPONENTIZE_PY.split_once("==").context("a version")?;
    if !program.exists() || !version()?.contains(wanted) {
        python::install(&dir, COMPONENTIZE_PY)?;
    }
    // From a copy: what Python compiles it puts beside the source.
    let sources = guests::dir().join(guest.name);
    fs::create_dir_all(&sources)?;
    fs::copy(&guest.source, sources.join("backend.py"))?;
    let mut command = run::command(&program);
    command.args(["--quiet", "--wit-path"]).arg(&guest.contract).args(["--world", guest.name]);
    command.args(["componentize", "--stub-wasi", "--python-path"]).arg(&sources).arg("--output").arg(&guest.component);
    run::done(command.arg("backend"))
}

fn in_javascript(guest: &Guest) -> Result<()> {
    let (source, dir) =
        (project::root().join("xtask/javascript"), project::root().join("target/test-tools/javascript"));
    npm::install(&source, &dir, "componentize.mjs", "componentize-js, which makes the example in JavaScript")?;
    let mut node = run::command("node");
    node.arg(dir.join("componentize.mjs"))
        .arg(&guest.source)
        .arg(&guest.contract)
        .arg(guest.name)
        .arg(&guest.component);
    run::done(&mut node)
}

/// The contract, and the world that includes it with what is optional, as a directory of WIT.
fn contract(name: &str, world: &Path) -> Result<PathBuf> {
    let dir = guests::dir().join("wit").join(name);
    let package = dir.join("deps/artifacts-backend");
    fs::create_dir_all(&package)?;
    put(&project::root().join("wit/backend.wit"), &package.join("backend.wit"))?;
    put(world, &dir.join("world.wit"))?;
    Ok(dir)
}

/// Copies what changed, so that nothing is built again without need.
fn put(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| from.display().to_string())?;
    if fs::read(to).ok().as_ref() != Some(&bytes) {
        fs::write(to, bytes)?;
    }
    Ok(())
}

/// Whether a file is there and newer than all others and all in directories.
fn is_newer<'a>(file: &Path, others: impl Iterator<Item = &'a PathBuf>) -> Result<bool> {
    let Ok(found) = fs::metadata(file) else { return Ok(false) };
    let made = found.modified()?;
    for other in others {
        if changed(other)? > made {
            return Ok(false);
        }
    }
    Ok(true)
}

/// When a file, or the newest file below a directory, was changed.
fn changed(path: &Path) -> Result<SystemTime> {
    let found = fs::metadata(path).with_context(|| path.display().to_string())?;
    if !found.is_dir() {
        return Ok(found.modified()?);
    }
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(path)? {
        newest = newest.max(changed(&entry?.path())?);
    }
    Ok(newest)
}
