//! What the modules make of units and their names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::process::Command;

use artifacts_tests::nix::{self, Inputs};
use artifacts_tests::systemd::{evaluate, evaluate_home};

fn module(a: &str, settings: &str) -> String {
    format!(
        "[ ({{ lib, config, ... }}: {{ artifacts.default.backend = \"agenix\"; artifacts.targetPackage = \"/p\";
           artifacts.target = \"m\"; artifacts.store.a = lib.mkMerge [ {{ files.f = {{ }}; }} {{ {a} }} ]; }}) ({{ lib, ... }}: {{ {settings} }}) ]"
    )
}

#[test]
fn whatever_can_be_bound_is() {
    let bound = r#"bindUnits = [ "x.service" "t@one.service" "x.socket" "x.timer" "x.target" "brought.service" ];"#;
    let settings = r#"systemd.services.x.script = "x"; systemd.services."t@".script = "x"; systemd.sockets.x = { };
                      systemd.timers.x = { }; systemd.targets.x = { }; systemd.services.brought = { };"#;
    let machine = evaluate(&[("m", &module(bound, settings))]).unwrap().remove(0);
    for unit in ["x.service", "t@one.service", "x.socket", "x.timer", "x.target", "brought.service"] {
        let text = machine.unit(unit).unwrap();
        assert!(
            text.contains("BindsTo=artifact-a.service\n") && text.contains("After=artifact-a.service\n"),
            "{unit}:\n{text}"
        );
    }
}

#[test]
fn a_service_loads_what_it_is_given() {
    let files = r#"files.f.credentials = { "web.service" = "to ken"; "t@one.service" = "f"; };"#;
    let more =
        r#"artifacts.store."50%".files."g h" = { credentials."web.service" = "g"; reloadUnits = [ "x.service" ]; };"#;
    let settings = format!(
        r#"{more} systemd.services.web = {{ script = "x"; serviceConfig.LoadCredential = "own:/own"; }}; systemd.services."t@".script = "x";"#
    );
    let machine = evaluate(&[("m", &module(files, &settings))]).unwrap().remove(0);
    let web = machine.unit("web.service").unwrap();
    for line in ["own:/own", "to ken:/run/artifacts/a/f", "g:/run/artifacts/50%%/g h"] {
        assert!(web.contains(&format!("LoadCredential={line}\n")), "{line}:\n{web}");
    }
    assert!(web.contains("BindsTo=artifact-a.service") && web.contains(r"BindsTo=artifact-50\x25.service"), "{web}");
    let instance = machine.unit("t@one.service").unwrap();
    assert!(instance.contains("LoadCredential=f:/run/artifacts/a/f\n"), "{instance}");
    let manifest = machine.etc("artifacts/manifest.json").unwrap();
    let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
    let restarted = |artifact: &str, file: &str| manifest["artifacts"][artifact]["files"][file]["restartUnits"].clone();
    assert_eq!(restarted("a", "f"), serde_json::json!(["t@one.service", "web.service"]));
    assert_eq!(restarted("50%", "g h"), serde_json::json!(["web.service"]));

    let path = r#"files.f = { credentials."web.service" = "f"; path = "\${XDG_RUNTIME_DIR}/f"; };"#;
    let home = evaluate_home(&module(path, "systemd.user.services.web = { };")).unwrap();
    let (_, web) = home.config_files().find(|(name, _)| name.contains("web.service.d")).unwrap();
    let lines = "BindsTo=artifact-a.service\nAfter=artifact-a.service\n[Service]\nLoadCredential=f:%t/f\n";
    assert!(web["text"].as_str().unwrap().ends_with(lines), "{web}");
}

