//! This project's own flake, with stand-ins for its inputs: what it exports evaluates. Nothing is built here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use crate::common::{Bench, machine, name};
use artifacts_tests::nix::{Inputs, nix};
use serde_json::{Value, json};

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The arguments that put the stand-ins in place of what a flake is locked to.
fn replaced(inputs: &[&str]) -> Vec<String> {
    let stubs = Inputs::new().unwrap();
    let mut arguments = vec!["--no-write-lock-file".to_owned()];
    for input in inputs {
        arguments.extend(["--override-input".to_owned(), (*input).to_owned()]);
        arguments.push(format!("path:{}", stubs.path(input.rsplit('/').next().unwrap()).display()));
    }
    arguments
}

/// Runs a command of Nix on a flake with the stand-ins in place.
fn run(dir: &Path, command: &[&str], inputs: &[&str]) -> anyhow::Result<String> {
    let command = command.iter().map(|word| (*word).to_owned());
    nix(dir, &command.chain(replaced(inputs)).collect::<Vec<_>>())
}

/// Evaluates an attribute.
fn eval(dir: &Path, inputs: &[&str], attribute: &str, function: &str) -> Value {
    let attribute = format!(".#{attribute}");
    let text = run(dir, &["eval", "--json", &attribute, "--apply", function], inputs).unwrap();
    serde_json::from_str(&text).unwrap()
}

const INPUTS: [&str; 2] = ["nixpkgs", "rust-overlay"];

fn own(attribute: &str, function: &str) -> Value {
    eval(&Path::new(TOP).canonicalize().unwrap(), &INPUTS, attribute, function)
}

#[test]
fn nix_finds_every_output_to_be_what_it_should() {
    run(&Path::new(TOP).canonicalize().unwrap(), &["flake", "check", "--no-build"], &INPUTS).unwrap();
}

#[test]
fn the_check_of_the_reference_tells_an_old_one() {
    let copy = tempfile::tempdir().unwrap();
    let top = Inputs::new().unwrap().path("artifacts");
    assert!(std::process::Command::new("cp").arg("-r").arg(top).arg(copy.path()).status().unwrap().success());
    let dir = copy.path().join("artifacts");
    let check = || run(&dir, &["build", "--no-link", ".#checks.x86_64-linux.options-reference"], &INPUTS);
    check().unwrap();
    let page = dir.join("nix/OPTIONS.md");
    fs::write(&page, fs::read_to_string(&page).unwrap().replace("artifacts.root", "artifacts.roof")).unwrap();
    let error = check().unwrap_err().to_string();
    assert!(error.contains("options-reference-is-current"), "{error}");
}

