//! The checks of a machine's setup, with real git, age and Nix: what each finds, and that it changes nothing.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran};
use artifacts_tests::nix;
use serde_json::{Value, json};

const ENTRY: &str = "secrets/per-machine/web1/own";

fn git(dir: &Path, arguments: &[&str]) -> String {
    nix::git(dir, arguments).unwrap()
}

/// A machine with one stored artifact, in a repository.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let random = fleet.generator("random", "#!/bin/bash\nhead -c 16 /dev/urandom > $out/secret\n")?;
    let fleet =
        fleet.machine("web1", &json!({"own": {"backend": "agenix", "files": {"secret": {}}, "generator": random}}))?;
    fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\n")?;
    git(fleet.path(), &["init", "-q"]);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    git(fleet.path(), &["add", "."]);
    git(fleet.path(), &["commit", "-qm", "first"]);
    Ok(fleet)
}

fn doctor(fleet: &Fleet, areas: &[&str]) -> Result<Ran> {
    fleet.run(["--json", "doctor"].iter().chain(areas))
}

/// The only finding of an area that is not as it should be.
#[track_caller]
fn finding(ran: &Ran, verdict: &str) -> Value {
    let json = ran.json();
    let checks = json["checks"].as_array().unwrap();
    let found: Vec<&Value> = checks.iter().filter(|check| check["verdict"] != "ok").collect();
    assert_eq!(found.len(), 1, "{ran}");
    assert_eq!(found[0]["verdict"], verdict, "{ran}");
    assert_ne!(found[0]["remedies"], json!([]), "{ran}");
    found[0].clone()
}

/// Every file below a directory with its bytes, mode and time.
fn everything(dir: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    let mut rest = vec![dir.to_owned()];
    while let Some(dir) = rest.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let bytes = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path.display().to_string(), (bytes, metadata.permissions().mode()));
            if metadata.is_dir() {
                rest.push(path);
            }
        }
    }
    found
}

#[test]
fn every_area_answers_and_nothing_is_changed() -> Result<()> {
    let fleet = fleet()?;
    let (checkout, home) = (everything(fleet.path()), everything(fleet.home()));
    let ran = doctor(&fleet, &[])?;
    let json = ran.json();
    let areas: Vec<&str> =
        json["checks"].as_array().unwrap().iter().map(|check| check["area"].as_str().unwrap()).collect();
    for area in
        ["workers", "generators", "ram", "swap", "nix", "git", "receipts", "identities", "plugins", "state", "audit"]
    {
        assert!(areas.contains(&area), "{area}: {ran}");
    }
    // What this machine is like is not the test's to say; that the status follows from what was found is.
    let counts = &json["counts"];
    let status = if counts["broken"] != 0 {
        1
    } else if counts["work"] != 0 {
        3
    } else {
        0
    };
    assert_eq!(ran.status, Some(status), "{ran}");
    assert_eq!(everything(fleet.path()), checkout);
    assert_eq!(everything(fleet.home()), home);
    // As a person reads it, what is as it should be is only counted.
    let said = fleet.run(["doctor", "git", "receipts", "state", "audit"])?.ends(0);
    assert_eq!(said.stdout, "4 checks: 4 ok\n");
    fleet
        .run(["doctor", "--all", "git", "receipts"])?
        .ends(0)
        .says("ok git git has 1 entry as stored")
        .says("ok receipts 1 entry is as its receipt says: sizes and SHA-256");
    fleet.run(["doctor", "disk"])?.ends(2).says("workers").says("audit");
    Ok(())
}

#[test]
fn what_git_does_not_know_is_work_and_its_remedy_ends_it() -> Result<()> {
    let fleet = fleet()?;
    doctor(&fleet, &["git"])?.ends(0);
    git(fleet.path(), &["rm", "-rq", "--cached", ENTRY]);
    let found = finding(&doctor(&fleet, &["git"])?.ends(3), "work");
    assert!(found["message"].as_str().unwrap().contains("per-machine/web1/own"));
    assert_eq!(found["remedies"], json!([{"text": format!("`git add -- {ENTRY}`")}]));
    fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\nsecrets/per-machine/\n")?;
    let found = finding(&doctor(&fleet, &["git"])?.ends(3), "work");
    assert!(found["message"].as_str().unwrap().contains(".gitignore"), "{found}");
    git(fleet.path(), &["add", "--force", "--", ENTRY]);
    doctor(&fleet, &["git"])?.ends(0);
    Ok(())
}

