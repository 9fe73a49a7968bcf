//! The modules that the flake exports: each alone, and with the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use common::Bench;
use serde_json::json;

/// What is imported of `nixosModules` and the like, and the backends whose files that brings onto the target.
const IMPORTS: [(&str, &[&str], &[&str]); 6] = [
    ("agenix", &["agenix"], &["agenix"]),
    ("sops", &["sops-nix"], &["sops-nix"]),
    ("both", &["agenix", "sops-nix"], &["agenix", "sops-nix"]),
    ("all", &["agenix", "sops-nix", "default"], &["agenix", "sops-nix"]),
    ("twice", &["default", "default"], &["agenix", "sops-nix"]),
    ("again", &["agenix", "agenix"], &["agenix"]),
];

fn imports(modules: &str, names: &[&str]) -> String {
    names.iter().map(|name| format!("inputs.artifacts.{modules}.{name}")).collect::<Vec<_>>().join(" ")
}

/// What each tool installs, where it has anything.
const INSTALLED: &str = r#"c: builtins.filter (tool: tool != null) [
  (if c.age.secrets == { } then null else "agenix") (if c.sops.secrets == { } then null else "sops-nix") ]"#;

const STORE: &str = r#"artifacts.root = ./.;
  artifacts.store.a = { backend = "agenix"; files.f = { }; }; artifacts.store.s = { backend = "sops-nix"; files.f = { }; };"#;

#[test]
fn each_module_of_a_machine_works_alone_and_with_the_others() {
    let bench = Bench::new();
    for (output, modules, tools) in [
        ("nixosConfigurations", "nixosModules", "nixosModules"),
        ("darwinConfigurations", "darwinModules", "darwinModules"),
    ] {
        let agenix = "inputs.agenix.nixosModules.default";
        let machines = IMPORTS.map(|(name, names, _)| {
            format!(
                r#"{output}.{name} = nixpkgs.lib.nixosSystem {{ modules = [ {} {agenix} inputs.sops-nix.{tools}.sops
                  {{ nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; {STORE} }} ]; }};"#,
                imports(modules, names)
            )
        });
        bench.flake(&machines.concat());
        for (name, _, installed) in IMPORTS {
            assert_eq!(bench.eval_json(&format!("{output}.{name}.config"), INSTALLED), json!(installed), "{name}");
        }
        assert_eq!(bench.evaluate().spec.targets.len(), IMPORTS.len());
    }
}

#[test]
fn each_module_of_a_user_works_alone_and_with_the_others() {
    let bench = Bench::new();
    let users = IMPORTS.map(|(name, names, _)| {
        format!(
            r#"homeConfigurations.{name} = inputs.home-manager.lib.homeManagerConfiguration {{
              pkgs = nixpkgs.legacyPackages.x86_64-linux;
              modules = [ {} inputs.agenix.homeManagerModules.default inputs.sops-nix.homeManagerModules.sops
                {{ home.username = "{name}"; home.homeDirectory = "/home/{name}"; {STORE} }} ]; }};"#,
            imports("homeModules", names)
        )
    });
    bench.flake(&users.concat());
    for (name, _, installed) in IMPORTS {
        assert_eq!(
            bench.eval_json(&format!("homeConfigurations.{name}.config"), INSTALLED),
            json!(installed),
            "{name}"
        );
    }
    assert_eq!(bench.evaluate().spec.targets.len(), IMPORTS.len());
}
