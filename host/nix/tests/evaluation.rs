//! Flakes are evaluated by a real Nix with nixpkgs' real `lib`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::common;
use std::path::Path;

use crate::common::{Bench, machine, name};
use artifacts_declared::{ComponentSource, Seconds, TargetKind};
use artifacts_nix::Error;
use artifacts_tests::nix::git;
use artifacts_text::Explain;

/// Both declarations of nixos-artifacts' announcement, to the letter.
const ANNOUNCEMENT: &str = r#"
  ({ pkgs, config, ... }: {
    artifacts.store.test = { files.secret = { }; prompts.test.description = "test input";
      generator = pkgs.writers.writeBash "test" ''cat $prompts/test > $out/secret''; };
    artifacts.store.attic = { files.env = { owner = "atticd"; group = "atticd"; path = "/var/lib/attic/secrets/env"; };
      generator = pkgs.writers.writeBash "generate-attic" ''
        cat >"$out/env" <<EOF
        ATTIC_SERVER_TOKEN_RS256_SECRET_BASE64=$(${pkgs.openssl}/bin/openssl genrsa -traditional 4096 | base64 -w0)
        EOF ''; };
    services.atticd.environmentFile = config.artifacts.store.attic.files.env.path;
    artifacts.default.backend = "agenix"; artifacts.store.attic.backend = "sops-nix";
  })
"#;

/// An error and what to do about it.
fn said(error: &Error) -> String {
    format!("{error}\n{}", error.hint().unwrap_or_default())
}

#[test]
fn the_announcement_evaluates_unchanged() {
    let bench = Bench::new();
    bench.flake(&machine("web1", ANNOUNCEMENT));
    let spec = bench.evaluate().spec;
    let [target] = spec.targets.as_slice() else { panic!("{spec:?}") };
    assert_eq!((target.kind, target.name.as_str()), (TargetKind::Nixos, "web1"));
    assert_eq!(target.system.as_deref(), Some("x86_64-linux"));
    assert_eq!(spec.root.as_deref(), Some(bench.source().as_path()));

    let test = &target.artifacts[&name("test")];
    assert_eq!(test.backend, Some(name("agenix")));
    assert_eq!(test.prompts[&name("test")].description.as_deref(), Some("test input"));
    let secret = &test.files[&name("secret")];
    assert_eq!(secret.path.as_deref(), Some("/run/artifacts/test/secret"));
    assert_eq!((secret.mode.as_deref(), secret.owner.as_deref()), (Some("0400"), Some("root")));
    assert!(secret.secret && secret.deploy);

    let attic = &target.artifacts[&name("attic")];
    assert_eq!(attic.backend, Some(name("sops-nix")), "the artifact's own backend wins over the default");
    let env = &attic.files[&name("env")];
    assert_eq!(env.path.as_deref(), Some("/var/lib/attic/secrets/env"));
    assert_eq!((env.owner.as_deref(), env.group.as_deref()), (Some("atticd"), Some("atticd")));
    let path = bench.eval("nixosConfigurations.web1.config.services.atticd.environmentFile");
    assert_eq!(path, "/var/lib/attic/secrets/env");
}

#[test]
fn a_generator_is_realised_only_when_asked() {
    let bench = Bench::new();
    // The text is new in each run, so that no earlier run has built it.
    let text = format!("echo {} > $out/f", bench.dir().display());
    let config = format!(
        r#"({{ pkgs, ... }}: {{ artifacts.store.a = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "gen" ''{text}''; }}; }})"#
    );
    bench.flake(&machine("web1", &config));
    let spec = bench.evaluate().spec;
    let generator = spec.targets[0].artifacts[&name("a")].generator.clone().unwrap();
    assert!(!generator.path.exists(), "evaluation builds nothing");
    let drv = generator.drv.unwrap();
    let nix = bench.nix();
    nix.realise(&drv).unwrap();
    assert!(generator.path.exists());
    let closure = nix.closure(&generator.path).unwrap();
    assert!(closure.contains(&generator.path));
    assert!(
        closure.iter().any(|path| path.to_string_lossy().ends_with("-gen-script")),
        "what it links to: {closure:?}"
    );
    assert!(closure.iter().any(|path| path.to_string_lossy().ends_with("-bash")), "its interpreter: {closure:?}");
    assert!(generator.path.starts_with(nix.store_dir().unwrap()));
}

