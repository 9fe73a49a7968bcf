//! The modules that the flake exports: each alone, and with the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::common::{Bench, machine, name};
use artifacts_declared::Seconds;
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
  artifacts.store.a = { backend = "agenix"; files.f = { }; }; artifacts.store.s = { backend = "sops-nix"; files.f = { }; };
  artifacts.store.d = { backend = "dummy"; files.f = { }; };"#;

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
        what_is_not_brought_is_told(&bench, modules);
    }
}

/// An artifact of a backend whose module is not imported would never come onto the target.
fn what_is_not_brought_is_told(bench: &Bench, modules: &str) {
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.spec.targets.len(), IMPORTS.len());
    let lacking = |artifact: &str, backend: &str| {
        format!(
            "artifacts.store.{artifact}.backend: no imported module deploys the files of `{backend}`; import artifacts.{modules}.{backend}"
        )
    };
    for (name, _, installed) in IMPORTS {
        let said = evaluation
            .problems
            .iter()
            .filter(|one| one.target.as_str() == name && one.message.contains("no imported module"));
        let said: Vec<&str> = said.map(|one| one.message.as_str()).collect();
        let expected = [("a", "agenix"), ("s", "sops-nix")].iter().filter(|(_, backend)| !installed.contains(backend));
        let expected: Vec<String> = expected.map(|(artifact, backend)| lacking(artifact, backend)).collect();
        assert_eq!(said, expected, "{name}");
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
    what_is_not_brought_is_told(&bench, "homeModules");
}

#[test]
fn grants_and_limits_are_typed_and_an_unknown_name_lists_the_known_ones() {
    let bench = Bench::new();
    let backend = |name: &str, entry: &str| {
        let module = format!("{{ artifacts.backends.mine = {{ component = \"/mine.wasm\"; {entry} }}; }}");
        machine(name, &module)
    };
    let wrong = [
        (
            "grant",
            "grants.network = true;",
            "grants.network' is not of type `a grant that exists: identities, plaintext'",
        ),
        ("kind", "grants.plaintext = \"yes\";", "grants.plaintext' is not of type `null or boolean'"),
        ("limit", "limits.disk = 1;", "limits.disk' is not of type `a limit that exists: files, memory, output, time'"),
        ("much", "limits.memory = 4294967297;", "between 1 and 4294967296"),
        ("none", "limits.time = 0;", "between 1 and 3600"),
    ];
    let flake: String = wrong.iter().map(|(name, entry, _)| backend(name, entry)).collect();
    let given = "grants.plaintext = true; grants.identities = false; limits.memory = 1073741824; limits.files = null;";
    bench.flake(&(flake + &backend("given", given) + &backend("bare", "")));
    for (name, _, words) in wrong {
        let flake = bench.flake_ref();
        let target = flake.targets().iter().find(|target| target.name == name).unwrap().clone();
        let evaluation = flake.evaluate(&[target]);
        let why = match evaluation {
            Ok(evaluation) => evaluation.failures.iter().map(|one| one.error.to_string()).collect(),
            Err(error) => error.to_string(),
        };
        assert!(why.contains(words), "{name}: {why}");
    }
    let backends = |name: &str| {
        bench.eval_json(
            &format!("nixosConfigurations.{name}.config.artifacts.backends.mine"),
            "b: { inherit (b) grants limits; }",
        )
    };
    let expected = json!({"grants": {"plaintext": true, "identities": false}, "limits": {"memory": 1_073_741_824}});
    assert_eq!(backends("given"), expected, "what is not given is not in the spec");
    assert_eq!(backends("bare"), json!({"grants": {}, "limits": {}}));
}

