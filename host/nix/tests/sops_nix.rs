//! What the modules bring onto a target through sops-nix, against options of sops-nix's own names and types.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::common::{Bench, machine};
use serde_json::json;

const SOPS: &str = "inputs.sops-nix.nixosModules.sops { artifacts.default.backend = \"sops-nix\"; }";
const SECRETS: &str = "nixosConfigurations.web1.config.sops.secrets";
/// Everything but the file, which may not be there.
const FIELDS: &str = "builtins.mapAttrs (_: s: { inherit (s) format key path mode owner group restartUnits reloadUnits neededForUsers; })";

#[test]
fn each_deployed_secret_of_this_backend_and_nothing_else() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        &format!(
            r#"{SOPS} inputs.agenix.nixosModules.default {{ users.users.atticd = {{ }}; users.groups.atticd = {{ }}; artifacts.store = {{
                attic.files.env = {{ owner = "atticd"; group = "atticd"; path = "/var/lib/attic/env"; mode = "0440";
                  restartUnits = [ "atticd.service" ]; reloadUnits = [ "nginx.service" ]; }};
                mixed.files = {{ key.neededFor = "users"; pub.secret = false; admin.deploy = false; }};
                other = {{ backend = "agenix"; files.f = {{ }}; }}; }}; }}"#
        ),
    ));
    assert_eq!(
        bench.eval_json(SECRETS, FIELDS),
        json!({
            "attic/env": { "format": "binary", "key": "env", "path": "/var/lib/attic/env", "mode": "0440", "owner": "atticd",
                "group": "atticd", "restartUnits": [], "reloadUnits": [], "neededForUsers": false },
            "mixed/key": { "format": "binary", "key": "key", "path": "/run/artifacts/mixed/key", "mode": "0400", "owner": "root",
                "group": "root", "restartUnits": [], "reloadUnits": [], "neededForUsers": true },
        })
    );
    let agenix = bench.eval_json("nixosConfigurations.web1.config.age.secrets", "builtins.attrNames");
    assert_eq!(agenix, json!(["other/f"]));
}

#[test]
fn units_are_told_of_changes_by_sops_nix_or_by_our_watcher_and_not_by_both() {
    let bench = Bench::new();
    let units =
        r#"{ artifacts.store.a.files.f = { restartUnits = [ "a.service" ]; reloadUnits = [ "b.service" ]; }; }"#;
    let alone = "({ lib, ... }: { artifacts.targetPackage = lib.mkForce null; })";
    let [watched, alone] =
        [("watched", ""), ("alone", alone)].map(|(name, more)| machine(name, &format!("{SOPS} {units} {more}")));
    bench.flake(&format!("{watched}{alone}"));
    let told = |name: &str| {
        let secret = format!("nixosConfigurations.{name}.config.sops.secrets.\"a/f\"");
        bench.eval_json(&secret, "s: s.restartUnits ++ s.reloadUnits")
    };
    assert_eq!(told("alone"), json!(["a.service", "b.service"]));
    assert_eq!(told("watched"), json!([]));
}