#[test]
fn a_build_that_fails_gives_its_own_message() {
    let bench = Bench::new();
    let config = r#"({ pkgs, ... }: { artifacts.store.a = { files.f = { }; generator = derivation {
        name = "bad"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo no such luck; exit 3" ]; }; }; })"#;
    bench.flake(&machine("web1", config));
    let spec = bench.evaluate().spec;
    let drv = spec.targets[0].artifacts[&name("a")].generator.clone().unwrap().drv.unwrap();
    let error = bench.nix().realise(&drv).unwrap_err().to_string();
    assert!(error.contains("exit code 3"), "{error}");
}

#[test]
fn generators_that_are_no_derivation() {
    let bench = Bench::new();
    let gen_file = bench.dir().join("my gen.sh");
    std::fs::write(&gen_file, "#!/bin/sh\necho x > $out/f\n").unwrap();
    common::make_executable(&gen_file);
    let config = r##"
      ({ pkgs, ... }: { artifacts.store = {
        file = { files.f = { }; generator = ./. + "/my gen.sh"; };
        text = { files.f = { }; generator = builtins.toFile "gen" "#!/bin/sh\n"; };
        inside = { files.f = { }; generator = "${pkgs.writers.writeBashBin "g" "true"}/bin/g"; };
        outside = { files.f = { }; generator = "/usr/local/bin/generate it"; };
        none = { files.f = { }; };
      }; })"##;
    bench.flake(&machine("web1", config));
    let artifacts = bench.evaluate().spec.targets.remove(0).artifacts;
    let generator = |artifact: &str| artifacts[&name(artifact)].generator.clone();

    let file = generator("file").unwrap();
    assert_eq!(file.drv, None);
    assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "#!/bin/sh\necho x > $out/f\n");
    assert!(common::is_executable(&file.path), "it can be run");
    assert_eq!(
        bench.nix().closure(&file.path).unwrap(),
        std::slice::from_ref(&file.path),
        "it brings nothing of the flake along"
    );
    assert!(!file.path.starts_with(bench.source()));

    let text = generator("text").unwrap();
    assert_eq!((text.drv, std::fs::read_to_string(text.path).unwrap().as_str()), (None, "#!/bin/sh\n"));

    let inside = generator("inside").unwrap();
    assert!(inside.path.ends_with("bin/g") && inside.drv.is_some(), "{inside:?}");

    let outside = generator("outside").unwrap();
    assert_eq!((outside.path.as_path(), outside.drv), (Path::new("/usr/local/bin/generate it"), None));
    assert_eq!(generator("none"), None);
}

