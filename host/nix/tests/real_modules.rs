//! Beside real NixOS modules, and with a `lib` of 2022.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::path::Path;

use artifacts_tests::nix::{Inputs, nix, nixpkgs_of_2022};
use serde_json::{Value, json};

const EXPRESSION: &str = r#"
  { nixpkgs, ours, agenix }:
  let
    lib = import (nixpkgs + "/lib");
    real = map (name: nixpkgs + "/nixos/modules/${name}.nix") [
      "misc/assertions" "config/users-groups" "security/pam" "security/sudo" "misc/ids" "misc/meta"
    ];
    evaluated = lib.evalModules { modules = real ++ [
      (ours + "/nix/modules/nixos.nix")
      ((import (agenix + "/flake.nix")).outputs { self = { }; }).nixosModules.default
      { _module.check = false; _module.args.pkgs = { stdenv.hostPlatform.system = "x86_64-linux"; shadow.shellPath = "/bin/nologin"; }; }
      ({ config, ... }: {
        options.networking.hostName = lib.mkOption { default = "web1"; };
        config = {
          artifacts.default.backend = "agenix";
          artifacts.root = /no/such/directory;
          artifacts.config.agenix.publicHostKey = "age1host";
          users.users.attic = { isSystemUser = true; group = "attic"; };
          users.groups.attic = { };
          users.users.alice = { isNormalUser = true; passwordFile = config.artifacts.store.password.files.hash.path; };
          artifacts.store.password = {
            files.hash.neededFor = "users";
            files.env = { owner = "attic"; group = "attic"; };
            files.bad.owner = "nobody2";
            generator = builtins.toFile "g" "x";
          };
        };
      })
    ]; };
    inherit (evaluated) config;
    ours' = lib.filter (lib.hasPrefix "artifacts");
  in
  {
    owners = lib.mapAttrs (_: secret: "${secret.owner}:${secret.group}") config.age.secrets;
    errors = ours' (map (one: one.message) (lib.filter (one: !one.assertion) config.assertions));
    warnings = ours' config.warnings;
    password = config.users.users.alice.passwordFile;
  }
"#;

fn evaluate(backend: &str) -> Value {
    let inputs = Inputs::new().unwrap();
    let path = |dir: &Path| format!("/. + {:?}", dir.display().to_string());
    let expression = format!(
        "({}) {{ nixpkgs = {}; ours = {}; agenix = {}; }}",
        EXPRESSION.replace("\"agenix\"", &format!("\"{backend}\"")),
        path(&nixpkgs_of_2022().unwrap()),
        path(&inputs.path("artifacts")),
        path(&inputs.path("agenix")),
    );
    let text = nix(Path::new("/"), &["eval", "--impure", "--json", "--expr", &expression]).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn users_assertions_and_security() {
    let found = evaluate("agenix");
    // A user's password may come from an artifact, though owners are looked up among the users.
    assert_eq!(found["password"], "/run/artifacts/password/hash");
    assert_eq!(
        found["owners"],
        json!({ "password/hash": "root:root", "password/env": "attic:attic", "password/bad": "root:root" })
    );
    let [errors, warnings] = ["errors", "warnings"].map(|key| found[key].as_array().unwrap().clone());
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].as_str().unwrap().ends_with("run: artifacts generate per-machine/web1/password"));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].as_str().unwrap().contains("`nobody2` is an unknown user"));
}

#[test]
fn a_password_that_a_script_reads_is_not_left_to_a_unit() {
    // The real module makes users in an activation script, before any unit starts.
    let found = evaluate("dummy");
    assert_eq!(found["password"], "/run/artifacts/password/hash");
    let said = "artifacts: artifacts.store.password.files.hash.neededFor: backend `dummy` cannot deploy files before users are created; use \"services\", or another backend";
    let errors = found["errors"].as_array().unwrap();
    assert!(errors.iter().any(|one| one == said), "{errors:?}");
}
