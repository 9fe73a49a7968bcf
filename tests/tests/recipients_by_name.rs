//! Keys are declared once, and who can decrypt what is told by name.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::Fleet;
use artifacts_tests::nix::UNITS;
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM$RANDOM\" > \"$out/secret\"\n";

/// One machine with the artifacts `a` and `b`, its key, and an admin alice.
fn named() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "agenix", "files": {"secret": {}}, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact, "b": artifact}))?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.of("web1")["hostKey"] = host;
    let alice = fleet.new_key("alice")?;
    declare(&mut fleet, &[("alice", &alice)]);
    Ok(fleet)
}

/// Declares these admins, as the modules pass them on.
fn declare(fleet: &mut Fleet, admins: &[(&str, &str)]) {
    let target = fleet.of("web1");
    target["recipients"] = admins.iter().map(|(name, key)| ((*name).to_owned(), json!(key))).collect();
    target["config"]["agenix"]["publicUserKeys"] = admins.iter().map(|(_, key)| json!(key)).collect();
}

fn receipt(fleet: &Fleet) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(fleet.path().join("secrets/per-machine/web1/a/receipt.json"))?)?)
}

#[test]
fn who_joins_and_who_leaves_is_told_by_name() -> Result<()> {
    let mut fleet = named()?;
    let alice = fleet.of("web1")["recipients"]["alice"].as_str().unwrap().to_owned();
    let mut desk = Desk::start(&fleet.command(["generate"])?)?;
    desk.sees("First use of 2 recipients on this machine")?;
    desk.sees("alice")?.sees("2 secrets   recipients of web1")?.sees(&alice)?;
    desk.sees("web1")?.sees("2 secrets   host key of nixos web1")?;
    desk.sees("Encrypt to these recipients? [y/N]")?.types("y\n")?;
    assert_eq!(desk.ends()?.0, Some(0));
    assert_eq!(receipt(&fleet)?["labels"][&alice], "alice");

    let bob = fleet.new_key("bob")?;
    declare(&mut fleet, &[("alice", &alice), ("bob", &bob)]);
    fleet.run(["status"])?.ends(3).says("recipients: +bob");
    let key = fleet.key_file("alice");
    let rekey = ["-i", key.to_str().unwrap(), "rekey"];
    let mut desk = Desk::start(&fleet.command(rekey)?)?;
    desk.sees("Recipients change in 2 secrets")?.sees("joins 2   recipients of web1")?.sees(&bob)?;
    desk.sees("web1/a, web1/b")?.sees("d all secrets and keys")?;
    desk.sees("Encrypt to these recipients? [y/N]")?.types("d\n")?;
    desk.sees("joins 2   recipients of web1")?.sees("Encrypt to these recipients? [y/N]")?.types("n\n")?;
    let (status, said) = desk.ends()?;
    assert_eq!(status, Some(1));
    assert_eq!(said.matches("nothing changed: the recipients of 2 secrets were not accepted").count(), 1, "{said}");
    assert!(!said.contains("error:") && !said.contains(&alice), "who does not change is not shown: {said}");
    fleet.run([&rekey[..], &["--accept-recipients"]].concat())?.ends(0).says("recipients: +bob");
    assert!(fleet.decrypt("bob", "secrets/per-machine/web1/a/secret.age")?.starts_with(b"made "));

    declare(&mut fleet, &[("bob", &bob)]);
    fleet.run(["status"])?.ends(3).says("recipients: -alice");
    let ran = fleet.run(rekey)?.ends(1).says("- alice leaves 2").says(&alice);
    let ran = ran.says("error: 2 secrets: recipients were not accepted: -alice (2)").says("--accept-recipients=");
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran}");
    let json = fleet.run([&["--json"], &rekey[..]].concat())?.ends(1).json();
    assert_eq!(json["recipients"][0]["labels"][&alice], "alice");
    assert_eq!(json["errors"].as_array().unwrap().len(), 1);
    fleet.run([&rekey[..], &["--accept-recipients"]].concat())?.ends(0).says("recipients: -alice");
    Ok(())
}

