//! Values that move between real backends and names: what age and sops decrypt is the same, and plaintext is nowhere else.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use artifacts_tests::fleet::{Fleet, Ran};
use artifacts_tests::sops;
use serde_json::{Value, json};

/// What the generator makes; nothing that is stored or declared has these words.
const CANARY: &str = "canary-7f3a19";
const SINGS: &str = "#!/bin/bash\nprintf 'can%s-7f3a%s' ary 19 > \"$out/secret\"\nprintf shown > \"$out/public\"\n";

fn artifact(generator: &Value, backend: &str) -> Value {
    json!({"backend": backend, "files": {"secret": {}, "public": {"secret": false}}, "generator": generator})
}

/// A machine whose artifact `a` agenix stores, in a repository, and an admin. sops-nix has a storage of its own.
fn fleet(more: &[&str]) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("sings", SINGS)?;
    let admin = fleet.new_key("admin")?;
    let mut artifacts = json!({"a": artifact(&generator, "agenix")});
    for name in more {
        artifacts[name] = artifact(&generator, "agenix");
        artifacts[name]["dependencies"] = json!(["a"]);
    }
    let mut fleet = fleet.machine("web1", &artifacts)?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    let mut config = fleet.of("web1")["config"]["agenix"].clone();
    config["format"] = json!("yaml");
    fleet.configure("web1", "sops-nix", config);
    fleet.backend("sops-nix", json!({"component": "builtin:sops-nix", "storage": "vault"}));
    git(&fleet, &["init", "--quiet"])?;
    as_admin(&fleet, &["generate"])?.ends(0);
    Ok(fleet)
}

fn git(fleet: &Fleet, words: &[&str]) -> Result<()> {
    let status = Command::new("git").current_dir(fleet.path()).args(words).status()?;
    ensure!(status.success(), "git {words:?}");
    Ok(())
}

fn as_admin(fleet: &Fleet, arguments: &[&str]) -> Result<Ran> {
    let key = fleet.key_file("admin");
    fleet.run([&["-i", key.to_str().unwrap(), "--accept-recipients", "--accept-reading"], arguments].concat())
}

/// No file of the checkout and the home has the canary.
fn is_nowhere(fleet: &Fleet) -> Result<()> {
    for dir in [fleet.path(), fleet.home()] {
        let found = Command::new("grep").args(["-rlF", CANARY]).arg(dir).output()?;
        assert_eq!(String::from_utf8(found.stdout)?, "");
    }
    Ok(())
}

fn state(fleet: &Fleet, name: &str) -> Result<String> {
    Ok(fleet.run(["--json", "status"])?.state(name))
}

#[test]
fn a_value_follows_its_backend_and_format_to_sops_and_back_to_age() -> Result<()> {
    let mut fleet = fleet(&[])?;
    let name = "per-machine/web1/a";
    for (backend, format, reason, stored) in [
        ("sops-nix", "yaml", "backend", "vault/per-machine/web1/a/secrets.sops.yaml"),
        ("sops-nix", "binary", "format", "vault/per-machine/web1/a/secret.sops"),
        ("sops-nix", "json", "format", "vault/per-machine/web1/a/secrets.sops.json"),
        ("agenix", "json", "backend", "secrets/per-machine/web1/a/secret.age"),
    ] {
        fleet.of("web1")["artifacts"]["a"]["backend"] = json!(backend);
        fleet.of("web1")["config"]["sops-nix"]["format"] = json!(format);
        assert_eq!(state(&fleet, name)?, format!("stale ({reason})"));
        let before = fleet.stored()?;
        as_admin(&fleet, &["rekey", "--dry-run"])?
            .ends(3)
            .says("would re-encrypt 1")
            .says("dry run: nothing was written");
        assert_eq!(fleet.stored()?, before);
        as_admin(&fleet, &["rekey"])?.ends(0).says("1 decrypted, 1 re-encrypted").never_says(CANARY);
        assert_eq!(state(&fleet, name)?, "present");
        for key in ["web1", "admin"] {
            let plain = match format {
                _ if backend == "agenix" => fleet.decrypt(key, stored)?,
                "binary" => sops::decrypted(&fleet, &fleet.key_file(key), stored)?,
                _ => {
                    sops::sops(&fleet, &fleet.key_file(key), &["decrypt", "--extract", "[\"secret\"]", stored])?.stdout
                }
            };
            assert_eq!(String::from_utf8(plain)?, CANARY, "{stored}");
        }
        let entry = fleet.path().join(stored).parent().unwrap().to_owned();
        assert_eq!(fs::read_to_string(entry.join("public/public"))?, "shown");
        assert_eq!(fs::read_dir(&entry)?.count(), 3, "a file of the backend, the public ones and a receipt");
        is_nowhere(&fleet)?;
    }
    assert!(!fleet.path().join("vault/per-machine").exists());
    // The log has who read it and who wrote it.
    let log = fs::read_to_string(fleet.audit_log())?;
    let calls = |backend: &str, operation: &str| {
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["observed"]["backend"] == backend && line["observed"]["operation"] == operation)
            .count()
    };
    assert!(calls("agenix", "retrieve") > 0 && calls("sops-nix", "serialize") > 0, "{log}");
    Ok(())
}

