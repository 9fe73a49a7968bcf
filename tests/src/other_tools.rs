//! Secrets as other tools have them: written by age and sops themselves, declared in real configurations, with a text in every value
//! that is looked for afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::checkout::Checkout;
use crate::fleet::{Ran, stored};
use crate::sops::sops_in;

/// In every value; nothing that is stored or declared has it.
pub const CANARY: &str = "canary-7f3a19";

/// The modules of agenix and sops-nix, in a list of a flake.
pub const THEIRS: &str = "inputs.agenix.nixosModules.default inputs.sops-nix.nixosModules.sops";

/// The module of ours.
pub const OURS: &str = "inputs.artifacts.nixosModules.default";

/// What sops needs to be told for one value of any bytes.
pub const BINARY: [&str; 4] = ["--input-type", "binary", "--output-type", "json"];

/// A configuration of a machine with these modules and settings.
#[must_use]
pub fn machine(name: &str, modules: &str, settings: &str) -> String {
    format!(
        r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [ {modules}
          ({{ config, lib, ... }}: {{ nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; {settings} }})
        ]; }};"#
    )
}

/// What a program printed.
///
/// # Errors
/// When it failed.
pub fn done(output: Output) -> Result<Vec<u8>> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// The value of a file of this name.
#[must_use]
pub fn value(file: &str) -> String {
    format!("{CANARY} of {file}\n")
}

/// Encrypts a value with age itself, which is given it on standard input.
///
/// # Errors
/// When it fails.
pub fn age(checkout: &Checkout, recipients: &[&str], file: &str, value: impl AsRef<[u8]>) -> Result<()> {
    let out = checkout.path().join(file);
    fs::create_dir_all(out.parent().context("a directory")?)?;
    let recipients = recipients.iter().flat_map(|key| ["-r", key]);
    let path = format!("{}:/usr/bin:/bin", checkout.tools().display());
    let mut age = Command::new("/usr/bin/env");
    age.arg(format!("PATH={path}")).arg("age").args(recipients).arg("-o").arg(out).stdin(Stdio::piped());
    let mut age = age.spawn()?;
    age.stdin.take().context("a pipe")?.write_all(value.as_ref())?;
    ensure!(age.wait()?.success(), "age could not encrypt {file}");
    Ok(())
}

/// Encrypts a file with sops itself, which has more words.
///
/// # Errors
/// When it fails.
pub fn sops(checkout: &Checkout, recipients: &[&str], words: &[&str], text: &str, file: &str) -> Result<()> {
    checkout.write(file, text)?;
    let recipients = recipients.join(",");
    let words = [&["-e", "-i", "--age", &recipients], words, &[file]].concat();
    done(sops_in(&checkout.path(), &checkout.key_file("none"), &words)?)?;
    Ok(())
}

/// An SSH key of a type, as hosts and people have them: its public half.
///
/// # Errors
/// When it cannot be made.
pub fn ssh_key(checkout: &Checkout, kind: &str, name: &str) -> Result<String> {
    let file = checkout.key_file(name);
    let arguments = ["-q", "-t", kind, "-N", "", "-C", name, "-f"];
    done(Command::new("ssh-keygen").args(arguments).arg(&file).output()?)?;
    Ok(fs::read_to_string(file.with_extension("pub"))?.trim().to_owned())
}

/// No file of the checkout and the home has a value.
///
/// # Errors
/// When that cannot be determined.
///
/// # Panics
/// When one has.
pub fn is_nowhere(checkout: &Checkout) -> Result<()> {
    for dir in [checkout.path(), checkout.home()] {
        let found = Command::new("grep").args(["-rlF", CANARY]).arg(dir).output()?;
        assert_eq!(String::from_utf8(found.stdout)?, "");
    }
    Ok(())
}

/// The instances and their states, with the kinds of reasons.
///
/// # Errors
/// When `status` cannot be run.
pub fn states(checkout: &Checkout) -> Result<BTreeMap<String, String>> {
    let ran = checkout.run(&["--json", "status"])?;
    let rows = ran.json()["instances"].as_array().cloned().unwrap_or_default();
    let names = rows.iter().filter_map(|row| row["name"].as_str().map(str::to_owned));
    Ok(names.map(|name| (name.clone(), ran.state(&name))).collect())
}

/// Runs with one of the private keys, and accepts recipients.
///
/// # Errors
/// When it cannot be run.
pub fn with_key(checkout: &Checkout, key: &str, arguments: &[&str]) -> Result<Ran> {
    let key = checkout.key_file(key).display().to_string();
    checkout.run(&[&["-i", key.as_str(), "--accept-recipients"], arguments].concat())
}

/// A run that changes nothing, and ends so.
///
/// # Errors
/// When it cannot be run.
///
/// # Panics
/// When something changes.
pub fn unchanged(checkout: &Checkout, arguments: &[&str], status: i32) -> Result<Ran> {
    let before = stored(&checkout.path())?;
    let ran = checkout.run(arguments)?.ends(status);
    assert_eq!(stored(&checkout.path())?, before);
    Ok(ran)
}

/// What sops itself decrypts with a key.
///
/// # Errors
/// When it fails.
pub fn decrypted(checkout: &Checkout, key: &Path, words: &[&str], file: &str) -> Result<String> {
    let words = [&["decrypt"], words, &[file]].concat();
    Ok(String::from_utf8(done(sops_in(&checkout.path(), key, &words)?)?)?)
}