#[test]
fn generators_are_for_the_admins_system() {
    let bench = Bench::new();
    let config = r#"({ pkgs, ... }: { artifacts.store.a = { files.f = { }; generator = pkgs.writers.writeBash "g" "true"; }; })"#;
    bench.flake(&format!(
        "{} {}",
        machine("here", config),
        machine("there", &format!(r#"{{ nixpkgs.hostPlatform = "aarch64-linux"; }} {config}"#))
    ));
    let spec = bench.evaluate().spec;
    let [here, there] = spec.targets.as_slice() else { panic!("{spec:?}") };
    assert_eq!(there.system.as_deref(), Some("aarch64-linux"), "the target stays what it is");
    assert_eq!(here.artifacts[&name("a")].generator, there.artifacts[&name("a")].generator);
    assert_eq!(here.artifacts[&name("a")].generator.as_ref().unwrap().system.as_deref(), Some("x86_64-linux"));
}

#[test]
fn users_standalone_and_inside_a_machine() {
    let bench = Bench::new();
    let home = r#"({ pkgs, ... }: { artifacts.store.ssh = { files.key = { }; generator = pkgs.writers.writeBash "g" "true"; }; })"#;
    bench.flake(&format!(
        r#"
        nixosConfigurations.laptop = nixpkgs.lib.nixosSystem {{ system = "x86_64-linux"; modules = [
          inputs.artifacts.nixosModules.default inputs.home-manager.nixosModules.home-manager
          {{ networking.hostName = "laptop"; artifacts.root = ./.; artifacts.default.backend = "agenix";
            home-manager.sharedModules = [ inputs.artifacts.homeModules.default ];
            home-manager.users.alice = {home}; }} ]; }};
        homeConfigurations."alice@desk" = inputs.home-manager.lib.homeManagerConfiguration {{
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default {home}
            {{ home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.target = "alice@desk";
              artifacts.root = ./.; artifacts.default.backend = "agenix"; }} ]; }};"#
    ));
    let spec = bench.evaluate().spec;
    let found: Vec<_> = spec.targets.iter().map(|target| (target.kind, target.name.as_str())).collect();
    let home = TargetKind::HomeManager;
    assert_eq!(found, [(TargetKind::Nixos, "laptop"), (home, "alice@desk"), (home, "alice@laptop")]);
    for user in &spec.targets[1..] {
        let key = &user.artifacts[&name("ssh")].files[&name("key")];
        assert_eq!(key.path.as_deref(), Some("/home/alice/.local/state/artifacts/ssh/key"));
        assert_eq!((&key.owner, &key.group), (&None, &None), "Home Manager cannot give files away");
        assert_eq!(user.artifacts[&name("ssh")].backend, Some(name("agenix")), "the machine's default holds inside it");
    }
}

#[test]
fn users_inside_a_machine_that_has_no_artifacts_itself() {
    let bench = Bench::new();
    let machine = |name: &str, system: &str| {
        format!(
            r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [ inputs.home-manager.nixosModules.home-manager
              {{ networking.hostName = "{name}"; nixpkgs.hostPlatform = nixpkgs.lib.mkDefault "{system}";
                home-manager.users.bob = {{ pkgs, ... }}: {{
                imports = [ inputs.artifacts.homeModules.default ]; artifacts.root = ./.; artifacts.default.backend = "agenix";
                artifacts.store.ssh = {{ files.key = {{ }}; generator = pkgs.writers.writeBash "g" "true"; }}; }}; }} ]; }};"#
        )
    };
    bench.flake(&(machine("here", "x86_64-linux") + &machine("pi", "aarch64-linux")));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
    let found: Vec<_> = evaluation.spec.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(found, ["bob@here", "bob@pi"]);
    for target in &evaluation.spec.targets {
        let generator = target.artifacts[&name("ssh")].generator.as_ref().unwrap();
        assert_eq!(generator.system.as_deref(), Some("x86_64-linux"), "the generator is for the admin's system");
    }
}

#[test]
fn a_user_inside_a_machine_that_does_not_evaluate_stops_no_other() {
    let bench = Bench::new();
    let store = "artifacts.store.a = { files.f = { }; };";
    let users = [
        ("alice", "{ artifacts.root = nixpkgs.lib.mkForce (throw \"no root today\"); }".to_owned()),
        ("bob", "({ config, ... }: { artifacts.store.a.files.f.path = config.no.such.option; })".to_owned()),
        ("carol", format!("{{ {store} }}")),
        ("dave", "{ imports = [ inputs.none ]; }".to_owned()),
        ("eve", "{ artifacts.store.\"../up\".files.f = { }; }".to_owned()),
        ("fred", format!("{{ artifacts.target = \"x\"; {store} artifacts.store.a.files.p.secret = false; }}")),
        ("gina", format!("{{ artifacts.store.b = {{ files.f = {{ }}; backend = throw \"no backend\"; }}; {store} }}")),
    ];
    let users = users.map(|(name, config)| format!("home-manager.users.{name} = {config};")).concat();
    bench.flake(&machine(
        "m",
        &format!(
            "inputs.home-manager.nixosModules.home-manager
             {{ home-manager.sharedModules = [ inputs.artifacts.homeModules.default ]; {users} {store} }}"
        ),
    ));
    let evaluation = bench.evaluate();
    let found: Vec<&str> = evaluation.spec.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(found, ["m", "carol@m", "gina@m"]);
    let failures: Vec<_> =
        evaluation.failures.iter().map(|one| (one.kind, one.name.as_str(), said(&one.error))).collect();
    for ((kind, name, error), (expected, text)) in failures.iter().zip([
        ("alice@m", "no root today"),
        ("bob@m", "attribute 'no' missing"),
        ("dave@m", "attribute 'none' missing"),
        ("eve@m", "slash"),
        ("fred@m", "artifacts.target = \"fred@m\";"),
    ]) {
        assert_eq!((*kind, *name), (TargetKind::HomeManager, expected));
        assert!(error.contains(text), "{name}: {error}");
    }
    assert_eq!(failures.len(), 5, "{failures:?}");
    // What blocks one user's artifact is reported though others do not evaluate.
    let flake = bench.flake_ref();
    let gina = &evaluation.spec.targets[2];
    assert!(gina.artifacts[&name("b")].blocked && !gina.artifacts[&name("a")].blocked);
    let why = flake.why_blocked(&flake.targets()[0], gina, "b").unwrap();
    assert!(why.contains("no backend"), "{why}");
}

