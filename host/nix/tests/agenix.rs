//! What the modules bring onto a target through agenix, against options that are agenix's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::common::{Bench, machine};
use serde_json::json;

const AGENIX: &str = "inputs.agenix.nixosModules.default";
const SECRETS: &str = "nixosConfigurations.web1.config.age.secrets";
/// Everything but the file, which may not be there.
const FIELDS: &str = "builtins.mapAttrs (_: s: { inherit (s) path mode owner group; })";

#[test]
fn each_deployed_secret_of_this_backend_and_nothing_else() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        &format!(
            r#"{AGENIX} {{ users.users.atticd = {{ }}; users.groups.atticd = {{ }}; artifacts.store = {{
                attic.files.env = {{ owner = "atticd"; group = "atticd"; path = "/var/lib/attic/env"; mode = "0440"; }};
                mixed.files = {{ key = {{ }}; pub.secret = false; admin.deploy = false; }};
                other = {{ backend = "sops-nix"; files.f = {{ }}; }}; }}; }}"#
        ),
    ));
    assert_eq!(
        bench.eval_json(SECRETS, FIELDS),
        json!({
            "attic/env": { "path": "/var/lib/attic/env", "mode": "0440", "owner": "atticd", "group": "atticd" },
            "mixed/key": { "path": "/run/artifacts/mixed/key", "mode": "0400", "owner": "root", "group": "root" },
        })
    );
}

#[test]
fn names_that_join_alike_stay_apart() {
    let bench = Bench::new();
    let config = r#"{ artifacts.store."a-b".files.c = { }; artifacts.store.a.files."b-c" = { }; }"#;
    bench.flake(&machine("web1", &format!("{AGENIX} {config}")));
    assert_eq!(bench.eval_json(SECRETS, "builtins.attrNames"), json!(["a-b/c", "a/b-c"]));
}

#[test]
fn nothing_is_defined_where_agenix_is_not_imported() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    assert_eq!(bench.eval_json("nixosConfigurations.web1.config", "c: c ? age"), false);
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.failures.len(), evaluation.spec.targets.len()), (0, 1));
}

#[test]
fn each_file_is_a_store_path_of_its_own_that_other_commits_leave_alone() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        &format!(
            r#"{AGENIX} ({{ pkgs, ... }}: let generator = pkgs.writers.writeBash "g" "true"; in {{
                artifacts.config.agenix.publicHostKey = "age1host";
                artifacts.store."a b" = {{ inherit generator; files.".e f" = {{ }}; }};
                artifacts.store.s = {{ inherit generator; shared = true; files.t = {{ }}; }}; }})"#
        ),
    ));
    bench.write("secrets/per-machine/web1/a b/.e f.age", "sealed");
    bench.write("secrets/shared/s/t.age", "sealed too");
    bench.commit();
    let file = |name: &str| bench.eval(&format!("{SECRETS}.\"{name}\".file"));
    let system = || bench.eval("nixosConfigurations.web1.config.system.build.toplevel.drvPath");
    let (own, shared, before) = (file("a b/.e f"), file("s/t"), system());
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "sealed");
    assert_eq!(std::fs::read_to_string(&shared).unwrap(), "sealed too");
    assert!(!own.contains("-source") && !own.contains(' '), "{own}");

    bench.write("unrelated", "x");
    bench.write("secrets/per-machine/web2/a/f.age", "of another machine");
    bench.commit();
    assert_eq!((file("a b/.e f"), file("s/t"), system()), (own.clone(), shared, before.clone()));

    bench.write("secrets/per-machine/web1/a b/.e f.age", "sealed again");
    bench.commit();
    assert_ne!(file("a b/.e f"), own);
    assert_ne!(system(), before);
}

#[test]
fn a_file_that_is_not_there_names_the_command() {
    let bench = Bench::new();
    bench.flake(&machine("web1", &format!("{AGENIX} {{ artifacts.store.a.files.f = {{ }}; }}")));
    let error = bench.try_eval(&format!("{SECRETS}.\"a/f\".file")).unwrap_err().to_string();
    assert!(error.contains("artifacts generate per-machine/web1/a"), "{error}");
}

#[test]
fn a_user() {
    let bench = Bench::new();
    bench.flake(
        r#"homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default inputs.agenix.homeManagerModules.default
            { home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.root = ./.;
              artifacts.default.backend = "agenix"; artifacts.store.ssh.files.key.mode = "0600";
              artifacts.config.agenix.identityPaths = [ "/home/alice/.ssh/id" ]; } ]; };"#,
    );
    bench.write("secrets/per-user/alice/ssh/key.age", "sealed");
    let config = "homeConfigurations.alice.config.age";
    assert_eq!(
        bench.eval_json(&format!("{config}.secrets"), "builtins.mapAttrs (_: s: { inherit (s) path mode; })"),
        json!({ "ssh/key": { "path": "/home/alice/.local/state/artifacts/ssh/key", "mode": "0600" } })
    );
    assert!(bench.eval(&format!("{config}.secrets.\"ssh/key\".file")).ends_with("-key.age"));
    assert_eq!(bench.eval_json(&format!("{config}.identityPaths"), "x: x"), json!(["/home/alice/.ssh/id"]));
}

#[test]
fn options_of_nixos_artifacts_agenix() {
    let bench = Bench::new();
    bench.write("secrets/per-machine/web1/a/f.age", "sealed");
    bench.flake(&machine(
        "web1",
        &format!(
            r#"{AGENIX} ({{ lib, ... }}: {{ networking.hostName = "other"; artifacts.root = lib.mkOverride 1001 null;
                artifacts.config.agenix = {{ storeDir = "secrets"; flakeStoreDir = ./secrets; machineName = "web1";
                  username = null; identityPaths = [ "/etc/key" ]; publicHostKey = "age1x"; publicUserKeys = [ "age1y" ]; }};
                artifacts.store.a.files.f = {{ }}; }})"#
        ),
    ));
    assert!(bench.eval(&format!("{SECRETS}.\"a/f\".file")).ends_with("-f.age"));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.spec.root, Some(bench.source()));
    assert_eq!(evaluation.spec.targets[0].name.as_str(), "web1");
}

#[test]
fn the_directory_that_a_whole_flake_is_in_is_no_root() {
    let bench = Bench::new();
    let of = |root: &str| {
        machine(
            "web1",
            &format!(
                "{AGENIX} ({{ lib, ... }}: {{ artifacts.root = {root}; artifacts.config.agenix.flakeStoreDir = inputs.agenix; }})"
            ),
        )
    };
    let message = "artifacts.config.agenix.flakeStoreDir: it is a complete flake; keep the files in its directory `secrets`, remove flakeStoreDir, \
                   set artifacts.root to that flake, and pass --root DIR with its checkout if it is another flake";
    bench.flake(&of("lib.mkOverride 1001 null"));
    let evaluation = bench.evaluate();
    let error = evaluation.failures[0].error.to_string();
    assert!(error.contains(message) && evaluation.spec.targets.is_empty(), "{error}");
    let error =
        bench.try_eval("nixosConfigurations.web1.config.system.build.toplevel.drvPath").unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
    // Beside a root that is set it fails nothing, and is a fault all the same.
    bench.flake(&of("lib.mkForce ./."));
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.spec.root, evaluation.problems.len()), (Some(bench.source()), 1));
    assert_eq!(evaluation.problems[0].message, message);
}
