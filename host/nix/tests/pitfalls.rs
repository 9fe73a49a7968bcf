//! What went wrong with modules elsewhere, each once: what is not beside the feature that it is about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::path::Path;

use crate::common::{Bench, machine, name};
use artifacts_tests::nix::{Inputs, nix};
use serde_json::{Value, json};

#[test]
fn a_generator_that_is_a_bare_store_path() {
    let bench = Bench::new();
    // It has no context, and pure evaluation lets no one look at it.
    let config = r##"({ pkgs, ... }: let text = builtins.toFile "gen" "#!/bin/sh\n"; in { artifacts.store.a = {
        files.f = { }; generator = builtins.unsafeDiscardStringContext text; }; })"##;
    bench.flake(&machine("web1", config));
    let generator = bench.evaluate().spec.targets[0].artifacts[&name("a")].generator.clone().unwrap();
    assert_eq!(generator.drv, None);
    assert!(generator.path.starts_with(bench.nix().store_dir().unwrap()), "{generator:?}");
}

#[test]
fn packages_that_are_set_for_good_stay_what_they_are() {
    let bench = Bench::new();
    let own = r#"({ pkgs, ... }: { artifacts.store.a = { files.f = { }; generator = pkgs.writers.writeBash "g" "true"; }; })"#;
    // Another platform has no effect on packages that are given, and cannot be said where one is said for good.
    for settings in [
        r#"nixpkgs.hostPlatform = "aarch64-linux"; nixpkgs.pkgs = nixpkgs.legacyPackages.aarch64-linux;"#,
        r#"nixpkgs.hostPlatform = nixpkgs.lib.mkOverride 0 "aarch64-linux";"#,
    ] {
        bench.flake(&machine("pi", &format!("{own} {{ {settings} }}")));
        let evaluation = bench.evaluate();
        assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
        let target = &evaluation.spec.targets[0];
        assert_eq!(target.system.as_deref(), Some("aarch64-linux"));
        let generator = target.artifacts[&name("a")].generator.clone().unwrap();
        // Anyone who runs it is reported so, instead of being given another one.
        assert_eq!(generator.system.as_deref(), Some("aarch64-linux"), "{settings}");
    }
}

#[test]
fn a_users_paths_follow_the_state_directory_and_hold_no_variable() {
    let bench = Bench::new();
    bench.flake(
        r#"homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default
            { home.username = "alice"; home.homeDirectory = "/home/alice"; xdg.stateHome = "/persist/alice";
              artifacts.default.backend = "agenix"; artifacts.store.ssh.files.key = { };
              artifacts.store.old.files.key.path = "\${XDG_RUNTIME_DIR}/artifacts/old/key"; } ]; };"#,
    );
    let artifacts = bench.evaluate().spec.targets.remove(0).artifacts;
    let path = |artifact: &str| artifacts[&name(artifact)].files[&name("key")].path.clone().unwrap();
    assert_eq!(path("ssh"), "/persist/alice/artifacts/ssh/key");
    assert_eq!(path("old"), "${XDG_RUNTIME_DIR}/artifacts/old/key", "what people declared stays");
}