#[test]
fn faults_that_fail_for_good_cost_no_declaration() {
    let bench = Bench::new();
    // Whether a unit is defined is asked of the whole system, which here has one fault that nothing catches.
    let units = r#"({ lib, ... }: { options.systemd = lib.genAttrs [ "services" "sockets" "targets" "timers" "paths" "slices" ]
        (_: lib.mkOption { type = lib.types.attrsOf lib.types.raw; default = { }; });
        options.environment.etc = lib.mkOption { }; })"#;
    let broken = "({ config, ... }: { systemd.services = config.no.such.option; artifacts.store.a = { files.f = { }; bindUnits = [ \"x.service\" ]; }; })";
    bench.flake(&machine("m", &format!("{units} {broken}")));
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.failures.len(), evaluation.spec.targets.len()), (0, 1), "{:?}", evaluation.failures);
    let [problem] = evaluation.problems.as_slice() else { panic!("{:?}", evaluation.problems) };
    assert!(problem.message.contains("attribute 'no' missing") && !problem.warning, "{problem:?}");
}

#[test]
fn a_mac() {
    let bench = Bench::new();
    let mac = machine("mac", "{ nixpkgs.hostPlatform = \"aarch64-darwin\"; artifacts.store.a.files.f = { }; }")
        .replace("nixosConfigurations", "darwinConfigurations")
        .replace("nixosModules", "darwinModules");
    bench.flake(&mac);
    let spec = bench.evaluate().spec;
    let target = &spec.targets[0];
    assert_eq!((target.kind, target.system.as_deref()), (TargetKind::Darwin, Some("aarch64-darwin")));
    assert_eq!(target.artifacts[&name("a")].files[&name("f")].group.as_deref(), Some("wheel"));
}

#[test]
fn declarations_inside_a_machine_agree_on_the_users_system() {
    let bench = Bench::new();
    let user = r#"({ pkgs, ... }: { artifacts.store.k = { files.f = { }; generator = pkgs.writers.writeBash "g" "true"; }; })"#;
    bench.flake(&machine(
        "pi",
        &format!(
            r#"inputs.home-manager.nixosModules.home-manager {{ nixpkgs.hostPlatform = "aarch64-linux";
            home-manager.sharedModules = [ inputs.artifacts.homeModules.default ]; home-manager.users.bob = {user}; }}"#
        ),
    ));
    let spec = bench.evaluate().spec;
    let bob = &spec.targets[1];
    assert_eq!((bob.name.as_str(), bob.system.as_deref()), ("bob@pi", Some("aarch64-linux")));
    let generator = bob.artifacts[&name("k")].generator.as_ref().unwrap();
    assert_eq!(generator.system.as_deref(), Some("x86_64-linux"), "the generator is for the admin's system");
}