#[test]
fn a_user_inside_a_machine_takes_over_what_the_machine_says() {
    let bench = Bench::new();
    bench.write("vault.wasm", "\0asm");
    bench.write("sub/secrets/per-machine/attribute/own/public/f", "of the machine");
    bench.write("sub/secrets/per-user/alice@attribute/own/public/f", "of the user");
    let own = "artifacts.store.own.files.f.secret = false;";
    bench.flake(&format!(
        r#"nixosConfigurations.attribute = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.home-manager.nixosModules.home-manager
          {{ nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "other"; artifacts.target = "attribute";
            artifacts.root = ./sub; artifacts.default.backend = "vault"; {own}
            artifacts.backends.vault = {{ component = ./vault.wasm; storage = "vaulted"; }};
            artifacts.backends.agenix.storage = "secrets";
            home-manager.sharedModules = [ inputs.artifacts.homeModules.default ];
            home-manager.users.alice = {{ osConfig, ... }}: {{
              {own} artifacts.store.own.backend = "agenix"; artifacts.store.kept.files.f = {{ }};
              artifacts.store.kept.description = osConfig.artifacts.store.own.files.f.value;
            }};
            artifacts.store.own.backend = "agenix"; }} ]; }};"#
    ));
    let evaluation = bench.evaluate();
    assert_eq!(
        (evaluation.failures.len(), evaluation.problems.iter().filter(|one| one.message.contains("root")).count()),
        (0, 0)
    );
    let spec = evaluation.spec;
    assert_eq!(spec.root, Some(bench.source().join("sub")));
    assert_eq!(spec.backends[&name("vault")].storage, "vaulted");
    let alice = &spec.targets[1];
    assert_eq!(alice.name.as_str(), "alice@attribute", "the machine's own target, not its host name");
    let kept = &alice.artifacts[&name("kept")];
    assert_eq!(kept.backend, Some(name("vault")));
    assert_eq!(kept.description.as_deref(), Some("of the machine"), "osConfig is the machine's configuration");
    let users = "nixosConfigurations.attribute.config.home-manager.users.alice.artifacts";
    assert_eq!(bench.eval(&format!("{users}.store.own.files.f.value")), "of the user");
    let own = bench
        .eval_json(users, "a: [ (toString a.root) (builtins.attrNames a.backends) a.target a.store.kept.instance ]");
    let root = bench.source().join("sub");
    assert_eq!(own, json!([root, ["agenix", "vault"], "alice@attribute", "per-user/alice@attribute/kept"]));
}

#[test]
fn a_user_inside_a_machine_may_say_otherwise() {
    let bench = Bench::new();
    bench.flake(&machine(
        "m",
        r#"inputs.home-manager.nixosModules.home-manager
          { artifacts.backends.vault.component = "/v.wasm"; home-manager.users.alice = {
              imports = [ inputs.artifacts.homeModules.default ]; artifacts.store.a.files.f = { };
              artifacts.default.backend = "sops-nix"; artifacts.backends = { }; artifacts.target = "alice@elsewhere"; }; }"#,
    ));
    let users = "nixosConfigurations.m.config.home-manager.users.alice.artifacts";
    let own = bench.eval_json(users, "a: [ (builtins.attrNames a.backends) a.target a.store.a.backend ]");
    assert_eq!(own, json!([[], "alice@elsewhere", "sops-nix"]));
}

#[test]
fn the_name_of_a_user_that_nixos_artifacts_has() {
    let bench = Bench::new();
    bench.write("secrets/per-user/alice@desk/ssh/public/id", "mine");
    let user = |more: &str| {
        format!(
            r#"homeConfigurations."alice@desk" = inputs.home-manager.lib.homeManagerConfiguration {{
              pkgs = nixpkgs.legacyPackages.x86_64-linux;
              modules = [ inputs.artifacts.homeModules.default
                {{ home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.root = ./.;
                  artifacts.default.backend = "agenix"; artifacts.store.ssh.files.id.secret = false; {more} }} ]; }};"#
        )
    };
    bench.flake(&user(r#"artifacts.config.agenix.username = "alice@desk";"#));
    let value = "homeConfigurations.\"alice@desk\".config.artifacts.store.ssh.files.id.value";
    assert_eq!(bench.eval(value), "mine");
    assert_eq!(bench.evaluate().spec.targets[0].name.as_str(), "alice@desk");
    // What is set for good wins.
    bench.flake(&user(r#"artifacts.config.agenix.username = "bob"; artifacts.target = "alice@desk";"#));
    assert_eq!(bench.eval(value), "mine");
}

#[test]
fn the_whole_spec_has_users_and_macs() {
    let bench = Bench::new();
    let config = "{ artifacts.store.a.files.f = { }; }";
    let mac = machine("mac", &format!("{config} {{ nixpkgs.hostPlatform = \"aarch64-darwin\"; }}"))
        .replace("nixosConfigurations", "darwinConfigurations")
        .replace("nixosModules", "darwinModules");
    let home = format!(
        r#"homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {{
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default {config} {{ home.username = "alice"; home.homeDirectory = "/home/alice";
            artifacts.root = ./.; artifacts.default.backend = "agenix"; }} ]; }};"#
    );
    let users = format!(
        "inputs.home-manager.nixosModules.home-manager {config}
         {{ home-manager.users.bob = {{ imports = [ inputs.artifacts.homeModules.default {config} ]; }}; }}"
    );
    bench.flake(&format!(
        "artifacts = inputs.artifacts.lib.mkArtifacts {{ inherit (inputs) self; system = \"x86_64-linux\"; }}; {mac} {home} {}",
        machine("web1", &users)
    ));
    let mut whole = artifacts_declared::parse(&bench.eval_json("artifacts", "x: x").to_string()).unwrap();
    whole.targets.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    assert_eq!(whole, bench.evaluate().spec);
    let found: Vec<_> = whole.targets.iter().map(|target| (target.kind.as_str(), target.name.as_str())).collect();
    assert_eq!(found, [("nixos", "web1"), ("home-manager", "alice"), ("home-manager", "bob@web1"), ("darwin", "mac")]);
}