#[test]
fn what_the_page_names_is_there() {
    let page = fs::read_to_string(Path::new(TOP).join("docs/install.md")).unwrap();
    let section = page.split("\n## The flake\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let outputs = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let mut named: Vec<String> = Vec::new();
    for output in outputs {
        let words: Vec<&str> = output.split('`').step_by(2).collect();
        let (set, _) = words[0].rsplit_once('.').unwrap();
        let whole = |word: &&str| if word.contains('.') { (*word).to_owned() } else { format!("{set}.{word}") };
        named.extend(words.iter().map(whole));
    }
    assert_eq!(named.len(), 19, "{named:?}");
    for attribute in named {
        assert_eq!(own(&attribute.replace("<system>", "x86_64-linux"), "_: true"), true, "{attribute}");
    }
}

// Below, `deepSeq` shows that whatever a builder is given has a value.

#[test]
fn packages() {
    let names = "builtins.mapAttrs (_: p: builtins.deepSeq (p.arguments or null) p.name)";
    let expected = json!({
        "default": "artifacts", "artifacts": "artifacts", "artifacts-target": "artifacts-target",
        "backend-agenix": "artifacts-backend-agenix", "backend-dummy": "artifacts-backend-dummy",
        "backend-sops-nix": "artifacts-backend-sops-nix", "options-reference": "OPTIONS.md",
    });
    for system in ["x86_64-linux", "aarch64-linux"] {
        assert_eq!(own(&format!("packages.{system}"), names), expected);
    }
    // The program is built with the components inside, each from its own build.
    let plugins = own("packages.x86_64-linux.artifacts", "p: p.arguments.env.ARTIFACTS_PLUGINS");
    assert!(plugins.as_str().unwrap().ends_with("-artifacts-backends-0.1.0"), "{plugins}");
    let build = own("packages.x86_64-linux.backend-sops-nix", "p: p.arguments.buildPhase + p.arguments.installPhase");
    let build = build.as_str().unwrap();
    assert!(build.contains("--target wasm32-wasip2 --package sops-nix") && build.contains("sops_nix.wasm"), "{build}");
}

#[test]
fn what_a_package_is() {
    let meta = "builtins.mapAttrs (_: p: builtins.removeAttrs p.arguments.meta [ \"description\" ])";
    let described = "builtins.mapAttrs (_: p: p.arguments.meta.description)";
    let packages = |function: &str| {
        own("packages.x86_64-linux", &format!("p: ({function}) (builtins.removeAttrs p [ \"options-reference\" ])"))
    };
    for (name, text) in packages(described).as_object().unwrap() {
        assert!(text.as_str().is_some_and(|text| !text.is_empty() && !text.ends_with('.')), "{name}: {text}");
    }
    for (name, meta) in packages(meta).as_object().unwrap() {
        let licences: Vec<&Value> = meta["license"].as_array().unwrap().iter().map(|one| &one["spdxId"]).collect();
        assert_eq!(licences, ["MIT", "Apache-2.0"], "{name}");
        assert!(meta["platforms"].as_array().unwrap().contains(&json!("aarch64-linux")), "{name}");
        let program = if name == "artifacts-target" { json!(name) } else { json!("artifacts") };
        let expected = if name.starts_with("backend-") { &Value::Null } else { &program };
        assert_eq!(&meta["mainProgram"], expected, "{name}");
    }
}

#[test]
fn sources_are_what_is_built_and_no_more() {
    let source = |package: &str| {
        let source = own(&format!("packages.x86_64-linux.{package}"), "p: \"${p.arguments.src}\"");
        std::path::PathBuf::from(source.as_str().unwrap())
    };
    let (programs, backends) = (source("artifacts"), source("backend-agenix"));
    assert_eq!(
        names(&programs),
        [".cargo", "Cargo.lock", "Cargo.toml", "host", "nix", "plugins", "tests", "wit", "xtask"]
    );
    assert_eq!(names(&programs.join("tests")), ["Cargo.toml", "src"]);
    assert_eq!(names(&programs.join("nix")), ["lib"]);
    assert_eq!(names(&programs.join("plugins")), ["bundled.json"]);
    assert_eq!(names(&programs.join("xtask/src")), ["lib.rs", "main.rs"]);
    assert_eq!(names(&backends), ["plugins", "tests", "wit"]);
    for (dir, of) in [(programs.join("host"), "host"), (backends.join("plugins"), "plugins")] {
        for part in names(&dir) {
            let tests = Path::new(TOP).join(of).join(&part).join("tests");
            assert!(!dir.join(&part).join("tests").exists(), "{}", tests.display());
        }
    }
    // All that the lock file tells of is there.
    let own = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    for (workspace, platform) in [(programs, own.as_str()), (backends.join("plugins"), "wasm32-wasip2")] {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = std::process::Command::new(cargo);
        command.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
        command.args(["--filter-platform", platform]).current_dir(&workspace);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {}", workspace.display(), String::from_utf8_lossy(&output.stderr));
    }
}

/// What is in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_overlay_builds_of_the_packages_that_it_lies_over() {
    let bench = Bench::new();
    bench.flake(
        r#"scripts = let
          other = _: _: { bubblewrap = "/another"; };
          ours = inputs.artifacts.overlays.default;
          of = first: second:
            ((nixpkgs.legacyPackages.x86_64-linux.extend first).extend second).artifacts.arguments.postInstall;
        in { after = of ours other; before = of other ours; };"#,
    );
    for place in ["before", "after"] {
        let script = bench.eval(&format!("scripts.{place}"));
        assert!(script.contains("/another/bin"), "{place}: {script}");
    }
}

#[test]
fn the_rest_of_it() {
    let derivations = "builtins.mapAttrs (_: p: builtins.deepSeq (p.arguments or null) p.type)";
    let kinds = own("checks.x86_64-linux", derivations);
    let expected =
        ["artifacts", "artifacts-target", "boot", "format", "options-reference"].map(|name| (name, "derivation"));
    assert_eq!(kinds, json!(std::collections::BTreeMap::from(expected)));
    assert_eq!(own("devShells.x86_64-linux", derivations), json!({ "default": "derivation" }));
    for system in ["x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"] {
        assert_eq!(own(&format!("formatter.{system}"), "p: p.name"), "nixfmt-tree");
    }
    let templates = own("templates", "builtins.mapAttrs (_: t: builtins.pathExists (t.path + \"/flake.nix\"))");
    assert_eq!(templates, json!({ "default": true, "backend": true }));
    for modules in ["nixosModules", "homeModules", "darwinModules"] {
        assert_eq!(own(modules, "builtins.attrNames"), json!(["agenix", "default", "sops-nix"]));
    }
}