#[test]
fn shared_artifacts_and_all_fields() {
    let bench = Bench::new();
    let config = r#"
      ({ pkgs, ... }: { artifacts.store."with blank.and@dot" = {
        description = "d"; shared = true; dependencies = [ "other" ]; validation = { a = [ 1 null "x" ]; };
        maxAge = "90d"; timeout = 30; network = true; bindUnits = [ "a.service" ];
        files.cert = { secret = false; mode = "0444"; neededFor = "users"; restartUnits = [ "a.service" ]; };
        files.key.deploy = false;
        prompts.p = { type = "multiline-hidden"; testValue = "t"; };
        generator = pkgs.writers.writeBash "g" "true"; }; 
        artifacts.backends.vault = { component = ./vault.wasm; grants.plaintext = true; storage = "vaulted"; };
        artifacts.backends.built.component = pkgs.writeText "built.wasm" "x";
        artifacts.backends.agenix.sha256 = null;
        artifacts.config.vault = { url = "https://vault"; file = ./vault.wasm; }; })"#;
    std::fs::write(bench.dir().join("vault.wasm"), "\0asm").unwrap();
    bench.flake(&machine("web1", config));
    let spec = bench.evaluate().spec;
    let target = &spec.targets[0];
    let artifact = &target.artifacts[&name("with blank.and@dot")];
    assert!(artifact.shared && artifact.network && !artifact.blocked);
    assert_eq!(artifact.description.as_deref(), Some("d"));
    assert_eq!(artifact.dependencies.iter().collect::<Vec<_>>(), [("other", "other")]);
    assert_eq!(artifact.validation, serde_json::json!({ "a": [1, null, "x"] }));
    assert_eq!((artifact.max_age, artifact.timeout), (Some(Seconds(90 * 24 * 60 * 60)), Some(Seconds(30))));
    assert!(!artifact.files[&name("cert")].secret && !artifact.files[&name("key")].deploy);
    assert_eq!(artifact.files[&name("cert")].path, None, "a public file that is not there yet blocks nothing");
    assert_eq!(artifact.prompts[&name("p")].test_value.as_deref(), Some("t"));

    let ComponentSource::Plain(vault) = &spec.backends[&name("vault")].component else { panic!("{spec:?}") };
    assert_eq!(std::fs::read(vault).unwrap(), b"\0asm");
    assert_eq!(spec.backends[&name("vault")].storage, "vaulted");
    assert!(matches!(spec.backends[&name("built")].component, ComponentSource::Derived { .. }));
    assert_eq!(spec.backends[&name("agenix")].component, ComponentSource::Plain("builtin:agenix".to_owned()));
    assert_eq!(target.config["vault"]["url"], "https://vault");
    let file = target.config["vault"]["file"].as_str().unwrap();
    assert!(file.starts_with(bench.source().to_str().unwrap()), "a path stays where it is: {file}");
}

#[test]
fn a_public_value_blocks_its_readers_until_it_is_there() {
    let bench = Bench::new();
    let config = r#"
      ({ config, pkgs, ... }: { artifacts.store = {
        pair = { files.pub.secret = false; files.key = { }; generator = pkgs.writers.writeBash "g" "true"; };
        reader = { shared = true; files.f = { }; generator = pkgs.writers.writeBash "g" "echo ${config.artifacts.store.pair.files.pub.value}"; };
        careful = { files.f = { }; validation = config.artifacts.store.pair.files.pub.exists; };
      }; })"#;
    bench.flake(&machine("web1", config));
    let before = bench.evaluate();
    let artifacts = &before.spec.targets[0].artifacts;
    assert!(!artifacts[&name("pair")].blocked && !artifacts[&name("careful")].blocked);
    assert_eq!(artifacts[&name("careful")].validation, false);
    let reader = &artifacts[&name("reader")];
    assert!(reader.blocked && reader.shared, "{reader:?}");
    assert_eq!(reader.backend, Some(name("agenix")));
    let flake = bench.flake_ref();
    let why = flake.why_blocked(&flake.targets()[0], &before.spec.targets[0], "reader").unwrap();
    assert!(
        why.contains(
            "per-machine/web1/pair: `pub` is not generated yet; run: artifacts generate per-machine/web1/pair"
        ),
        "{why}"
    );

    bench.write("secrets/per-machine/web1/pair/public/pub", "hello\n\n");
    let artifacts = bench.evaluate().spec.targets.remove(0).artifacts;
    assert!(!artifacts[&name("reader")].blocked);
    assert_eq!(artifacts[&name("careful")].validation, true);
    let value = bench.eval("nixosConfigurations.web1.config.artifacts.store.pair.files.pub.value");
    assert_eq!(value, "hello\n", "one final newline is dropped");
    let path = bench.eval("nixosConfigurations.web1.config.artifacts.store.pair.files.pub.path");
    assert!(path.ends_with("-pub") && !path.contains("-source"), "{path}");
}

