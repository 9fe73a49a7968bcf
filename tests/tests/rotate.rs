//! New values: always after a yes, for what someone could read as well.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::Fleet;
use artifacts_tests::nix::{self, UNITS};
use serde_json::{Value, json};

const RANDOM: &str = "#!/bin/bash\nhead -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' > \"$out/secret\"\n";

fn git(dir: &Path, arguments: &[&str]) {
    nix::git(dir, arguments).unwrap();
}

fn commit(fleet: &Fleet, message: &str) {
    git(fleet.path(), &["add", "-A", "."]);
    git(fleet.path(), &["commit", "-qm", message]);
}

fn declare(fleet: &mut Fleet, admins: &[(&str, &str)]) {
    let target = fleet.of("web1");
    target["recipients"] = admins.iter().map(|(name, key)| ((*name).to_owned(), json!(key))).collect();
    target["config"]["agenix"]["publicUserKeys"] = admins.iter().map(|(_, key)| json!(key)).collect();
}

fn entry(name: &str) -> String {
    format!("secrets/per-machine/web1/{name}/secret.age")
}

/// The stored files of all artifacts.
fn bytes(fleet: &Fleet) -> Vec<Vec<u8>> {
    ["a", "b", "disk", "typed"].map(|name| fs::read(fleet.path().join(entry(name))).unwrap()).into()
}

/// A machine whose values bob could read until he left; his key as well.
fn left() -> Result<(Fleet, String)> {
    let fleet = Fleet::new()?;
    let random = fleet.generator("random", RANDOM)?;
    let artifact = json!({"backend": "agenix", "files": {"secret": {}}, "generator": random});
    let mut typed = artifact.clone();
    typed["prompts"] = json!({"p": {}});
    typed["generator"] = fleet.generator("typed", "#!/bin/bash\ncp $prompts/p $out/secret\n")?;
    let mut manual = artifact.clone();
    manual["rotation"] = json!("manual");
    let artifacts = json!({"a": artifact, "b": artifact, "disk": manual, "typed": typed});
    let mut fleet = fleet.machine("web1", &artifacts)?;
    fs::write(fleet.path().join(".gitignore"), ".keys/\nspec.json\nanswers.toml\n")?;
    fs::write(fleet.path().join("answers.toml"), "[\"per-machine/web1/typed\"]\np = \"xyzzy\"\n")?;
    git(fleet.path(), &["init", "-q"]);
    let [alice, bob] = ["alice", "bob"].map(|name| fleet.new_key(name).unwrap());
    declare(&mut fleet, &[("alice", &alice), ("bob", &bob)]);
    let answers = fleet.path().join("answers.toml").display().to_string();
    fleet.run(["generate", "--accept-recipients", "--answers", &answers])?.ends(0);
    commit(&fleet, "with bob");
    declare(&mut fleet, &[("alice", &alice)]);
    let key = fleet.key_file("alice").display().to_string();
    fleet.run(["-i", &key, "rekey", "--accept-recipients"])?.ends(0);
    commit(&fleet, "without bob");
    Ok((fleet, bob))
}

#[test]
fn what_someone_could_read_is_listed_and_replaced_where_a_person_chooses_it() -> Result<()> {
    let (fleet, bob) = left()?;
    let key = fleet.key_file("alice").display().to_string();
    let (before, values) = (fleet.stored()?, bytes(&fleet));
    for who in ["bob", bob.as_str()] {
        let ran = fleet.run(["rotate", "--recipient", who, "--dry-run"])?.ends(3);
        let ran = ran.says(&bob).says("could read web1/a trash (1), git history (1 version) could read web1/b");
        ran.says("4 values listed: 4 unknown");
    }
    // Nothing is preselected, by no flag either.
    for words in [&["rotate", "--recipient", "bob"][..], &["rotate", "--recipient", "bob", "--yes"]] {
        fleet.run(words)?.ends(1).says("nothing was selected").says("pass selectors");
    }
    fleet.run(["rotate", "--recipient", "carol"])?.ends(1).says("no recipient was accepted under this name");
    assert_eq!(fleet.stored()?, before);

    // At a terminal each is asked about; what is replaced by hand is not, and what is typed is prompted for.
    let mut desk = Desk::start(&fleet.command(["rotate", "--recipient", "bob"])?)?;
    desk.sees("manual: `artifacts rotate web1/disk`")?;
    desk.sees("Replace web1/a? [y/N]")?.types("y\n")?;
    desk.sees("Replace web1/b? [y/N]")?.types("n\n")?;
    desk.sees("Replace web1/typed? [y/N]")?.types("y\n")?;
    desk.sees("web1/typed")?.sees("p")?.types("typed anew\n")?.sees("again")?.types("typed anew\n")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(3), "{shown}");
    assert!(shown.contains("4 values listed: 2 with a new value since, 2 unknown"), "{shown}");
    assert!(shown.contains("2 regenerated") && !shown.contains("Replace web1/disk"), "{shown}");
    assert_eq!(fleet.decrypt("alice", &entry("typed"))?, b"typed anew");
    let is_same: Vec<bool> = values.iter().zip(bytes(&fleet)).map(|(before, after)| *before == after).collect();
    assert_eq!(is_same, [false, true, true, false]);

    // Of what was decrypted it is known.
    let compared = ["-i", &key, "rotate", "--recipient", "bob", "--compare", "--dry-run"];
    let ran = fleet.run([&["--json"], &compared[..]].concat())?.ends(3);
    let values = ran.json()["exposure"]["values"].clone();
    let new: Vec<(&str, &Value)> =
        values.as_array().unwrap().iter().map(|it| (it["name"].as_str().unwrap(), &it["newValue"])).collect();
    let name = |name: &str| format!("per-machine/web1/{name}");
    let expected =
        [("a", true), ("b", false), ("disk", false), ("typed", true)].map(|(it, new)| (name(it), json!(new)));
    assert_eq!(new, expected.each_ref().map(|(name, new)| (name.as_str(), new)));

    // By its full name, also what is replaced by hand; and the old value can be brought back.
    fleet.run(["rotate", "--recipient", "bob", "--yes", "web1"])?.says("web1/b");
    fleet.run(["rotate", "--recipient", "bob", "--yes", "web1/disk"])?.ends(0).says("regenerated web1/disk");
    fleet.run(compared)?.ends(0).says("4 values listed: 4 with a new value since");
    fleet.run(["restore"])?.ends(0).says("web1/disk").says("by rotate");
    let log = fs::read_to_string(fleet.audit_log())?;
    assert!(log.contains("\"command\":\"rotate\"") && log.contains("--recipient") && !log.contains("\"bob\""));
    Ok(())
}