#[test]
fn durations_in_every_unit() {
    let bench = Bench::new();
    let units = [("s", 1), ("min", 60), ("h", 3600), ("d", 86400), ("w", 604_800), ("y", 31_536_000)];
    let config = units
        .map(|(unit, _)| format!("artifacts.store.{unit} = {{ files.f = {{ }}; maxAge = \"2{unit}\"; }};"))
        .concat();
    bench.flake(&machine("web1", &format!("{{ {config} }}")));
    let spec = bench.evaluate().spec;
    for (unit, seconds) in units {
        assert_eq!(spec.targets[0].artifacts[&name(unit)].max_age, Some(Seconds(2 * seconds)), "{unit}");
    }
    for wrong in ["2m", "0d", "d", "1.5h", "2 d", "-1s", ""] {
        bench.flake(&machine(
            "web1",
            &format!("{{ artifacts.store.a = {{ files.f = {{ }}; maxAge = \"{wrong}\"; }}; }}"),
        ));
        let error = bench.try_eval("nixosConfigurations.web1.config.artifacts.store.a.maxAge").unwrap_err().to_string();
        assert!(error.contains("artifacts.store.a.maxAge"), "{wrong}: {error}");
    }
}

#[test]
fn a_deep_look_at_the_store_reads_no_secret() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        r#"inputs.agenix.nixosModules.default ({ pkgs, ... }: { artifacts.hostKey = "age1host"; artifacts.recipients.alice = "age1alice";
          artifacts.store."a b" = { files.f = { }; recipients = [ "alice" ]; prompts.p = { }; generator = pkgs.writers.writeBash "g" "true"; }; })"#,
    ));
    let store = "nixosConfigurations.web1.config.artifacts.store";
    let look = || bench.eval_json(store, "x: x");
    let artifact = &look()["a b"];
    assert_eq!(
        (&artifact["files"]["f"]["value"], &artifact["entry"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    bench.write("secrets/per-machine/web1/a b/f.age", "sealed");
    // Nix gives no name with a blank to a copy in the store; the path itself is there.
    let entry = bench.eval_json(&format!("{store}.\"a b\".entry"), "toString");
    assert!(entry.as_str().unwrap().ends_with("/secrets/per-machine/web1/a b"), "{entry}");
}

#[test]
fn a_public_value_is_what_is_set_until_it_is_generated() {
    let bench = Bench::new();
    let id = "artifacts.store.id.files";
    bench.flake(&machine(
        "web1",
        &format!("{{ {id}.given = {{ secret = false; value = \"none yet\"; }}; {id}.bare.secret = false; }}"),
    ));
    let file = |file: &str, what: &str| {
        bench.eval_json(&format!("nixosConfigurations.web1.config.{id}.{file}.{what}"), "x: x")
    };
    assert_eq!((file("given", "value"), file("given", "exists")), ("none yet".into(), false.into()));
    let bare = bench.try_eval(&format!("nixosConfigurations.web1.config.{id}.bare.value")).unwrap_err().to_string();
    let said =
        "artifacts: per-machine/web1/id: `bare` is not generated yet; run: artifacts generate per-machine/web1/id";
    assert!(bare.contains(said), "{bare}");
    bench.write("secrets/per-machine/web1/id/public/given", "stored\n\n");
    assert_eq!((file("given", "value"), file("given", "exists")), ("stored\n".into(), true.into()));
}

#[test]
fn a_public_value_of_another_target_is_read_without_evaluating_that() {
    let bench = Bench::new();
    let read = |more: &str| {
        format!(
            "inputs.artifacts.lib.publicValue ({{ root = ./.; instance = \"per-machine/web2/it's\"; file = \"pub\"; }} // {{ {more} }})"
        )
    };
    let one = machine("web1", &format!("{{ artifacts.store.a = {{ files.f = {{ }}; validation = {}; }}; }}", read("")));
    // Each reads the other's, one of which could not be evaluated at all.
    bench.flake(&format!(
        "{one} nixosConfigurations.web2 = throw \"web2 is evaluated\"; given = {}; wrong = {{ file = {}; form = {}; argument = {}; }};",
        read("default = \"none yet\";"),
        read("file = \"../receipt.json\";"),
        read("instance = \"web2/a\";"),
        read("defualt = 1;"),
    ));
    assert_eq!(bench.eval("given"), "none yet");
    let flake = bench.flake_ref();
    let web1: Vec<_> = flake.targets().iter().filter(|target| target.name == "web1").cloned().collect();
    let evaluation = flake.evaluate(&web1).unwrap();
    assert!(evaluation.spec.targets[0].artifacts[&name("a")].blocked);
    let why = flake.why_blocked(&web1[0], &evaluation.spec.targets[0], "a").unwrap();
    let command = r"run: artifacts generate 'per-machine/web2/it'\''s'";
    assert_eq!(why, format!("artifacts: per-machine/web2/it's: `pub` is not generated yet; {command}"));
    for (wrong, said) in [
        ("file", "is not a file of"),
        ("form", "is not an instance; write"),
        ("argument", "unknown argument `defualt`"),
    ] {
        let error = bench.try_eval(&format!("wrong.{wrong}")).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    bench.write("secrets/per-machine/web2/it's/public/pub", "key\n");
    assert_eq!(bench.eval("given"), "key");
    let spec = bench.flake_ref().evaluate(&web1).unwrap().spec;
    assert_eq!(spec.targets[0].artifacts[&name("a")].validation, serde_json::json!("key"));
}

#[test]
fn an_artifact_has_settings_of_its_own_each_as_a_whole() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        r#"inputs.agenix.nixosModules.default inputs.sops-nix.nixosModules.sops {
          artifacts.hostKey = "age1host"; artifacts.recipients = { alice = "age1alice"; bob = "age1bob"; };
          artifacts.store.few = { files.f = { }; recipients = [ "bob" ]; };
          artifacts.store.other = { files.f = { }; backendConfig.agenix = { publicHostKey = "age1other"; publicUserKeys = [ "age1carol" ]; }; };
          artifacts.store.both = { files.f = { }; backend = "sops-nix"; recipients = [ "alice" ]; backendConfig.sops-nix.format = "yaml"; };
          artifacts.store.plain = { files.f = { }; backend = "sops-nix"; }; }"#,
    ));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.problems, []);
    let own = |artifact: &str| {
        serde_json::to_value(&evaluation.spec.targets[0].artifacts[&name(artifact)].backend_config).unwrap()
    };
    assert_eq!(own("few"), serde_json::json!({"agenix": {"publicUserKeys": ["age1bob"]}}));
    let other = serde_json::json!({"agenix": {"publicHostKey": "age1other", "publicUserKeys": ["age1carol"]}});
    assert_eq!(own("other"), other);
    let both = serde_json::json!({"sops-nix": {"format": "yaml", "publicUserKeys": ["age1alice"]}});
    assert_eq!(own("both"), both);
    // The target looks for what the backend makes.
    let expected = "c: map (one: \"${one.artifact.name}/${one.file}\") c.artifacts.expected";
    let expected = bench.eval_json("nixosConfigurations.web1.config", expected);
    let files = ["both/secrets.sops.yaml", "plain/f.sops", "few/f.age", "other/f.age"];
    let found: std::collections::BTreeSet<&str> =
        expected.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
    assert_eq!(found, files.into());
    for (artifact, file) in [("both", "secrets.sops.yaml"), ("plain", "f.sops")] {
        bench.write(&format!("secrets/per-machine/web1/{artifact}/{file}"), "{}");
    }
    let formats =
        bench.eval_json("nixosConfigurations.web1.config.sops.secrets", "builtins.mapAttrs (_: one: one.format)");
    assert_eq!(formats, serde_json::json!({"both/f": "yaml", "plain/f": "binary"}));
}