#[test]
fn what_git_tracks_of_this_machine_s_own_files_is_broken() -> Result<()> {
    let fleet = fleet()?;
    fs::create_dir_all(fleet.path().join("secrets/.artifacts/trash/x"))?;
    fs::write(fleet.path().join("secrets/.artifacts/trash/x/f"), "x")?;
    git(fleet.path(), &["add", "--force", "secrets/.artifacts/trash/x/f"]);
    let found = finding(&doctor(&fleet, &["git"])?.ends(1), "broken");
    assert!(found["message"].as_str().unwrap().contains("secrets/.artifacts/trash/x/f"), "{found}");
    git(fleet.path(), &["rm", "-rq", "--cached", "secrets/.artifacts"]);
    doctor(&fleet, &["git"])?.ends(0);
    Ok(())
}

#[test]
fn stored_files_are_compared_with_their_receipts() -> Result<()> {
    let fleet = fleet()?;
    let file = fleet.path().join(ENTRY).join("secret.age");
    let stored = fs::read(&file)?;
    fs::write(&file, [&stored[..], b"\n"].concat())?;
    let found = finding(&doctor(&fleet, &["receipts"])?.ends(3), "work");
    assert_eq!(found["message"], "per-machine/web1/own: `secret.age` was modified outside artifacts");
    fs::remove_file(&file)?;
    let found = finding(&doctor(&fleet, &["receipts"])?.ends(1), "broken");
    assert!(found["message"].as_str().unwrap().contains("is missing"), "{found}");
    fs::write(&file, &stored)?;
    fs::write(fleet.path().join("secrets/notes.txt"), "x")?;
    let found = finding(&doctor(&fleet, &["receipts"])?.ends(3), "work");
    assert!(found["message"].as_str().unwrap().contains("secrets/notes.txt"), "{found}");
    fs::remove_file(fleet.path().join("secrets/notes.txt"))?;
    fs::write(fleet.path().join(ENTRY).join("receipt.json"), "{}")?;
    finding(&doctor(&fleet, &["receipts"])?.ends(1), "broken");
    Ok(())
}

#[test]
fn identities_are_found_by_their_place_and_not_used() -> Result<()> {
    let fleet = fleet()?;
    let found = finding(&doctor(&fleet, &["identities"])?.ends(3), "work");
    assert!(found["message"].as_str().unwrap().contains(".ssh/id_ed25519"), "{found}");
    let key = fleet.key_file("web1");
    let key = key.to_str().unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o644))?;
    let ran = fleet.run(["--json", "-i", key, "doctor", "identities"])?.ends(3);
    let found = finding(&ran, "work");
    assert_eq!(found["remedies"], json!([{"command": ["chmod", "600", "--", key]}]));
    let mut command = fleet.command(["--json", "doctor", "identities"])?;
    command.env("SOPS_AGE_KEY_FILE", key);
    let found = finding(&Ran::from(command.output()?).ends(3), "work");
    assert_eq!(found["remedies"], json!([{"command": ["chmod", "600", "--", key]}]));
    let secret = fs::read_to_string(key)?;
    let secret = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    ran.never_says(&secret[16..]);
    fs::set_permissions(key, fs::Permissions::from_mode(0o600))?;
    fleet.run(["-i", key, "doctor", "--all", "identities"])?.ends(0).says("age identity");
    fleet.run(["-i", "/nowhere", "doctor", "identities"])?.ends(1).says("/nowhere does not exist");
    // A program that prints keys is not run.
    let ran = fleet.path().join("ran");
    let mut command = fleet.command(["doctor", "--all", "identities"])?;
    command.env("SOPS_AGE_KEY_CMD", format!("touch {}", ran.display()));
    Ran::from(command.output()?).ends(0).says("it was not run");
    assert!(!ran.exists());
    Ok(())
}

#[test]
fn an_identity_that_commands_reject_is_rejected_in_their_words() -> Result<()> {
    let fleet = fleet()?;
    let dir = tempfile::tempdir()?;
    for form in ["PEM", "PKCS8"] {
        let key = dir.path().join(form);
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-N", "correct horse", "-m", form, "-f"])
            .arg(&key)
            .status()?;
        assert!(keygen.success());
        let key = key.to_str().unwrap();
        let checks = doctor(&fleet, &["-i", key, "identities"])?.ends(1).json()["checks"].clone();
        assert_eq!(checks[0]["verdict"], "broken", "{checks}");
        let message = checks[0]["message"].as_str().unwrap();
        assert!(message.contains("ssh-keygen -p -f FILE"), "{message}");
        fleet.run(["-i", key, "get", "web1/own", "secret"])?.ends(1).says(message);
    }
    Ok(())
}