#[test]
fn a_value_that_the_new_backend_cannot_take_stays_where_it_is() -> Result<()> {
    let mut fleet = fleet(&[])?;
    let key = fleet.key_file("admin");
    let arguments = ["-i", key.to_str().unwrap(), "--accept-recipients", "set", "a", "secret"];
    fleet.given(&arguments, b"\xff\xfe")?.ends(0);
    let before = fleet.stored()?;
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("sops-nix");
    as_admin(&fleet, &["rekey"])?.ends(1).says("nothing was changed");
    assert_eq!(fleet.stored()?, before);
    assert!(!fleet.path().join("vault/per-machine").exists());
    assert_eq!(fleet.decrypt("admin", "secrets/per-machine/web1/a/secret.age")?, b"\xff\xfe");
    Ok(())
}

/// The machine under a new name, with a new key.
fn replaced(fleet: &mut Fleet) -> Result<()> {
    let key = fleet.new_key("web2")?;
    fleet.of("web1")["config"]["agenix"]["publicHostKey"] = json!(key);
    fleet.of("web1")["name"] = json!("web2");
    Ok(())
}

/// What a rename has to leave: the values of the machine under its new name, for its new key, and nothing else.
fn is_renamed(fleet: &Fleet) -> Result<()> {
    for artifact in ["a", "b"] {
        let file = format!("secrets/per-machine/web2/{artifact}/secret.age");
        for key in ["web2", "admin"] {
            assert_eq!(fleet.decrypt(key, &file)?, CANARY.as_bytes());
        }
        assert!(fleet.decrypt("web1", &file).is_err());
    }
    assert!(!fleet.path().join("secrets/per-machine/web1").exists());
    fleet.run(["status"])?.ends(0);
    is_nowhere(fleet)
}

#[test]
fn a_machine_gets_another_name_and_key_and_keeps_its_values() -> Result<()> {
    let mut fleet = fleet(&["b"])?;
    replaced(&mut fleet)?;
    let before = fleet.stored()?;
    let status = fleet.run(["status"])?.ends(3).says("artifacts rename web1/a web2/a");
    status.says("artifacts rename web1/b web2/b");
    let key = fleet.key_file("admin");
    let ran = fleet.run(["-i", key.to_str().unwrap(), "rename", "--dry-run", "web1", "web2"])?.ends(3);
    ran.says("would rename 2").says("was web1/a").says("dry run: nothing was written");
    // Who gains access is asked about.
    let ran = fleet.run(["-i", key.to_str().unwrap(), "rename", "web1", "web2"])?.ends(1);
    ran.says("recipients were not accepted: +web2 (2)");
    assert_eq!(fleet.stored()?, before);
    // A run that is killed is finished by the next.
    let killed = fleet.run([
        "--crash-at",
        "40",
        "-i",
        key.to_str().unwrap(),
        "--accept-recipients",
        "rename",
        "web1",
        "web2",
    ])?;
    assert_eq!(killed.status, None, "{killed}");
    let ran = as_admin(&fleet, &["rename", "web1", "web2"])?.ends(0).says("renamed").never_says(CANARY);
    ran.says("was moved to the trash");
    is_renamed(&fleet)?;
    as_admin(&fleet, &["rename", "web1", "web2"])?.ends(1).says("no stored entry matches this selector");
    Ok(())
}