#[test]
fn a_module_for_another_kind_of_configuration_is_refused_by_its_class() {
    let bench = Bench::new();
    let of = |class: &str, module: &str| {
        format!(
            "(nixpkgs.lib.evalModules {{ class = \"{class}\"; modules = [ {module} {{ _module.check = false; }} ]; }}).config.artifacts.store"
        )
    };
    let outputs = [
        ("wrong", "homeManager", "inputs.artifacts.nixosModules.default"),
        ("mac", "nixos", "inputs.artifacts.darwinModules.agenix"),
        ("home", "nixos", "(inputs.artifacts + \"/nix/modules/home-manager.nix\")"),
        ("right", "nixos", "inputs.artifacts.nixosModules.sops-nix"),
    ];
    bench.flake(
        &outputs.map(|(name, class, module)| format!("{name} = builtins.toJSON {};", of(class, module))).concat(),
    );
    for (name, class, _) in &outputs[..3] {
        let error = bench.try_eval(name).unwrap_err().to_string();
        assert!(error.contains("imported into") && error.contains(class), "{error}");
    }
    assert_eq!(bench.eval("right"), "{}");
}

#[test]
fn an_error_in_our_options_names_a_file_of_ours() {
    let bench = Bench::new();
    // An option that is declared twice is told with both places.
    let taken = ["store", "recipients", "testMachine", "problems", "package"];
    let again = |option: &str| {
        let more =
            format!("({{ lib, ... }}: {{ options.artifacts.{option} = lib.mkOption {{ type = lib.types.int; }}; }})");
        machine(option, &more)
    };
    bench.flake(&taken.map(again).concat());
    for option in taken {
        let attribute = format!("nixosConfigurations.{option}.config.artifacts.{option}");
        let error = bench.try_eval(&attribute).unwrap_err().to_string();
        assert!(error.contains("artifacts/test-machine") || error.contains("/nix/modules/"), "{error}");
    }
}

