use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use artifacts_tests::nix::{Inputs, environment, git};

use super::row::Row;
use super::{Bench, clock};
use xtask::run;

const TARGETS: usize = 100;
const ROUNDS: usize = 11;
/// Work is left: nothing was made.
const LEFT: i32 = 3;

/// `status` of an unchanged flake with many machines, by the clock, against Nix that is asked what the flake is: ours asks that as well.
///
/// # Errors
/// When it fails.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let checkout = dir.path().join("checkout");
    let machines: String = (0..TARGETS).map(|number| machine(number, &bench.recipients[0])).collect();
    Inputs::new()?.flake(&checkout, &format!("inputs: {{ {machines} }}"))?;
    for arguments in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "x"]] {
        git(&checkout, arguments)?;
    }
    let home = dir.path().join("home");
    fs::create_dir(&home)?;
    let first = clock::wall(|| status(bench, &checkout, &home))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(clock::wall(|| status(bench, &checkout, &home))?.as_secs_f64() * 1e3);
        theirs.push(clock::wall(|| metadata(&checkout, &home))?.as_secs_f64() * 1e3);
    }
    let (ours, theirs) = (clock::median(ours)?, clock::median(theirs)?);
    Ok(vec![Row {
        what: "`status` of an unchanged flake with 100 machines and 200 artifacts, the whole run",
        here: format!("{ours:.0} ms (the first run, which evaluates, {:.1} s)", first.as_secs_f64()),
        against: format!("{theirs:.0} ms, `nix flake metadata`"),
        ratio: ours / theirs,
        at_most: Some(3.0),
    }])
}

fn metadata(checkout: &Path, home: &Path) -> Result<()> {
    let mut nix = run::command("nix");
    nix.args(["--extra-experimental-features", "nix-command flakes", "flake", "metadata", "--json"]);
    nix.current_dir(checkout).stdout(Stdio::null()).stderr(Stdio::null());
    run::done(nix.env_clear().envs(environment()?).env("HOME", home))
}

fn status(bench: &Bench, checkout: &Path, home: &Path) -> Result<()> {
    let mut command: Command = run::command(&bench.program);
    command
        .arg("status")
        .current_dir(checkout)
        .stdout(Stdio::null())
        .env_clear()
        .envs(environment()?)
        .env("HOME", home);
    let status = command.status()?;
    ensure!(status.code() == Some(LEFT), "expected exit status {LEFT}, found {status}");
    Ok(())
}

fn machine(number: usize, key: &str) -> String {
    format!(
        r#"nixosConfigurations.m{number:03} = inputs.nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
          ({{ pkgs, ... }}: {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "m{number:03}"; artifacts.root = ./.;
            artifacts.default.backend = "agenix";
            artifacts.config.agenix = {{ publicHostKey = "{key}"; publicUserKeys = [ ]; }};
            artifacts.store.a = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "a" "true"; }};
            artifacts.store.b = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "b" "true"; }};
          }})
        ]; }};
"#
    )
}