#[test]
fn the_lock_file_fits_the_inputs() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["flake.nix", "flake.lock"] {
        fs::copy(Path::new(TOP).join(file), dir.path().join(file)).unwrap();
    }
    // Only what does not fit would need the network: with all inputs replaced but one, that one's lock is read as it is.
    let lock: Value = serde_json::from_str(&fs::read_to_string(dir.path().join("flake.lock")).unwrap()).unwrap();
    let arguments = ["flake", "metadata", "--json", "--no-update-lock-file"];
    let metadata: Value = serde_json::from_str(&nix(dir.path(), &arguments).unwrap()).unwrap();
    assert_eq!(metadata["locks"], lock);
}

#[test]
fn the_whole_spec_as_an_output() {
    let bench = Bench::new();
    let config = "{ artifacts.store.a.files.f = { }; }";
    let vault = r#"(inputs.artifacts.lib.registerBackend "vault" { component = "/v.wasm"; storage = "v"; })"#;
    bench.flake(&format!(
        "artifacts = inputs.artifacts.lib.mkArtifacts {{ inherit (inputs) self; system = \"x86_64-linux\"; }}; {} {}",
        machine("one", &format!("{config} {vault}")),
        machine("two", config)
    ));
    let whole = artifacts_declared::parse(&bench.eval_json("artifacts", "x: x").to_string()).unwrap();
    assert_eq!(whole, bench.evaluate().spec);
    assert_eq!(whole.backends[&name("vault")].storage, "v");
    assert_eq!(whole.targets.len(), 2);

    bench.write("sub/x", "");
    bench.flake(&format!(
        "artifacts = inputs.artifacts.lib.mkArtifacts {{ inherit (inputs) self; }}; {} {}",
        machine("one", config),
        machine("two", &format!("{config} {{ artifacts.root = ./sub; }}"))
    ));
    let error = bench.try_eval("artifacts.root").unwrap_err().to_string();
    assert!(error.contains("nixos `one` and nixos `two` disagree on artifacts.root"), "{error}");
}

#[test]
fn the_template_of_a_backend() {
    let dir = tempfile::tempdir().unwrap();
    let template = Path::new(TOP).join("nix/templates/backend");
    fs::copy(template.join("flake.nix"), dir.path().join("flake.nix")).unwrap();
    let inputs = ["nixpkgs", "rust-overlay", "artifacts"];
    let module = eval(dir.path(), &inputs, "nixosModules.default", "m: builtins.attrNames m.artifacts.backends");
    assert_eq!(module, json!(["mine"]));
    for (output, name) in [("packages", "artifacts-backend-mine"), ("devShells", "mkShell")] {
        let output = format!("{output}.x86_64-linux.default");
        assert_eq!(eval(dir.path(), &inputs, &output, "p: builtins.deepSeq p.arguments p.name"), name);
    }
    for file in ["Cargo.toml", "manifest.json", "src/lib.rs"] {
        assert!(template.join(file).exists());
    }
}

#[test]
fn the_reference_of_options_is_current() {
    let bench = Bench::new();
    bench.flake(r#"reference = import (inputs.artifacts + "/nix/reference.nix") { inherit (nixpkgs) lib; };"#);
    let made = bench.eval("reference");
    let file = Path::new(TOP).join("nix/OPTIONS.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "nix/OPTIONS.md is not what the modules say; run this test with UPDATE_REFERENCE=1");
    for option in
        ["artifacts.store.<name>.files.<name>.path", "artifacts.config.agenix.publicHostKey", "artifacts.root"]
    {
        assert!(made.contains(&format!("## `{option}`\n")), "{option}");
    }
    for entry in made.split("\n## ").skip(1).filter(|entry| !entry.contains("\n- read-only")) {
        let name = entry.lines().next().unwrap();
        assert!(entry.contains("\n- example"), "{name} has no example");
    }
    for internal in ["rendering", "_module", "problems", "installers"] {
        assert!(!made.contains(internal), "{internal}");
    }
}

#[test]
fn the_sdk_has_the_contract_when_its_directory_is_copied_alone() {
    // As nixpkgs' importCargoLock copies a crate that comes from git.
    let dir = tempfile::tempdir().unwrap();
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/sdk");
    let copied = std::process::Command::new("cp").args(["-prL", sdk]).arg(dir.path()).status().unwrap();
    assert!(copied.success());
    let sdk = dir.path().join("sdk");
    let bindings = std::fs::read_to_string(sdk.join("src/bindings.rs")).unwrap();
    let paths: Vec<&str> = bindings.split("path: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(paths.len(), 2, "{bindings}");
    for path in paths {
        assert!(!path.contains("..") && std::fs::read_dir(sdk.join(path)).unwrap().next().is_some(), "{path}");
    }
}