#[test]
fn a_script_is_a_short_form_of_a_generator() {
    let bench = Bench::new();
    bench.flake(&machine(
        "web1",
        r#"({ pkgs, ... }: { artifacts.store."it's a" = { files.f = { }; runtimeInputs = [ pkgs.openssl ];
          script = "openssl version > $out/f\nfalse | cat\necho reached > $out/f"; }; })"#,
    ));
    let flake = bench.flake_ref();
    let spec = flake.evaluate(flake.targets()).unwrap().spec;
    let generator = spec.targets[0].artifacts[&name("it's a")].generator.clone().unwrap();
    bench.nix().realise(generator.drv.as_deref().unwrap()).unwrap();
    let program = generator.path;
    let out = tempfile::tempdir().unwrap();
    let ran = std::process::Command::new(program).env_clear().env("out", out.path()).status().unwrap();
    assert!(!ran.success(), "what fails in a pipe fails");
    let written = std::fs::read_to_string(out.path().join("f")).unwrap();
    assert!(written.starts_with("OpenSSL"), "{written}");
}

#[test]
fn the_old_names_of_the_programs_still_work() {
    let bench = Bench::new();
    let units =
        artifacts_tests::nix::UNITS.replace("config.artifacts = { targetPackage = \"/p\"; package = \"/p\"; };", "");
    bench.flake(&machine(
        "web1",
        &format!("{units} {{ artifacts.programs = {{ artifacts = \"/a\"; artifacts-target = \"/t\"; }}; }}"),
    ));
    let read = bench.eval_json(
        "nixosConfigurations.web1.config",
        "c: [ c.artifacts.package c.artifacts.targetPackage c.warnings ]",
    );
    assert_eq!((&read[0], &read[1]), (&"/a".into(), &"/t".into()));
    let said = read[2].to_string();
    assert!(
        said.contains("has been renamed to `artifacts.package'") && said.contains("`artifacts.targetPackage'"),
        "{said}"
    );
}
