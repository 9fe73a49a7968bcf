//! The components: the bundled backends, and those of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::wasm::{self, Toolchain};
use crate::{c_guest, composed, project, run, setup, template};

/// For tests only.
const OTHERS: &[&str] = &["bundle", "hostile", "hostile-plaintext"];
/// Parts of other components, in the folder where guests are built.
const PARTS: &[&str] = &["log-prefix"];

/// What the program carries inside, by `plugins/bundled.json`.
///
/// # Errors
/// When the list cannot be read.
pub fn bundled() -> Result<Vec<String>> {
    let list = project::plugins().join("bundled.json");
    let text = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    Ok(names(&text))
}

/// The values of `"name"` in a list whose values need no escapes: a whole reader of JSON would be compiled before the first line of
/// every task. That all readers of the list read the same is a test.
fn names(list: &str) -> Vec<String> {
    list.split("\"name\"").skip(1).filter_map(|rest| rest.split('"').nth(1)).map(str::to_owned).collect()
}

/// Builds all of them, that in C too.
///
/// # Errors
/// When one does not build.
pub fn run() -> Result<()> {
    let toolchain = setup::ready()?.wasm;
    build(&toolchain)?;
    c_guest::build(&toolchain)?;
    composed::build()
}

/// Where components are that others are composed of.
pub fn parts() -> PathBuf {
    dir().join("parts")
}

/// Builds all of them into `target/plugins` and `target/guests`. The bytes depend on sources and compiler only, not on where
/// the checkout or cargo's home lies.
///
/// # Errors
/// When one does not build.
pub fn build(toolchain: &Toolchain) -> Result<()> {
    let mut cargo = in_workspace("build");
    run::done(compiled_by(toolchain, cargo.args(["--release", "--workspace"]))?)?;
    collect(&bundled()?, &project::plugins_built())?;
    collect(OTHERS, &project::guests_built())?;
    collect(PARTS, &parts())?;
    template::build(toolchain)?;
    collect(&[template::NAME], &project::guests_built())
}

/// Builds the bundled backends alone, which is all that the program needs. The others share their settings, so nothing is compiled
/// again when these are built later.
///
/// # Errors
/// When one does not build.
pub fn build_bundled(toolchain: &Toolchain) -> Result<()> {
    let names = bundled()?;
    let mut cargo = in_workspace("build");
    cargo.arg("--release");
    cargo.args(names.iter().flat_map(|name| ["--package", name]));
    run::done(compiled_by(toolchain, &mut cargo)?)?;
    collect(&names, &project::plugins_built())
}

/// For the guests' target, by their compiler, with none of this machine's paths in what it makes.
///
/// # Errors
/// When the compiler cannot be run.
pub fn compiled_by<'a>(toolchain: &Toolchain, cargo: &'a mut Command) -> Result<&'a mut Command> {
    let remaps = [
        (cargo_home()?, "/cargo"),
        (project::root(), "/artifacts"),
        (PathBuf::from(toolchain.sysroot()?).join("lib/rustlib/src/rust"), "/rustc/std"),
    ];
    let flags = remaps.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    Ok(cargo
        .args(["--target", wasm::TARGET])
        .env("RUSTC", &toolchain.rustc)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))
}

/// cargo for all of the guests' workspace, as it is checked and tested on this machine's own processor.
pub fn cargo_quick(task: &str) -> Command {
    let mut cargo = in_workspace(task);
    cargo.arg("--workspace");
    cargo
}

/// cargo in the guests' workspace: the same lock and directory for every use.
fn in_workspace(task: &str) -> Command {
    let mut cargo = run::cargo();
    cargo.args([task, "--locked", "--target-dir"]).arg(dir());
    cargo.current_dir(project::plugins());
    cargo
}

/// Where guests are built.
pub fn dir() -> PathBuf {
    project::target().join("guests-build")
}

/// Copies what changed, so that an unchanged component does not rebuild the host.
fn collect(names: &[impl AsRef<str>], into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    for name in names {
        let name = name.as_ref();
        let built = dir().join(wasm::TARGET).join("release").join(format!("{}.wasm", name.replace('-', "_")));
        let bytes = fs::read(&built).with_context(|| built.display().to_string())?;
        let place = into.join(format!("{name}.wasm"));
        if fs::read(&place).ok().as_ref() != Some(&bytes) {
            fs::write(&place, &bytes).with_context(|| place.display().to_string())?;
        }
        println!("{:>8} kB  {}", bytes.len() / 1000, place.display());
    }
    Ok(())
}

/// Where cargo keeps the sources that it downloads.
///
/// # Errors
/// When neither `CARGO_HOME` nor `HOME` is set.
pub fn cargo_home() -> Result<PathBuf> {
    match (std::env::var_os("CARGO_HOME"), std::env::var_os("HOME")) {
        (Some(home), _) => Ok(home.into()),
        (None, Some(home)) => Ok(PathBuf::from(home).join(".cargo")),
        (None, None) => bail!("neither CARGO_HOME nor HOME is set"),
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_list_is_read() {
        let list =
            "[\n  { \"name\": \"one\", \"onTarget\": false },\n  { \"module\": \"x.nix\", \"name\" : \"two-2\" }\n]\n";
        assert_eq!(names(list), ["one", "two-2"]);
        assert!(names("[]").is_empty());
    }
}