#[test]
fn who_is_still_declared_gets_no_new_value() -> Result<()> {
    let (mut fleet, bob) = left()?;
    let alice = fleet.of("web1")["recipients"]["alice"].as_str().unwrap().to_owned();
    declare(&mut fleet, &[("alice", &alice), ("bob", &bob)]);
    let before = fleet.stored()?;
    let ran = fleet.run(["rotate", "--recipient", "bob", "--yes", "--accept-recipients", "web1/a"])?.ends(1);
    ran.says("web1/a: not replaced: bob is still declared as its recipient")
        .says("remove the key from the declarations");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn a_shallow_clone_says_what_it_cannot_know() -> Result<()> {
    let (fleet, bob) = left()?;
    let clone = tempfile::tempdir()?;
    let from = format!("file://{}", fleet.path().display());
    git(clone.path(), &["clone", "-q", "--depth=1", &from, "checkout"]);
    let root = clone.path().join("checkout").display().to_string();
    let ran = fleet.run(["--root", &root, "rotate", "--recipient", &bob, "--dry-run"])?;
    ran.says("incomplete: this is a shallow clone").says("git fetch --unshallow");
    Ok(())
}

#[test]
fn what_expires_within_a_time_is_work_left_where_that_is_asked_for() -> Result<()> {
    let fleet = Fleet::new()?;
    let random = fleet.generator("random", RANDOM)?;
    let with = |age: u64| json!({"backend": "agenix", "files": {"secret": {}}, "generator": random, "maxAge": age});
    let fleet = fleet.machine("web1", &json!({"a": with(10 * 86_400), "b": with(50 * 86_400)}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fleet.run(["status"])?.ends(0).never_says("expiring");
    fleet.run(["status", "--within", "1h"])?.ends(0);
    fleet.run(["status", "--within", "30d"])?.ends(3).says("expiring web1/a in 9 days").never_says("web1/b");
    let ran = fleet.run(["--json", "status", "--within", "60d"])?.ends(3);
    assert!(ran.json()["instances"][1]["expiresIn"].as_u64().is_some_and(|left| left < 50 * 86_400), "{ran}");
    fleet.run(["status", "--within", "soon"])?.ends(2).says("expected: a duration as `30d` or `12h`");
    Ok(())
}

#[test]
fn units_and_what_is_replaced_by_hand_are_shown_before_anything_is_replaced() -> Result<()> {
    let checkout = Checkout::new()?;
    let [host, alice] = ["host", "alice"].map(|name| checkout.key(name).unwrap());
    checkout.flake(&format!(
        r#"nixosConfigurations.web1 = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default {UNITS}
          ({{ pkgs, ... }}: {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "web1"; artifacts.root = ./.;
            artifacts.default.backend = "agenix";
            systemd.services.other = {{ }};
            artifacts.hostKey = "{host}"; artifacts.recipients.alice = "{alice}";
            artifacts.store.attic = {{
              files.f = {{ restartUnits = [ "atticd.service" ]; reloadUnits = [ "nginx.service" ]; }};
              files.g.credentials."other.service" = "token";
              generator = pkgs.writers.writeBash "g" "echo $RANDOM > $out/f; echo $RANDOM > $out/g"; }};
            artifacts.store.disk = {{ rotation = "manual"; files.f = {{ }};
              generator = pkgs.writers.writeBash "g" "echo $RANDOM > $out/f"; }};
          }})
        ]; }};"#
    ))?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    let ran = checkout.run(&["rotate", "--dry-run"])?.ends(0).says("would regenerate web1/attic");
    let ran = ran.says("restarts atticd.service, other.service; reloads nginx.service on web1");
    ran.says("manual web1/disk replaced by its name only: `artifacts rotate web1/disk`");
    let ran = checkout.run(&["rotate"])?.ends(1).says("confirmation is required to replace 1 value");
    ran.says("new value web1/attic").says("restarts atticd.service, other.service; reloads nginx.service on web1");
    checkout.run(&["rotate", "--yes", "web1/disk"])?.ends(0).says("regenerated web1/disk");
    Ok(())
}
