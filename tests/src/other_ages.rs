//! Other implementations of age, beside the program: its newest release, and that in JavaScript. `cargo xtask setup` gets both.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Runs age in JavaScript with what comes from standard input.
///
/// # Errors
/// When it is missing or fails.
pub fn javascript(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let program = tools().join("age-javascript/age.mjs");
    ensure!(program.exists(), "{} is missing: run `cargo xtask setup` first", program.display());
    output(Command::new("node").arg(program).args(arguments), input)
}

/// Runs a program of the newest age, `age` or `age-keygen`, with what comes from standard input. It finds plugins in that directory.
///
/// # Errors
/// When it is missing or fails.
pub fn newest(name: &str, arguments: &[&OsStr], plugins: &Path, input: &[u8]) -> Result<Vec<u8>> {
    let program = program(name)?;
    let path = std::env::join_paths([plugins, Path::new("/usr/bin"), Path::new("/bin")])?;
    output(Command::new(program).args(arguments).env("PATH", path), input)
}

/// Returns a program of the newest age, or the plugin `age-plugin-tpm`.
///
/// # Errors
/// When it is missing.
pub fn program(name: &str) -> Result<PathBuf> {
    let dir = std::env::var_os("ARTIFACTS_TEST_AGE").map_or_else(|| tools().join("age/bin"), PathBuf::from);
    let program = dir.join(name);
    ensure!(program.exists(), "{} is missing: run `cargo xtask setup` first", program.display());
    Ok(program)
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools")
}

fn output(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("standard input")?;
    let written = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    written?;
    Ok(output.stdout)
}
