//! The real sops on what the program made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Result, ensure};

use crate::fleet::Fleet;

/// Runs it in the checkout with one private key, or a file of them.
///
/// # Errors
/// When it is not there.
pub fn sops(fleet: &Fleet, key: &Path, arguments: &[&str]) -> Result<Output> {
    sops_in(fleet.path(), key, arguments)
}

/// Runs it in a directory with one private key, or a file of them.
///
/// # Errors
/// When it is not there.
pub fn sops_in(dir: &Path, key: &Path, arguments: &[&str]) -> Result<Output> {
    let program = std::env::var_os("ARTIFACTS_TEST_SOPS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools/sops"), PathBuf::from);
    ensure!(program.exists(), "{} is missing: run `cargo xtask setup` first", program.display());
    let output = Command::new(program.canonicalize()?)
        .arg("--disable-version-check")
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir)
        .env("EDITOR", "./editor")
        .env("SOPS_AGE_KEY_FILE", key)
        .output()?;
    Ok(output)
}

/// What it decrypts.
///
/// # Errors
/// When it does not.
pub fn decrypted(fleet: &Fleet, key: &Path, file: &str) -> Result<Vec<u8>> {
    let output = sops(fleet, key, &["decrypt", file])?;
    ensure!(output.status.success(), "sops: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Has it open a file in its binary form in an editor that writes this instead.
///
/// # Errors
/// When it does not.
pub fn edited(fleet: &Fleet, key: &Path, file: &str, text: &str) -> Result<()> {
    fleet.generator("editor", &format!("#!/bin/sh\nprintf '{text}' > \"$1\"\n"))?;
    let arguments = ["edit", "--input-type", "binary", "--output-type", "binary", file];
    let output = sops(fleet, key, &arguments)?;
    ensure!(output.status.success(), "sops: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
