//! The steps of the page *Coming from another tool*, with files that age and sops themselves made.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use artifacts_tests::fleet::{Fleet, Ran};
use artifacts_tests::sops::sops;
use serde_json::json;

const SECRET: &str = "as it was before";
const INSTANCE: &str = "per-machine/web1/attic";

/// A machine that declares what another tool holds.
fn fleet(backend: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/sh\nexit 1\n")?;
    let artifact = json!({"backend": backend, "files": {"env": {}}, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"attic": artifact}))?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host}));
    Ok(fleet)
}

fn host(fleet: &mut Fleet) -> String {
    fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap_or_default().to_owned()
}

fn done(output: Output) -> Result<Vec<u8>> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Puts the old tool's file where ours belongs.
fn lay(fleet: &Fleet, file: &str, bytes: &[u8]) -> Result<()> {
    let slice = fleet.path().join("secrets").join(INSTANCE);
    fs::create_dir_all(&slice)?;
    Ok(fs::write(slice.join(file), bytes)?)
}

/// `… | artifacts set`.
fn set(fleet: &Fleet, bytes: &[u8]) -> Result<Ran> {
    let given = fleet.path().join(".keys/given");
    fs::write(&given, bytes)?;
    let mut command = fleet.command(["--no-input", "--accept-readers", "set", INSTANCE, "env"])?;
    Ok(command.stdin(Stdio::from(fs::File::open(given)?)).output()?.into())
}

fn age(fleet: &mut Fleet, more: &[&str]) -> Result<Vec<u8>> {
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let host = host(fleet);
    done(Command::new("age").args(["-r", &host]).args(more).arg(plain).output()?)
}

fn is_taken_over(fleet: &Fleet) -> Result<()> {
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state(INSTANCE), "present");
    let key = fleet.key_file("web1");
    let ran = fleet.run(["-i", key.to_str().unwrap(), "get", INSTANCE, "env"])?.ends(0);
    assert_eq!(ran.stdout, SECRET);
    // What is there is not made again: its generator would fail.
    fleet.run(["generate"])?.ends(0);
    Ok(())
}

#[test]
fn armored_files_are_adopted_where_they_lie() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    let sealed = age(&mut fleet, &["--armor"])?;
    lay(&fleet, "env.age", &sealed)?;
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(INSTANCE), "stale (receipt)");
    fleet.run(["adopt"])?.ends(0).says("adopted per-machine/web1/attic");
    assert_eq!(fleet.stored()?[&format!("{INSTANCE}/env.age")], sealed);
    is_taken_over(&fleet)
}

#[test]
fn a_binary_file_is_not_adopted_but_set() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    let sealed = age(&mut fleet, &[])?;
    lay(&fleet, "env.age", &sealed)?;
    fleet.run(["adopt"])?.ends(1).says("`env.age` does not begin as an armored age file");
    fs::remove_dir_all(fleet.path().join("secrets"))?;
    set(&fleet, SECRET.as_bytes())?.ends(0);
    is_taken_over(&fleet)
}

#[test]
fn secrets_of_agenix_are_set_from_what_age_prints() -> Result<()> {
    for backend in ["agenix", "sops-nix"] {
        let mut fleet = fleet(backend)?;
        let old = fleet.path().join("attic.age");
        fs::write(&old, age(&mut fleet, &[])?)?;
        let plain = done(Command::new("age").arg("-d").arg("-i").arg(fleet.key_file("web1")).arg(&old).output()?)?;
        set(&fleet, &plain)?.ends(0);
        is_taken_over(&fleet)?;
    }
    Ok(())
}

#[test]
fn values_of_a_sops_file_are_set_and_a_binary_one_is_adopted() -> Result<()> {
    let mut fleet = fleet("sops-nix")?;
    let host = host(&mut fleet);
    let old = fleet.path().join("secrets.yaml");
    fs::write(&old, format!("attic: {SECRET}\nother: x\n"))?;
    let key = fleet.key_file("web1");
    let old = old.to_str().unwrap();
    done(sops(&fleet, &key, &["-e", "-i", "--age", &host, old])?)?;
    let value = done(sops(&fleet, &key, &["-d", "--extract", "[\"attic\"]", old])?)?;
    set(&fleet, &value)?.ends(0);
    is_taken_over(&fleet)?;

    let mut fleet = self::fleet("sops-nix")?;
    let host = self::host(&mut fleet);
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let arguments = ["-e", "--age", &host, "--input-type", "binary", "--output-type", "json", plain.to_str().unwrap()];
    let sealed = done(sops(&fleet, &fleet.key_file("web1"), &arguments)?)?;
    lay(&fleet, "env.sops", &sealed)?;
    fleet.run(["adopt"])?.ends(0).says("adopted per-machine/web1/attic");
    is_taken_over(&fleet)
}
