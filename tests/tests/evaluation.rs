//! What is evaluated, and how often, through the program itself.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use anyhow::Result;
use artifacts_tests::checkout::Checkout;

/// Two machines with an artifact each of their own; `web2` has one more that reads what both share.
fn fleet() -> Result<Checkout> {
    let checkout = Checkout::new()?;
    let key = checkout.key("admin")?;
    let machine = |name: &str, more: &str| {
        format!(
            r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
              ({{ pkgs, ... }}: {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; artifacts.root = ./.;
                artifacts.default.backend = "agenix";
                artifacts.config.agenix = {{ publicHostKey = "{key}"; publicUserKeys = [ ]; }};
                artifacts.store.own = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "g" "echo x > $out/f"; }};
                {more}
              }})
            ]; }};"#
        )
    };
    let shared = r#"artifacts.store.ca = { shared = true; files.f = { }; generator = pkgs.writers.writeBash "g" "echo x > $out/f"; };"#;
    let reads = format!(
        r#"{shared} artifacts.store.leaf = {{ dependencies = [ "ca" ]; files.f = {{ }};
           generator = pkgs.writers.writeBash "g" "cat $in/ca/f > $out/f"; }};"#
    );
    checkout.flake(&format!("{}{}", machine("web1", shared), machine("web2", &reads)))?;
    Ok(checkout)
}

const BOTH: [&str; 2] = ["nixos web1", "nixos web2"];
const NONE: [&str; 0] = [];

#[test]
fn an_unchanged_flake_is_evaluated_once() -> Result<()> {
    let checkout = fleet()?;
    let first = checkout.run(&["status"])?.ends(3).says("absent");
    assert_eq!(checkout.evaluated()?, BOTH);
    let second = checkout.run(&["status"])?.ends(3);
    assert_eq!(checkout.evaluated()?, NONE);
    assert_eq!(first.stdout, second.stdout);
    checkout.run(&["--no-eval-cache", "status"])?.ends(3);
    assert_eq!(checkout.evaluated()?, BOTH);

    let folder = checkout.home().join(".cache/artifacts/evaluations");
    assert_eq!(fs::metadata(folder)?.mode() & 0o777, 0o700);
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    checkout.write("flake.nix", &text.replace("\"leaf\"", "\"other\"").replace("store.leaf", "store.other"))?;
    checkout.run(&["status"])?.ends(3).says("per-machine/web2/other");
    assert_eq!(checkout.evaluated()?, BOTH);
    Ok(())
}

#[test]
fn root_keeps_nothing_in_the_home_of_somebody_else() -> Result<()> {
    let checkout = fleet()?;
    chown(checkout.home(), Some(1), Some(1))?;
    for _ in 0..2 {
        checkout.run(&["status"])?.ends(3);
        assert_eq!(checkout.evaluated()?, BOTH);
    }
    assert!(!checkout.home().join(".cache/artifacts").exists());
    Ok(())
}

#[test]
fn what_is_named_is_evaluated_and_no_more() -> Result<()> {
    let checkout = fleet()?;
    for selector in ["per-machine/web1/own", "per-machine/web1/"] {
        let ran = checkout.run(&["--no-eval-cache", "status", selector])?.ends(3);
        assert_eq!(checkout.evaluated()?, ["nixos web1"], "{selector}");
        assert!(!ran.stdout.contains("web2"), "{ran}");
    }
    // Who reads what is shared is known only when all are evaluated.
    for selector in ["own", "shared/ca"] {
        checkout.run(&["--no-eval-cache", "status", selector])?.ends(3);
        assert_eq!(checkout.evaluated()?, BOTH, "{selector}");
    }
    checkout.run(&["generate", "per-machine/web2/leaf"])?.ends(0).says("made shared/ca");
    let receipt = fs::read_to_string(checkout.path().join("secrets/shared/ca/receipt.json"))?;
    assert!(receipt.contains("web1") && receipt.contains("web2"), "{receipt}");
    checkout.run(&["status", "per-machine/web3/own"])?.ends(1).says("no instance or artifact is named so");
    Ok(())
}

#[test]
fn a_broken_machine_is_no_matter_to_those_that_are_named() -> Result<()> {
    let checkout = fleet()?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    checkout.write(
        "flake.nix",
        &text.replace("networking.hostName = \"web2\"", "networking.hostName = throw \"no name\""),
    )?;
    checkout.run(&["generate", "per-machine/web1/own"])?.ends(0);
    checkout.run(&["status"])?.ends(1).says("no name").says("per-machine/web1/own");
    Ok(())
}