#[test]
fn what_a_path_is_on_is_mounted_before() {
    let machine = evaluate(&[("m", &module(r#"files.f.path = "/srv/a b/f";"#, ""))]).unwrap().remove(0);
    let text = machine.unit("artifact-a.service").unwrap();
    assert!(text.lines().any(|line| line == r#"RequiresMountsFor="/srv/a b/f""#), "{text}");
}

#[test]
fn no_making_and_no_look_takes_for_ever() {
    let dummy = r#"backend = "dummy"; timeout = "3min";"#;
    let settings = r#"artifacts.package = "/p"; artifacts.store.b = { backend = "dummy"; files.f = { }; };
                      artifacts.store.c.files.f = { };"#;
    let modules = module(dummy, settings);
    let machine = evaluate(&[("m", &modules)]).unwrap().remove(0);
    let home = evaluate_home(&modules).unwrap();
    let units = [("artifact-a", "600"), ("artifact-b", "300"), ("artifact-c", "300"), ("artifacts-clean", "30")];
    for (name, most) in units {
        let unit = format!("{name}.service");
        for text in [machine.unit(&unit).unwrap(), home.unit(&unit).unwrap()] {
            assert!(text.lines().any(|line| line == format!("TimeoutStartSec={most}")), "{unit}:\n{text}");
        }
    }
}

/// What Nix says of a machine with agenix and sops-nix.
fn evaluated(modules: &str, attribute: &str) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let outputs = format!(
        "inputs: {{ m = (inputs.nixpkgs.lib.nixosSystem {{ modules = [ inputs.artifacts.nixosModules.default \
         inputs.agenix.nixosModules.default inputs.sops-nix.nixosModules.sops ] ++ {modules}; }}).config; }}"
    );
    Inputs::new().unwrap().flake(dir.path(), &outputs).unwrap();
    let select = format!("config: {attribute}");
    let found = nix::nix(dir.path(), &["eval", "--json", "--impure", ".#m", "--apply", &select]).unwrap();
    serde_json::from_str(&found).unwrap()
}

#[test]
fn the_options_of_agenix_and_sops_nix_for_keys_of_every_kind_are_what_an_admin_sets() {
    let keys = r#"artifacts.hostKey = "age1tag1qt8lw0ual6avl"; artifacts.store.s = { backend = "sops-nix"; files.f = { }; };
        age.ageBin = "/with-plugins/age"; age.identityPaths = [ "/var/lib/agenix/tpm.txt" ];
        sops.age = { keyFile = "/var/lib/sops/tpm.txt"; generateKey = true; sshKeyPaths = [ ]; plugins = [ (builtins.toFile "plugin" "") ]; };
        sops.gnupg.home = "/root/.gnupg"; sops.environment.PATH_OF = "/x";"#;
    let read = "{ inherit (config.age) ageBin identityPaths; inherit (config.sops.age) keyFile generateKey sshKeyPaths; \
        plugins = builtins.length config.sops.age.plugins; inherit (config.sops.gnupg) home; inherit (config.sops) environment; }";
    let of = |keys: &str| evaluated(&module("", keys), read);
    let mut expected = serde_json::json!({
        "ageBin": "/with-plugins/age", "identityPaths": ["/var/lib/agenix/tpm.txt"], "keyFile": "/var/lib/sops/tpm.txt",
        "generateKey": true, "sshKeyPaths": [], "plugins": 1, "home": "/root/.gnupg", "environment": {"PATH_OF": "/x"},
    });
    assert_eq!(of(keys), expected);
    // Ours adds to the tool's.
    let mut both = of(&format!("{keys} artifacts.config.agenix.identityPaths = [ \"/own\" ];"));
    both["identityPaths"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    expected["identityPaths"] = serde_json::json!(["/own", "/var/lib/agenix/tpm.txt"]);
    assert_eq!(both, expected);
}

#[test]
fn what_is_deployed_by_activation_scripts_is_deployed_again_by_a_unit_that_nothing_else_starts() {
    let scripts = r#"options.system.activationScripts = lib.mkOption { type = lib.types.attrsOf lib.types.anything; };
        config.system.activationScripts = { agenixInstall.text = "decrypt"; agenixChown = "own"; other.text = "not this"; };
        config.artifacts.hostKey = "age1x";"#;
    let machine = evaluate(&[("m", &module("", scripts))]).unwrap().remove(0);
    let again = "artifacts-install-agenix.service";
    assert!(!machine.is_wanted(again));
    assert!(machine.etc("artifacts/manifest.json").unwrap().contains(again));
    let unit = machine.unit(again).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let script = std::fs::read_to_string(start.trim()).unwrap_or_else(|_| unit.to_owned());
    assert!(script.contains("decrypt\nown\n") && !script.contains("not this"), "{script}");
}

#[test]
fn odd_names_are_one_argument_and_one_line() {
    let settings = r#"artifacts.store."-x" = { files.f = { }; }; artifacts.store."50%\\" = { files.f = { }; };"#;
    let machine = evaluate(&[("m", &module("", settings))]).unwrap().remove(0);
    let dashed = machine.unit(r"artifact-\x2dx.service").unwrap();
    assert!(dashed.contains(r#""check" "--deploy" "--" "-x""#), "{dashed}");
    let odd = machine.unit(r"artifact-50\x25\x5c.service").unwrap();
    assert!(odd.contains("Description=Artifact 50%%\\\\\n"), "{odd}");
}

#[test]
fn the_program_on_the_target_has_no_wasmtime() {
    let of = |package: &str| {
        let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        tree.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", package]);
        let output = tree.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(of("artifacts").contains("wasmtime v"));
    assert!(!of("artifacts-on-target").contains("wasmtime"));
}

#[test]
fn without_artifacts_there_are_no_units() {
    let machine = evaluate(&[("m", "[ { artifacts.targetPackage = \"/p\"; } ]")]).unwrap().remove(0);
    let units = machine.units();
    assert!(units.iter().all(|unit| !unit.starts_with("artifact")), "{units:?}");
}

/// Every byte that UTF-8 has, each as the first and as a later one.
fn names() -> Vec<String> {
    let mut names: Vec<String> = (0x20..0x7f).map(|code: u32| char::from_u32(code).unwrap().to_string()).collect();
    names.extend(
        (0x80..0x800).step_by(37).chain((0x800..0xd800).step_by(997)).filter_map(char::from_u32).map(String::from),
    );
    names.extend((0xc0..=0x7ff).step_by(0x40).filter_map(char::from_u32).map(String::from));
    names.extend((0x800..=0xffff).step_by(0x1000 - 0x3f).filter_map(char::from_u32).map(String::from));
    names.extend(
        ["\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{40000}", "\u{80000}", "\u{fffff}", "\u{10ffff}"]
            .map(String::from),
    );
    names.extend([".a", "..a", "a.b", "a-b", "a b", "alice@laptop", "a\\x2db", "…/…"].map(String::from));
    names.retain(|name| name != "." && name != "/");
    names
}

#[test]
fn names_are_escaped_as_systemd_escapes_them() {
    let names = names();
    let expected = Command::new("systemd-escape").arg("--").args(&names).output().unwrap();
    assert!(expected.status.success());
    let expected = String::from_utf8(expected.stdout).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("names.json"), serde_json::to_string(&names).unwrap()).unwrap();
    let inputs = Inputs::new().unwrap();
    let expression = format!(
        "map (import {escape} {{ lib = import {lib}; }}).name (builtins.fromJSON (builtins.readFile {names}))",
        escape = inputs.path("artifacts").join("nix/modules/units/escape.nix").display(),
        lib = inputs.path("nixpkgs").join("lib").display(),
        names = dir.path().join("names.json").display()
    );
    let found = nix::nix(dir.path(), &["eval", "--impure", "--json", "--expr", &expression]).unwrap();
    let found: Vec<String> = serde_json::from_str(&found).unwrap();
    // It separates what it prints with blanks, which no escaped name has.
    let expected: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(found, expected);
}