#[test]
fn a_plugin_that_is_enabled_has_to_be_installed() -> Result<()> {
    let fleet = fleet()?;
    doctor(&fleet, &["plugins"])?.ends(0);
    let found = finding(&doctor(&fleet, &["--age-plugin", "no-such", "plugins"])?.ends(1), "broken");
    assert!(found["message"].as_str().unwrap().contains("age-plugin-no-such"), "{found}");
    let key = fleet.path().join(".keys/plugin");
    fs::write(&key, "AGE-PLUGIN-NO-SUCH-1QQQQQQ\n")?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let found = finding(&doctor(&fleet, &["-i", key.to_str().unwrap(), "plugins"])?.ends(3), "work");
    assert!(found["message"].as_str().unwrap().contains("not enabled"), "{found}");
    Ok(())
}

#[test]
fn the_state_directory_belongs_to_its_user_alone() -> Result<()> {
    let fleet = fleet()?;
    let state = fleet.home().join("state/artifacts");
    doctor(&fleet, &["state"])?.ends(0);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755))?;
    let found = finding(&doctor(&fleet, &["state"])?.ends(3), "work");
    assert_eq!(found["remedies"], json!([{"command": ["chmod", "700", "--", state]}]));
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777))?;
    let ran = doctor(&fleet, &["state"])?.ends(1);
    assert_eq!(ran.json()["counts"]["broken"], 1, "{ran}");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700))?;
    // Anyone who can push could write what git tracks.
    let mut command = fleet.command(["--json", "doctor", "state"])?;
    command.env("XDG_STATE_HOME", fleet.path().join("secrets"));
    fs::create_dir_all(fleet.path().join("secrets/artifacts"))?;
    fs::write(fleet.path().join("secrets/artifacts/accepted"), "x")?;
    fs::set_permissions(fleet.path().join("secrets/artifacts"), fs::Permissions::from_mode(0o700))?;
    git(fleet.path(), &["add", "secrets/artifacts"]);
    let ran = Ran::from(command.output()?).ends(1);
    assert!(finding(&ran, "broken")["message"].as_str().unwrap().starts_with("git tracks "));
    Ok(())
}

#[test]
fn a_line_taken_out_of_the_audit_log_is_found() -> Result<()> {
    let fleet = fleet()?;
    doctor(&fleet, &["audit"])?.ends(0);
    let text = fs::read_to_string(fleet.audit_log())?;
    let lines: Vec<&str> = text.lines().collect();
    fs::write(fleet.audit_log(), format!("{}\n", [&lines[..1], &lines[2..]].concat().join("\n")))?;
    let found = finding(&doctor(&fleet, &["audit"])?.ends(1), "broken");
    assert!(found["message"].as_str().unwrap().contains("missing"), "{found}");
    Ok(())
}

#[test]
fn without_nix_it_says_so_and_examines_the_rest() -> Result<()> {
    let fleet = fleet()?;
    let mut command = fleet.command(["--json", "doctor", "nix", "receipts"])?;
    command.env("PATH", "/nowhere");
    let ran = Ran::from(command.output()?).ends(1);
    let found = finding(&ran, "broken");
    assert_eq!(found["area"], "nix");
    // Of a real one, the version is shown.
    let mut command = fleet.command(["doctor", "--all", "nix"])?;
    command.envs(nix::environment()?);
    Ran::from(command.output()?).says("nix (Nix) ");
    Ok(())
}

#[test]
fn outside_a_flake_the_machine_is_examined_all_the_same() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new(artifacts_tests::fleet::program()?);
    command.args(["--json", "doctor", "git", "receipts", "state"]).current_dir(dir.path());
    command.env("HOME", dir.path()).env("XDG_STATE_HOME", dir.path().join("state"));
    let ran = Ran::from(command.output()?).ends(3);
    assert!(finding(&ran, "work")["message"].as_str().unwrap().starts_with("no flake or storage here"));
    // A flake needs no evaluation: this one has none.
    fs::write(dir.path().join("flake.nix"), "throw \"not evaluated\"")?;
    Ran::from(command.output()?).ends(0);
    Ok(())
}