#[test]
fn a_moved_directory_is_taken_also_on_a_machine_that_knows_nothing() -> Result<()> {
    for knows in [true, false] {
        let mut fleet = fleet(&["b"])?;
        replaced(&mut fleet)?;
        git(&fleet, &["add", "--all"])?;
        git(&fleet, &["mv", "secrets/per-machine/web1", "secrets/per-machine/web2"])?;
        if !knows {
            fs::remove_dir_all(fleet.home().join("state"))?;
        }
        fleet.run(["status"])?.says("artifacts rename web1/a web2/a");
        as_admin(&fleet, &["rename", "web1", "web2"])?.ends(0).says("2 decrypted, 2 re-encrypted");
        is_renamed(&fleet)?;
    }
    Ok(())
}

#[test]
fn a_copy_of_anothers_entry_gets_no_new_name() -> Result<()> {
    let mut fleet = fleet(&["b"])?;
    // As a push brings it: the secret of `b`, with a receipt that says it is that of `old`.
    let (from, to) =
        (fleet.path().join("secrets/per-machine/web1/b"), fleet.path().join("secrets/per-machine/web1/old"));
    fs::create_dir_all(to.join("public"))?;
    for file in ["secret.age", "receipt.json", "public/public"] {
        fs::copy(from.join(file), to.join(file))?;
    }
    let receipt = fs::read_to_string(to.join("receipt.json"))?;
    fs::write(to.join("receipt.json"), receipt.replace("per-machine/web1/b", "per-machine/web1/old"))?;
    let thief = fleet.of("web1")["artifacts"]["a"].clone();
    fleet.of("web1")["artifacts"]["thief"] = thief;
    let before = fleet.stored()?;
    for forgets in [false, true] {
        if forgets {
            fs::remove_dir_all(fleet.home().join("state"))?;
        }
        as_admin(&fleet, &["rename", "web1/old", "web1/thief"])?.ends(1).says("these files were encrypted for web1/b");
        assert_eq!(fleet.stored()?, before);
    }
    Ok(())
}

#[test]
fn a_value_moves_although_its_old_backend_is_not_configured_any_more() -> Result<()> {
    let mut fleet = fleet(&[])?;
    fleet.of("web1")["artifacts"]["a"]["backend"] = json!("sops-nix");
    for config in [json!({}), json!({"publicHostKey": "no key at all"})] {
        fleet.of("web1")["config"]["agenix"] = config;
        as_admin(&fleet, &["rekey", "--dry-run"])?.ends(3).says("would re-encrypt 1");
    }
    as_admin(&fleet, &["rekey"])?.ends(0).says("1 decrypted, 1 re-encrypted");
    assert_eq!(state(&fleet, "per-machine/web1/a")?, "present");
    Ok(())
}

#[test]
fn what_moves_without_its_identity_stays_and_what_has_one_goes() -> Result<()> {
    let mut fleet = fleet(&["b"])?;
    // `b` is encrypted to the machine alone, whose key the admin does not have.
    let no_one = json!({"publicUserKeys": []});
    fleet.of("web1")["artifacts"]["b"]["backendConfig"] = json!({"agenix": no_one, "sops-nix": no_one});
    as_admin(&fleet, &["rekey"])?.ends(0);
    let before = fleet.stored()?;
    for name in ["a", "b"] {
        fleet.of("web1")["artifacts"][name]["backend"] = json!("sops-nix");
    }
    let ran =
        as_admin(&fleet, &["rekey"])?.ends(1).says("no identity can decrypt it").says("1 decrypted, 1 re-encrypted");
    ran.says("web1/b");
    assert_eq!(state(&fleet, "per-machine/web1/a")?, "present");
    assert_eq!(state(&fleet, "per-machine/web1/b")?, "stale (backend)");
    let stays = |(name, bytes): &(String, Vec<u8>)| !name.contains("web1/b/") || before.get(name) == Some(bytes);
    assert!(fleet.stored()?.into_iter().all(|one| stays(&one)));
    // The machine's own key finishes it.
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "--accept-recipients", "rekey"])?.ends(0);
    assert_eq!(state(&fleet, "per-machine/web1/b")?, "present");
    is_nowhere(&fleet)
}
