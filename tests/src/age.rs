//! age itself, beside the program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// An SSH key of a host.
pub const SSH_HOST: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUxOQAAACDDgcnjWgP8O8OK9XptUyjJPVg7R4hKpm83xOCxrSBDIAAAAIg3nzlwN585\ncAAAAAtzc2gtZWQyNTUxOQAAACDDgcnjWgP8O8OK9XptUyjJPVg7R4hKpm83xOCxrSBDIA\nAAAECjtiRqnFYLpbKlepqcd5KYJKaOKV4pBvm66QnDZijTDMOByeNaA/w7w4r1em1TKMk9\nWDtHiEqmbzfE4LGtIEMgAAAABGhvc3QB\n-----END OPENSSH PRIVATE KEY-----\n";

/// Its public half.
pub const SSH_HOST_PUBLIC: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMOByeNaA/w7w4r1em1TKMk9WDtHiEqmbzfE4LGtIEMg root@web1";

/// The age key that `ssh-to-age -private-key` makes of it.
pub const SSH_HOST_AS_AGE: &str = "AGE-SECRET-KEY-1FGYN68TDW2VCG655P5URHQXXGJE8X988QZW65TD3D7L4YVUU4UUQP7JPDS\n";

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

/// Returns the public half of a key in a file.
///
/// # Errors
/// When age is missing.
pub fn public(file: &Path) -> Result<String> {
    let output = Command::new("age-keygen").arg("-y").arg(file).output().context("age-keygen")?;
    ensure!(output.status.success(), "age-keygen: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
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