#[test]
fn a_structured_file_has_a_key_for_each() {
    let bench = Bench::new();
    bench.write("secrets/per-machine/web1/a/secrets.sops.yaml", "sealed");
    bench.flake(&machine(
        "web1",
        &format!(r#"{SOPS} {{ artifacts.config.sops-nix.format = "yaml"; artifacts.store.a.files = {{ f = {{ }}; g = {{ }}; }}; }}"#),
    ));
    let found = bench.eval_json(
        SECRETS,
        "builtins.mapAttrs (_: s: { inherit (s) format key; file = baseNameOf (toString s.sopsFile); })",
    );
    let file = found["a/f"]["file"].as_str().unwrap();
    assert!(file.ends_with("-secrets.sops.yaml"), "{file}");
    assert_eq!(
        found,
        json!({
            "a/f": { "format": "yaml", "key": "f", "file": file },
            "a/g": { "format": "yaml", "key": "g", "file": file },
        })
    );
}

#[test]
fn what_is_not_deployed_to_all_targets_is_taken_from_its_own_file() {
    let bench = Bench::new();
    let store = "artifacts.store.a = { shared = true; files = { f = { }; g = { }; }; };";
    bench.flake(&machine("web1", &format!(r#"{SOPS} {{ artifacts.config.sops-nix.format = "json"; {store} }}"#)));
    bench.write("secrets/shared/a/secrets.sops.json", "f alone");
    bench.write("secrets/shared/a/g.sops", "some targets have it");
    let found = bench.eval_json(SECRETS, "builtins.mapAttrs (_: s: [ s.format (builtins.readFile s.sopsFile) ])");
    assert_eq!(found, json!({ "a/f": ["json", "f alone"], "a/g": ["binary", "some targets have it"] }));
}

#[test]
fn each_file_is_a_store_path_of_its_own_that_other_commits_leave_alone() {
    let bench = Bench::new();
    bench.flake(&machine("web1", &format!(r#"{SOPS} {{ artifacts.store."a b".files.".e f" = {{ }}; }}"#)));
    bench.write("secrets/per-machine/web1/a b/.e f.sops", "sealed");
    bench.commit();
    let file = || bench.eval(&format!("{SECRETS}.\"a b/.e f\".sopsFile"));
    let before = file();
    assert_eq!(std::fs::read_to_string(&before).unwrap(), "sealed");
    assert!(!before.contains("-source") && !before.contains(' '), "{before}");
    let hash = bench.eval(&format!("{SECRETS}.\"a b/.e f\".sopsFileHash"));
    assert_eq!(hash.len(), 64, "sops-nix reads the file while it evaluates");
    bench.write("unrelated", "x");
    bench.commit();
    assert_eq!(file(), before);
    bench.write("secrets/per-machine/web1/a b/.e f.sops", "sealed again");
    bench.commit();
    assert_ne!(file(), before);
}

#[test]
fn a_file_that_is_not_there_names_the_command() {
    let bench = Bench::new();
    bench.flake(&machine("web1", &format!("{SOPS} {{ artifacts.store.a.files.f = {{ }}; }}")));
    let error = bench.try_eval(&format!("{SECRETS}.\"a/f\".sopsFile")).unwrap_err().to_string();
    assert!(error.contains("artifacts generate per-machine/web1/a"), "{error}");
}

#[test]
fn nothing_is_defined_where_sops_nix_is_not_imported() {
    let bench = Bench::new();
    bench.flake(&machine("web1", r#"{ artifacts.default.backend = "sops-nix"; artifacts.store.a.files.f = { }; }"#));
    assert_eq!(bench.eval_json("nixosConfigurations.web1.config", "c: c ? sops"), false);
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.failures.len(), evaluation.spec.targets.len()), (0, 1));
}

#[test]
fn an_owner_that_is_not_there_leaves_the_file_to_root() {
    let bench = Bench::new();
    bench.flake(&machine("web1", &format!(r#"{SOPS} {{ artifacts.store.a.files.f.owner = "nobody-here"; }}"#)));
    let owner = bench.eval_json(SECRETS, "s: { inherit (s.\"a/f\") owner group; }");
    assert_eq!(owner, json!({ "owner": "root", "group": "root" }));
}

#[test]
fn owners_by_number_are_not_looked_up_by_name() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        &format!(r#"{SOPS} {{ artifacts.store.a.files = {{ f = {{ owner = "1000"; group = "100"; }}; g.owner = "1000"; }}; }}"#),
    ));
    let found = bench.eval_json(SECRETS, "builtins.mapAttrs (_: s: { inherit (s) owner uid group gid; })");
    assert_eq!(
        found,
        json!({ "a/f": { "owner": null, "uid": 1000, "group": null, "gid": 100 },
                "a/g": { "owner": null, "uid": 1000, "group": "root", "gid": 0 } })
    );
}

#[test]
fn a_user() {
    let bench = Bench::new();
    bench.flake(
        r#"homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default inputs.sops-nix.homeManagerModules.sops
            { home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.root = ./.;
              artifacts.default.backend = "sops-nix"; artifacts.store.ssh.files.key.mode = "0600"; } ]; };"#,
    );
    bench.write("secrets/per-user/alice/ssh/key.sops", "sealed");
    let secrets = "homeConfigurations.alice.config.sops.secrets";
    assert_eq!(
        bench.eval_json(secrets, "builtins.mapAttrs (_: s: { inherit (s) format key path mode; })"),
        json!({ "ssh/key": { "format": "binary", "key": "key", "path": "/home/alice/.local/state/artifacts/ssh/key", "mode": "0600" } })
    );
    assert!(bench.eval(&format!("{secrets}.\"ssh/key\".sopsFile")).ends_with("-key.sops"));
}

#[test]
fn faults_name_option_and_remedy() {
    let bench = Bench::new();
    let fault = |config: &str| {
        let generator = r#"generator = pkgs.writers.writeBash "g" "true";"#;
        bench.flake(&machine("web1", &format!("{SOPS} ({{ pkgs, ... }}: let {generator} in {{ {config} }})")));
        let problems = bench.evaluate().problems;
        problems.into_iter().filter(|problem| !problem.warning).map(|problem| problem.message).collect::<Vec<_>>()
    };
    let store = |files: &str| format!("artifacts.store.a = {{ inherit generator; files = {files}; }};");
    let good = r#"artifacts.config.sops-nix.publicHostKey = "ssh-ed25519 AAAA";"#;
    assert_eq!(fault(&format!("{good} {}", store("{ f = { }; }"))), Vec::<String>::new());
    // It may be deployed to another target.
    let shared = format!("{good} artifacts.store.a.shared = true; {}", store("{ f.deploy = false; }"));
    assert_eq!(fault(&shared), Vec::<String>::new());
    for (config, words) in [
        (store("{ f = { }; }"), ["artifacts.hostKey", "is not set"]),
        (format!("{good} {}", store("{ f.deploy = false; }")), ["files.f.deploy", "artifacts.recipients.<name>"]),
        (
            format!(r#"artifacts.config.sops-nix.publicHostKey = "ssh-rsa AAAA"; {}"#, store("{ f = { }; }")),
            ["publicHostKey", "use an ssh-ed25519 key"],
        ),
        (
            format!(r#"{good} artifacts.config.sops-nix.format = "yaml"; {}"#, store("{ sops = { }; }")),
            ["files.sops", "rename it"],
        ),
        (
            format!("{good} users.users.x = {{ }}; {}", store(r#"{ f = { neededFor = "users"; owner = "x"; }; }"#)),
            ["files.f.owner", "remove owner and group"],
        ),
    ] {
        let found = fault(&config);
        assert_eq!(found.len(), 1, "{config}: {found:?}");
        assert!(words.iter().all(|word| found[0].contains(word)), "{}", found[0]);
    }
}

#[test]
fn moving_an_artifact_is_one_word() {
    let bench = Bench::new();
    bench.write("secrets/per-machine/web1/a/f.sops", "sealed");
    bench.write("secrets/per-machine/web1/a/f.age", "sealed");
    for (backend, age, sops) in [("agenix", 1, 0), ("sops-nix", 0, 1)] {
        bench.flake(&machine(
            "web1",
            &format!(
                r#"inputs.sops-nix.nixosModules.sops inputs.agenix.nixosModules.default
                {{ artifacts.store.a = {{ backend = "{backend}"; files.f = {{ }}; }}; }}"#
            ),
        ));
        let config = "nixosConfigurations.web1.config";
        let count = "c: [ (builtins.length (builtins.attrNames c.age.secrets)) (builtins.length (builtins.attrNames c.sops.secrets)) ]";
        assert_eq!(bench.eval_json(config, count), json!([age, sops]));
    }
}

#[test]
fn a_percent_sign_in_a_users_path_is_one_and_the_runtime_directory_is_what_sops_nix_calls_it() {
    let bench = Bench::new();
    bench.flake(
        r#"homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default inputs.sops-nix.homeManagerModules.sops inputs.agenix.homeManagerModules.default
            { home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.root = ./.; artifacts.default.backend = "sops-nix";
              artifacts.store."50%rate".files.f = { };
              artifacts.store.a.files = { plain.path = "/x/%r/%%y"; spelled.path = "\${XDG_RUNTIME_DIR}/%r";
                short.path = "$XDG_RUNTIME_DIR/x"; sops.path = "%r/%d"; like.path = "/%rest/a"; };
              artifacts.store.b = { backend = "agenix"; files.f.path = "%r/%x"; files.g.path = "/50%r"; }; } ]; };"#,
    );
    let paths = |tool: &str| {
        let secrets = format!("homeConfigurations.alice.config.{tool}.secrets");
        bench.eval_json(&secrets, "builtins.mapAttrs (_: s: s.path)")
    };
    assert_eq!(
        paths("sops"),
        json!({ "50%rate/f": "/home/alice/.local/state/artifacts/50%%rate/f", "a/like": "/%%rest/a", "a/plain": "/x/%%r/%%%%y",
                "a/short": "%r/x", "a/sops": "%r/%%d", "a/spelled": "%r/%%r" })
    );
    assert_eq!(paths("age"), json!({ "b/f": "${XDG_RUNTIME_DIR}/%x", "b/g": "/50%r" }));
    // A machine's files are at the path as it is.
    bench.flake(&machine("web1", &format!(r#"{SOPS} {{ artifacts.store.a.files.f.path = "/x/%r"; }}"#)));
    assert_eq!(bench.eval_json(SECRETS, "builtins.mapAttrs (_: s: s.path)"), json!({ "a/f": "/x/%r" }));
}

/// The options of a sops-nix that takes owners by name only.
const OLD: &str = r#"({ lib, config, ... }: { options.sops.secrets = lib.mkOption { default = { }; type = lib.types.attrsOf (lib.types.submodule {
  options = lib.genAttrs [ "sopsFile" "format" "key" "path" "mode" "neededForUsers" "restartUnits" "reloadUnits" ] (_: lib.mkOption { })
    // lib.genAttrs [ "owner" "group" ] (_: lib.mkOption { type = lib.types.str; }); }); }; })"#;

#[test]
fn a_sops_nix_that_takes_no_numbers() {
    let bench = Bench::new();
    let of = |owner: &str| {
        machine(
            "web1",
            &format!(
                r#"{OLD} ({{ pkgs, ... }}: {{ artifacts.default.backend = "sops-nix"; artifacts.config.sops-nix.publicHostKey = "age1host";
                  users.users.x = {{ }}; users.groups.x = {{ }};
                  artifacts.store.a = {{ files."f.g" = {{ {owner} }}; generator = pkgs.writers.writeBash "g" "true"; }}; }})"#
            ),
        )
    };
    bench.flake(&of(r#"owner = "x"; group = "x";"#));
    let owner = bench.eval_json(SECRETS, "s: { inherit (s.\"a/f.g\") owner group; }");
    assert_eq!((owner, bench.evaluate().problems), (json!({ "owner": "x", "group": "x" }), vec![]));
    bench.flake(&of(r#"owner = "1000"; group = "x";"#));
    let problems = bench.evaluate().problems;
    let said = "artifacts.store.a.files.\"f.g\".owner: `1000`: this version of sops-nix does not accept numbers; write a name, or use a \
                newer sops-nix";
    assert!(matches!(problems.as_slice(), [one] if one.message == said && !one.warning), "{problems:?}");
}
