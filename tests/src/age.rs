//! age itself, beside the program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Makes an age key in a file, in place of what lies there, and gives its public half.
///
/// # Errors
/// When age is missing.
pub fn new_key(file: &Path) -> Result<String> {
    let _ = std::fs::remove_file(file);
    let output = Command::new("age-keygen").arg("-o").arg(file).output().context("age-keygen")?;
    ensure!(output.status.success(), "age-keygen: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(file)?;
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).context("a public key")?;
    Ok(public.to_owned())
}

/// Decrypts a file with the key in another.
///
/// # Errors
/// When age cannot.
pub fn decrypt(key: &Path, file: &Path) -> Result<Vec<u8>> {
    let output = Command::new("age").arg("-d").arg("-i").arg(key).arg(file).output().context("age")?;
    ensure!(output.status.success(), "age: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
