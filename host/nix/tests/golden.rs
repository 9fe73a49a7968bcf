//! Specs as other front ends and recipients see them: the demo's, and one in which everything is said that can be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use crate::common::{Bench, machine};

/// Compares a spec with the one that is kept, but for what is different in each store.
fn is_as_it_was(bench: &Bench, name: &str) {
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
    let spec = serde_json::to_string_pretty(&evaluation.spec).unwrap();
    let store = bench.nix().store_dir().unwrap().display().to_string();
    let made = without_hashes(&spec, &store) + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "{} differs; run this test with BLESS=1 and look at the difference", file.display());
}

fn without_hashes(text: &str, store: &str) -> String {
    let store = format!("{store}/");
    let mut parts = text.split(&store);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "/nix/store/HASH" + part.get(32..).unwrap_or(part))
}

#[test]
fn of_the_demo() {
    let bench = Bench::new();
    bench.inputs().demo(bench.dir(), ["ssh-ed25519 AAAA1", "ssh-ed25519 AAAA2", "age1alice", "age1admin"]).unwrap();
    is_as_it_was(&bench, "demo");
}

/// Each option of an artifact, and backends of each kind.
const ALL: &str = r#"({ pkgs, config, ... }: {
  artifacts.config.agenix = { publicHostKey = "age1host"; publicUserKeys = [ "age1admin" ]; };
  artifacts.config.sops-nix = { publicHostKey = "age1host"; format = "yaml"; };
  artifacts.config.dummy.deterministic = true;
  artifacts.config.vault = { server = "https://vault.example.org"; depth = { of = [ 1 2.5 null false ]; }; };
  artifacts.backends.vault = {
    component = pkgs.writeText "vault.wasm" "x"; storage = "vault"; sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    grants = { plaintext = true; identities = true; }; limits = { memory = 1024; time = 60; };
  };
  artifacts.store."all of it" = {
    description = "each option, a name with a blank"; shared = true; backend = "vault"; dependencies = [ "root" ];
    validation = { domain = "example.org"; list = [ 1 "two" null ]; }; maxAge = "90d"; timeout = 30; network = true; bindUnits = [ "a.service" ];
    files."a.b" = { path = "/etc/a b"; mode = "0440"; owner = "root"; group = "root"; neededFor = "services";
      restartUnits = [ "a.service" ]; reloadUnits = [ "b.service" ]; };
    files.public.secret = false;
    prompts = { hidden = { }; line = { type = "line"; description = "what?"; testValue = "x"; };
      multiline.type = "multiline"; multiline-hidden.type = "multiline-hidden"; };
    generator = pkgs.writers.writeBash "all" "true";
  };
  artifacts.store.root = { shared = true; files.key.deploy = false; generator = ./generate.sh; };
  artifacts.store.reads = { files.f = { }; dependencies = { ca = "root"; "of ctrl" = "per-machine/ctrl/id"; }; generator = ./generate.sh; };
  artifacts.store.typed = { files.token = { }; files.user.secret = false; prompts.token.required = false; };
  artifacts.store.waits = { files.f = { }; generator = pkgs.writers.writeBash "w" config.artifacts.store."all of it".files.public.value; };
})"#;

#[test]
fn of_everything() {
    let bench = Bench::new();
    bench.write("generate.sh", "#!/bin/sh\n");
    let user = r#"{ artifacts.store.ssh = { files.key.mode = "0600"; generator = ./generate.sh; }; }"#;
    let home_manager = format!(
        r#"inputs.home-manager.nixosModules.home-manager
           {{ home-manager.users.alice = {{ imports = [ inputs.artifacts.homeModules.default {user} ];
             artifacts.config.agenix.publicUserKeys = [ "age1alice" ]; }}; }}"#
    );
    let mac = machine("mac", r#"{ nixpkgs.hostPlatform = "aarch64-darwin"; artifacts.store.a = { files.f = { }; generator = ./generate.sh; }; }"#)
        .replace("nixosConfigurations", "darwinConfigurations")
        .replace("nixosModules", "darwinModules");
    let alone = format!(
        r#"homeConfigurations."bob@laptop" = inputs.home-manager.lib.homeManagerConfiguration {{
          pkgs = nixpkgs.legacyPackages.aarch64-linux;
          modules = [ inputs.artifacts.homeModules.default {user}
            {{ home.username = "bob"; home.homeDirectory = "/home/bob"; artifacts.root = ./.; artifacts.target = "bob@laptop";
              artifacts.default.backend = "agenix"; }} ]; }};"#
    );
    let machine = machine("web1", &format!("{ALL} {home_manager}"));
    bench.flake(&format!("{machine} {mac} {alone}"));
    is_as_it_was(&bench, "everything");
}