#[test]
fn a_public_file_is_a_store_path_of_its_own_that_other_commits_leave_alone() {
    let bench = Bench::new();
    bench.flake(&machine("web1", r#"{ artifacts.store."a b".files.".p q".secret = false; }"#));
    bench.write("secrets/per-machine/web1/a b/public/.p q", "seen");
    bench.commit();
    let path = || bench.eval("nixosConfigurations.web1.config.artifacts.store.\"a b\".files.\".p q\".path");
    let before = path();
    assert_eq!(std::fs::read_to_string(&before).unwrap(), "seen");
    assert!(!before.contains("-source") && !before.contains(' '), "{before}");
    bench.write("unrelated", "x");
    bench.commit();
    assert_eq!(path(), before);
}

#[test]
fn paths_in_data_are_not_copied() {
    let bench = Bench::new();
    bench.write("big file", "content of its own, that only a copy of this file could have");
    let config = r#"{ artifacts.store.a = { files.f = { }; validation = [ (./. + "/big file") { p = ./flake.nix; } ]; };
        artifacts.config.vault.policy.file = ./. + "/big file"; }"#;
    bench.flake(&machine("web1", config));
    let target = bench.evaluate().spec.targets.remove(0);
    let source = bench.source();
    let expected = json!([source.join("big file"), { "p": source.join("flake.nix") }]);
    assert_eq!(target.artifacts[&name("a")].validation, expected);
    assert_eq!(target.config["vault"]["policy"]["file"], json!(source.join("big file")));
}

/// The module of a backend from elsewhere, as the guide has it.
fn of_the_guide() -> String {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../BACKEND_GUIDE.md")).unwrap();
    let (_, section) = guide.split_once("## Bringing its files onto the target").unwrap();
    let (_, module) = section.split_once("```nix\n").unwrap();
    format!("({})", module.split_once("```").unwrap().0)
}

/// What it brings its files through.
const TOOL: &str = r"({ lib, ... }: { options.vault.secrets = lib.mkOption { type = lib.types.attrsOf lib.types.raw; default = { }; }; })";

/// Its entry in the registry, and settings, of which one is declared.
const VAULT: &str = r#"
  ({ lib, ... }: {
    options.artifacts.config.vault.url = lib.mkOption { type = lib.types.str; };
    config.artifacts.backends.vault = { component = "/v.wasm"; storage = "vaulted"; };
    config.artifacts.config.vault = { url = "https://vault"; undeclared.too = [ 1 ]; };
    config.artifacts.config.unheard.of = true;
  })
"#;

#[test]
fn a_rendering_module_from_elsewhere() {
    let bench = Bench::new();
    let own = r#"inputs.agenix.nixosModules.default inputs.sops-nix.nixosModules.sops
      ({ pkgs, ... }: let generator = pkgs.writers.writeBash "g" "true"; in {
        artifacts.store.a = { inherit generator; backend = "vault"; files = { "b c".neededFor = "users"; pub.secret = false; }; };
        artifacts.store.s = { inherit generator; backend = "vault"; shared = true; files.f = { }; };
        artifacts.store.other = { inherit generator; files.f = { }; };
        artifacts.config.agenix.publicHostKey = "age1host"; })"#;
    let module = of_the_guide();
    bench.flake(&format!(
        "{} {}",
        machine("web1", &format!("{module} {TOOL} {VAULT} {own}")),
        machine("without", &format!("{module} {VAULT} {own}")),
    ));
    bench.write("vaulted/per-machine/web1/a/b c.vault", "sealed");
    bench.write("vaulted/shared/s/f.vault", "sealed too");
    bench.commit();

    let config = "nixosConfigurations.web1.config";
    let secrets = || bench.eval_json(&format!("{config}.vault.secrets"), "x: x");
    let before = secrets();
    let names: Vec<&String> = before.as_object().unwrap().keys().collect();
    assert_eq!(names, ["per-machine/web1/a/b c", "shared/s/f"]);
    let file = &before["per-machine/web1/a/b c"];
    assert_eq!(file["path"], "/run/artifacts/a/b c");
    let sealed = file["sealed"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(sealed).unwrap(), "sealed");
    assert!(!sealed.contains("-source"), "{sealed}");
    bench.write("unrelated", "x");
    bench.commit();
    assert_eq!(secrets(), before, "each file is a store path of its own");

    // Each tool has what is its own, and no more.
    let tools = "c: map builtins.attrNames [ c.age.secrets c.sops.secrets ]";
    assert_eq!(bench.eval_json(config, tools), json!([["other/f"], []]));
    assert_eq!(bench.eval_json("nixosConfigurations.without.config", "c: c ? vault"), false);
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0);
    let unheard = "artifacts.config.unheard: unknown backend, so it has no effect; use one of agenix, dummy, sops-nix, vault, register it";
    let (warnings, problems): (Vec<_>, Vec<_>) = evaluation.problems.iter().partition(|problem| problem.warning);
    assert!(warnings.len() == 2 && warnings.iter().all(|one| one.message.starts_with(unheard)), "{warnings:?}");
    let problems: Vec<_> = problems.iter().map(|one| (one.target.as_str(), one.message.as_str())).collect();
    let [("without", unserved)] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(unserved.contains("cannot deploy files before users are created"), "{unserved}");
    let target = &evaluation.spec.targets[1];
    assert_eq!(target.config["vault"], json!({ "url": "https://vault", "undeclared": { "too": [1] } }));
    assert_eq!(target.config["unheard"], json!({ "of": true }));
}

#[test]
fn modules_define_nothing_that_is_not_there() {
    let inputs = Inputs::new().unwrap();
    let path = |dir: &Path| format!("/. + {:?}", dir.display().to_string());
    // Not even assertions: any option that were defined and is not declared would fail.
    let expression = format!(
        r#"let lib = import ({lib} + "/lib"); of = module: more: (lib.evalModules {{ modules = [
             ({ours} + "/nix/modules/${{module}}.nix")
             {{ _module.args.pkgs.stdenv.hostPlatform.system = "x86_64-linux";
               artifacts = {{ target = "web1"; default.backend = "agenix"; store.a.files.f = {{ }}; }} // more; }}
           ]; }}).config;
           described = config: [ (builtins.attrNames config) config.artifacts.store.a.files.f.path config.artifacts.store.a.instance ];
         in [ (described (of "nixos" {{ }})) (described (of "darwin" {{ }})) (described (of "home-manager" {{ directory = "/d"; }})) ]"#,
        lib = path(&inputs.path("nixpkgs")),
        ours = path(&inputs.path("artifacts")),
    );
    let text = nix(Path::new("/"), &["eval", "--impure", "--json", "--expr", &expression]).unwrap();
    let machine = json!([["artifacts"], "/run/artifacts/a/f", "per-machine/web1/a"]);
    let user = json!([["artifacts"], "/d/a/f", "per-user/web1/a"]);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!([machine, machine, user]));
}