#[test]
fn another_key_under_a_known_name_comes_first() -> Result<()> {
    let mut fleet = named()?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let alice = fleet.of("web1")["recipients"]["alice"].as_str().unwrap().to_owned();
    let (evil, carol) = (fleet.new_key("evil")?, fleet.new_key("carol")?);
    declare(&mut fleet, &[("alice", &evil), ("carol", &carol)]);
    let key = fleet.key_file("alice");
    let rekey = ["-i", key.to_str().unwrap(), "rekey"];
    let ran = fleet.run(rekey)?.ends(1).says("KEY CHANGED: alice + alice joins 2 recipients of web1");
    let ran = ran.says(&format!("accepted before under this name: {alice}"));
    let at = |text: &str| ran.stderr.find(text).unwrap_or(usize::MAX);
    assert!(at("KEY CHANGED") < at("+ carol") && at("+ carol") < at("- alice"), "{ran}");
    let ran = ran.says("recipients were not accepted: +alice (2, KEY CHANGED), +carol (2), -alice (2)");
    assert!(ran.stderr.contains(&evil), "{ran}");
    // A label without a declaration is no better.
    declare(&mut fleet, &[]);
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqEQ74chaQpRW2tpLDVdr5yIdco+G1mRv6YBAZuR0RS alice";
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([ssh]);
    let ran = fleet.run(rekey)?.ends(1).says("KEY CHANGED: \"alice\" + \"alice\" joins 2 publicUserKeys of web1");
    ran.says("ssh-ed25519 SHA256:");
    Ok(())
}

#[test]
fn another_backend_has_the_same_keys_and_an_artifact_fewer_admins() -> Result<()> {
    let checkout = Checkout::new()?;
    let [host, alice, bob] = ["host", "alice", "bob"].map(|name| checkout.key(name).unwrap());
    let flake = |backend: &str, narrowed: &str| {
        checkout.flake(&format!(
            r#"nixosConfigurations.web1 = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default inputs.sops-nix.nixosModules.sops {UNITS}
              ({{ pkgs, ... }}: {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "web1"; artifacts.root = ./.;
                artifacts.default.backend = "{backend}";
                artifacts.hostKey = "{host}";
                artifacts.recipients = {{ alice = "{alice}"; bob = "{bob}"; }};
                artifacts.store.a = {{ {narrowed} files.f = {{ }};
                  generator = pkgs.writers.writeBash "g" "echo made > $out/f"; }};
              }})
            ]; }};"#
        ))
    };
    flake("agenix", "")?;
    let ran = checkout.run(&["generate"])?.ends(1).says("+ web1 1 secret host key of nixos web1");
    ran.says("recipients were not accepted: +alice (1), +bob (1), +web1 (1)");
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    assert_eq!(checkout.decrypt("bob", "secrets/per-machine/web1/a/f.age")?, "made\n");

    flake("agenix", "recipients = [ \"alice\" ];")?;
    checkout.run(&["status"])?.ends(3).says("recipients: -bob");
    let key = checkout.key_file("alice");
    let identity = ["-i", key.to_str().unwrap()];
    checkout.run(&[&identity[..], &["rekey", "--accept-recipients"]].concat())?.ends(0).says("recipients: -bob");
    assert!(checkout.decrypt("bob", "secrets/per-machine/web1/a/f.age").is_err());
    assert_eq!(checkout.decrypt("host", "secrets/per-machine/web1/a/f.age")?, "made\n");

    // No key is written a second time, and no one is asked: they are the ones that were accepted.
    flake("sops-nix", "recipients = [ \"alice\" ];")?;
    checkout.run(&["generate", "--regenerate", "--yes"])?.ends(0).never_says("KEY CHANGED").never_says("First use");
    let stored = fs::read_to_string(checkout.path().join("secrets/per-machine/web1/a/f.sops"))?;
    assert_eq!([&host, &alice, &bob].map(|key| stored.contains(key.as_str())), [true, true, false], "{stored}");
    Ok(())
}
