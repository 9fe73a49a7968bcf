//! Evaluating the declarations forces no assertion, so the command says itself what is wrong with them.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::nix::UNITS;

/// The page of faults, which a test of Nix makes.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nix/FAULTS.md");

/// Each declaration of the page's first part, with what is said of it.
fn faults() -> Result<Vec<(String, String)>> {
    let page = fs::read_to_string(PAGE)?;
    let (first, _) = page.split_once("\n## ").unwrap_or((&page, ""));
    let each = first.split("```nix\n").skip(1);
    let each = each.filter_map(|one| {
        let (declaration, said) = one.split_once("\n```\n\n> ")?;
        Some((declaration.to_owned(), said.trim().replace("&lt;", "<")))
    });
    Ok(each.collect())
}

fn machine(name: &str, modules: &str) -> String {
    format!(
        r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default {UNITS}
          ({{ lib, pkgs, ... }}: let generator = pkgs.writers.writeBash "g" "true"; in lib.mkMerge [ {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; artifacts.root = ./.;
            artifacts.default.backend = "agenix";
            artifacts.config.agenix = {{ publicHostKey = "age1host"; publicUserKeys = [ "age1admin" ]; }};
          }} ])
          ({{ lib, pkgs, ... }}: let generator = pkgs.writers.writeBash "g" "true"; in {{ {modules} }})
        ]; }};"#
    )
}

const GOOD: &str =
    r#"({ pkgs, ... }: { artifacts.store.good = { files.f = { }; generator = pkgs.writers.writeBash "g" "true"; }; })"#;

#[test]
fn the_command_says_every_fault_with_its_target() -> Result<()> {
    let checkout = Checkout::new()?;
    let faults = faults()?;
    assert!(faults.len() > 20, "{faults:?}");
    let name = |number: usize| format!("m{number:02}");
    let machines = faults.iter().enumerate().map(|(number, (fault, _))| {
        machine(&name(number), fault).replace("\n        ]; };", &format!(" {GOOD} ]; }};"))
    });
    checkout.flake(&machines.collect::<String>())?;
    let ran = checkout.run(&["--json", "status"])?.ends(1);
    let json = ran.json();
    let errors: Vec<String> = json["errors"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    // Lines end where the terminal does.
    let words = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for (number, (fault, said)) in faults.iter().enumerate() {
        let target = format!("nixos {}", name(number));
        let quoted = serde_json::to_string(said)?;
        let quoted = quoted.trim_matches('"');
        // Warnings are no errors; a name that could leave its directory refuses its target, in the spec's own words.
        let told = errors.iter().any(|error| error.contains(&target) && error.contains(quoted))
            || words.contains(&format!("warning: {target}: {said}"))
            || said.contains("is not a valid name") && errors.iter().any(|error| error.contains(&target));
        assert!(told, "{fault}\n{said}\n{errors:#?}\n{}", ran.stderr);
    }
    Ok(())
}

#[test]
fn a_shared_declaration_that_differs_names_both_targets_and_the_field() -> Result<()> {
    let checkout = Checkout::new()?;
    let shared =
        |files: &str| format!("artifacts.store.ca = {{ inherit generator; shared = true; files = {{ {files} }}; }};");
    let own = "artifacts.store.own = { inherit generator; files.f = { }; };";
    let one = machine("one", &shared("cert = { };"));
    checkout.flake(&format!("{one}{}", machine("two", &(shared("cert.secret = false;") + own))))?;
    let ran = checkout.run(&["status"])?.ends(1);
    ran.says("differs between one (nixos) and two (nixos)")
        .says("cert and none")
        .says("use the same `files.secret` in every declaration of `ca`")
        .says("two/own");
    Ok(())
}