#[test]
fn attribute_and_target_differ() {
    let bench = Bench::new();
    let plain = r#"({ pkgs, ... }: { networking.hostName = "nixos"; artifacts.store.a.files.f = { }; })"#;
    // Nothing reads a stored file: the attribute holds.
    bench.flake(&machine("web1", plain));
    assert_eq!(bench.evaluate().spec.targets[0].name, name("web1"));
    // agenix would look in another directory, and so would a public value.
    for reader in ["inputs.agenix.nixosModules.default", "{ artifacts.store.p.files.f.secret = false; }"] {
        bench.flake(&machine("web1", &format!("{plain} {reader}")));
        let evaluation = bench.evaluate();
        assert_eq!(evaluation.spec.targets, []);
        let error = said(&evaluation.failures[0].error);
        assert!(error.contains("artifacts.target = \"web1\";"), "{error}");
        bench.flake(&machine("web1", &format!("{plain} {reader} {{ artifacts.target = \"web1\"; }}")));
        assert_eq!(bench.evaluate().failures.len(), 0);
    }
    // Shared artifacts have no target in their path.
    let shared = "inputs.agenix.nixosModules.default { artifacts.store.a.shared = true; artifacts.store.a.files.p.secret = false; }";
    bench.flake(&machine("web1", &format!("{plain} {shared}")));
    assert_eq!(bench.evaluate().failures.len(), 0);
}

#[test]
fn a_target_that_does_not_evaluate_stops_no_other() {
    let bench = Bench::new();
    bench.flake(&format!(
        "{} {} {} {}",
        machine("good", "{ artifacts.store.a.files.f = { }; }"),
        machine("missing", "({ config, ... }: { artifacts.store.a.files.f.path = config.no.such.option; })"),
        machine("throwing", r#"{ artifacts.root = throw "no root today"; }"#),
        machine("typo", "{ artifacts.store.a.file.f = { }; }"),
    ));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.spec.targets.len(), 1);
    let failures: Vec<_> = evaluation.failures.iter().map(|one| (one.name.as_str(), one.error.to_string())).collect();
    for ((target, error), (expected, text)) in failures.iter().zip([
        ("missing", "attribute 'no' missing"),
        ("throwing", "no root today"),
        ("typo", "artifacts.store.a.file"),
    ]) {
        assert_eq!(*target, expected);
        assert!(error.contains(&format!("nixosConfigurations.{target}")) && error.contains(text), "{error}");
        assert!(!error.contains("--show-trace"), "{error}");
    }
    assert_eq!(failures.len(), 3);
}

#[test]
fn a_name_that_could_leave_its_directory_refuses_the_target() {
    let bench = Bench::new();
    bench.flake(&machine("web1", r#"{ artifacts.store."../up".files.f = { }; }"#));
    let evaluation = bench.evaluate();
    let error = evaluation.failures[0].error.to_string();
    assert!(error.contains("../up") && error.contains("slash"), "{error}");
}

#[test]
fn odd_attributes_are_found() {
    let bench = Bench::new();
    let text = machine("placeholder", "{ artifacts.store.a.files.f = { }; }");
    bench.flake(&text.replace("nixosConfigurations.\"placeholder\"", r#"nixosConfigurations."we\"b \${x}.y""#));
    assert_eq!(bench.evaluate().spec.targets[0].name.as_str(), r#"we"b ${x}.y"#);
}

#[test]
fn flakes_without_artifacts() {
    let bench = Bench::new();
    bench.flake("packages = { };");
    let error = bench.nix().flake(&bench.reference()).unwrap_err();
    assert!(matches!(error, Error::NoTargets { .. }), "{error}");
    assert!(error.hint().is_some());

    bench.flake(r#"nixosConfigurations.plain = nixpkgs.lib.nixosSystem { system = "x86_64-linux"; modules = [ ]; };"#);
    let flake = bench.flake_ref();
    let error = flake.evaluate(flake.targets()).unwrap_err();
    assert!(matches!(error, Error::NoArtifacts { .. }), "{error}");
    assert!(error.to_string().contains("nixosConfigurations.plain"), "{error}");
    assert!(error.hint().unwrap().contains("nixosModules.default"));
}

#[test]
fn a_flake_that_is_broken_or_not_there() {
    let bench = Bench::new();
    std::fs::write(bench.dir().join("flake.nix"), "{ outputs = ").unwrap();
    let error = bench.nix().flake(&bench.reference()).unwrap_err().to_string();
    assert!(error.contains("syntax error"), "{error}");
    let error = bench.nix().flake("path:/no/such/directory").unwrap_err().to_string();
    assert!(error.contains("/no/such/directory"), "{error}");
    // Broken outputs are not mistaken for outputs that are not there.
    bench.flake("nixosConfigurations = throw \"broken outputs\";");
    let error = bench.nix().flake(&bench.reference()).unwrap_err().to_string();
    assert!(error.contains("broken outputs"), "{error}");
}

#[test]
fn targets_that_contradict_each_other() {
    let bench = Bench::new();
    std::fs::create_dir(bench.dir().join("sub")).unwrap();
    std::fs::write(bench.dir().join("sub/x"), "").unwrap();
    let two = |first: &str, second: &str| {
        bench.flake(&format!("{} {}", machine("one", first), machine("two", second)));
        let flake = bench.flake_ref();
        flake.evaluate(flake.targets()).map(|evaluation| evaluation.spec)
    };
    let error = two("{ }", "{ artifacts.root = nixpkgs.lib.mkForce ./sub; }").unwrap_err().to_string();
    assert!(error.contains("nixosConfigurations.one") && error.contains("nixosConfigurations.two"), "{error}");
    assert!(error.contains("artifacts.root") && error.contains("/sub`"), "{error}");

    let uses = r#"{ artifacts.store.a = { backend = "vault"; files.f = { }; }; }"#;
    let registers = r#"{ artifacts.backends.vault = { component = "/v.wasm"; storage = "v"; }; }"#;
    for second in [uses, r#"{ artifacts.backends.vault.component = "/other.wasm"; }"#] {
        let error = two(registers, second).unwrap_err().to_string();
        assert!(error.contains("artifacts.backends.vault") && error.contains("nixosConfigurations.two"), "{error}");
    }
    let spec = two(registers, "{ }").expect("who does not use a backend need not register it");
    assert_eq!(spec.backends.len(), 1);
}

#[test]
fn a_user_inside_a_machine_and_a_standalone_one_of_the_same_name() {
    let bench = Bench::new();
    bench.flake(
        r#"
        nixosConfigurations.laptop = nixpkgs.lib.nixosSystem { system = "x86_64-linux"; modules = [
          inputs.artifacts.nixosModules.default inputs.home-manager.nixosModules.home-manager
          { networking.hostName = "laptop"; artifacts.default.backend = "agenix";
            home-manager.sharedModules = [ inputs.artifacts.homeModules.default ]; home-manager.users.alice = { }; } ]; };
        homeConfigurations."alice@laptop" = inputs.home-manager.lib.homeManagerConfiguration {
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default
            { home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.default.backend = "agenix"; } ]; };"#,
    );
    let flake = bench.flake_ref();
    let error = flake.evaluate(flake.targets()).unwrap_err().to_string();
    assert!(error.contains("`alice@laptop`") && error.contains("nixosConfigurations.laptop"), "{error}");
}

#[test]
fn only_the_targets_that_are_asked_for_are_evaluated() {
    let bench = Bench::new();
    bench.flake(&format!(
        "{} {}",
        machine("good", "{ artifacts.store.a.files.f = { }; }"),
        machine("bad", "{ artifacts.root = throw \"bad\"; }")
    ));
    let flake = bench.flake_ref();
    let good: Vec<_> = flake.targets().iter().filter(|target| target.name == "good").cloned().collect();
    assert_eq!(flake.evaluate(&good).unwrap().failures.len(), 0);
}

#[test]
fn a_selector_names_the_targets_that_are_needed() {
    let bench = Bench::new();
    bench.flake(
        r#"nixosConfigurations = { web1 = { }; "b@c" = { }; }; darwinConfigurations.mac = { };
           homeConfigurations = { alice = { }; "alice@web1" = { }; };"#,
    );
    let flake = bench.flake_ref();
    let of = |selector: &str| {
        flake.targets_of(selector).map(|targets| targets.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(of("per-machine/web1").unwrap(), ["nixosConfigurations.web1"]);
    assert_eq!(of("per-machine/web1/a").unwrap(), ["nixosConfigurations.web1"]);
    assert_eq!(of("per-machine/mac/a").unwrap(), ["darwinConfigurations.mac"]);
    assert_eq!(of("per-user/alice/ssh").unwrap(), ["homeConfigurations.alice"]);
    let both = ["nixosConfigurations.web1", "homeConfigurations.alice@web1"];
    assert_eq!(of("per-user/alice@web1/ssh").unwrap(), both);
    assert_eq!(of("per-user/a@b@c/ssh").unwrap(), ["nixosConfigurations.b@c"]);
    assert_eq!(of("per-user/@web1/ssh").unwrap(), Vec::<String>::new());
    assert_eq!(of("per-machine/none").unwrap(), Vec::<String>::new());
    // Short forms, where a machine and a user may have one name.
    assert_eq!(of("web1/a").unwrap(), ["nixosConfigurations.web1"]);
    assert_eq!(of("web1/").unwrap(), ["nixosConfigurations.web1"]);
    assert_eq!(of("alice@web1/ssh").unwrap(), both);
    assert_eq!(of("none/a").unwrap(), Vec::<String>::new());
    for any in ["shared/ca", "shared", "attic", "web1", "per-machine/", "per-machine", "web?/a", "*/", "/", ""] {
        assert_eq!(of(any), None, "{any}");
    }
}

#[test]
fn another_input_in_place_of_the_locked_one() {
    let bench = Bench::new();
    bench.flake_with(
        "inputs.value.url = \"path:/nowhere\"; inputs.value.flake = false;",
        &machine("web1", "{ artifacts.store.a = { files.f = { }; description = builtins.readFile inputs.value; }; }"),
        false,
    );
    let value = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(value.path(), "replaced").unwrap();
    let mut bench = bench;
    bench.options.override_inputs = vec![("value".to_owned(), format!("path:{}", value.path().display()))];
    let spec = bench.evaluate().spec;
    assert_eq!(spec.targets[0].artifacts[&name("a")].description.as_deref(), Some("replaced"));
}

#[test]
fn the_lock_file_is_left_alone() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    std::fs::remove_file(bench.dir().join("flake.lock")).unwrap();
    assert_eq!(bench.evaluate().spec.targets.len(), 1);
    assert!(!bench.dir().join("flake.lock").exists());
}

#[test]
fn a_machine_without_artifacts_beside_one_with_them() {
    let bench = Bench::new();
    bench.flake(&format!(
        r#"{} nixosConfigurations.plain = nixpkgs.lib.nixosSystem {{ system = "x86_64-linux"; modules = [ ]; }};"#,
        machine("web1", "{ artifacts.store.a.files.f = { }; }")
    ));
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.spec.targets.len(), evaluation.failures.len()), (1, 0));
}

#[test]
fn traces_and_warnings_are_passed_on() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f.path = builtins.trace \"look here\" \"/x\"; }"));
    let messages = bench.evaluate().messages;
    assert!(messages.iter().any(|text| text.contains("look here") && text.contains("web1")), "{messages:?}");
}

#[test]
fn a_dirty_tree_is_evaluated_as_it_is() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.old.files.f = { }; }"));
    git(bench.dir(), &["init", "-q"]).unwrap();
    git(bench.dir(), &["add", "-A"]).unwrap();
    git(bench.dir(), &["commit", "-qm", "x"]).unwrap();
    bench.flake(&machine("web1", "{ artifacts.store.new.files.f = { }; }"));
    let flake = bench.flake_ref();
    // What happens after it was resolved does not matter.
    bench.flake(&machine("web1", "{ artifacts.store.later.files.f = { }; }"));
    let evaluation = flake.evaluate(flake.targets()).unwrap();
    assert!(evaluation.spec.targets[0].artifacts.contains_key(&name("new")), "{evaluation:?}");
    assert_eq!(flake.checkout(evaluation.spec.root.as_deref()).unwrap(), bench.dir());
}
