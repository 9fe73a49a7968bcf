//! Every fault that evaluation finds, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::fmt::Write as _;

use artifacts_nix::Problem;
use common::{Bench, machine};

const GOOD: &str = r#"
  inputs.agenix.nixosModules.default
  ({ pkgs, ... }: {
    artifacts.config.agenix = { publicHostKey = "age1host"; publicUserKeys = [ "age1admin" ]; };
    artifacts.store.good = { files.f = { }; generator = pkgs.writers.writeBash "g" "true"; };
  })
"#;

/// What each fault is, and what it must say.
const FAULTS: &[(&str, &str)] = &[
    (
        r#"artifacts.store.good.backend = "vault";"#,
        "artifacts.store.good.backend: `vault` is no backend here; use one of agenix, dummy, sops-nix, or register it: artifacts.backends.vault.component = …;",
    ),
    (
        "artifacts.store.bare.files.f = { };",
        "artifacts.store.bare.generator: it has no generator; set the program that makes its files in $out",
    ),
    (
        "artifacts.store.empty = { inherit generator; };",
        "artifacts.store.empty.files: it has no files; declare at least one, as in: artifacts.store.empty.files.password = { };",
    ),
    (
        r#"artifacts.store.good.files."../up" = { };"#,
        "artifacts.store.good.files.\"../up\": `../up` is no name for a file; use 1 to 200 bytes without slash and control character, and not `.` or `..`",
    ),
    (
        r#"artifacts.store."." = { inherit generator; files.f = { }; };"#,
        "artifacts.store.\".\": `.` is no name for a file; use 1 to 200 bytes without slash and control character, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.good.prompts."a\nb" = { };"#,
        "`a\\nb` is no name for a file; use 1 to 200 bytes without slash and control character, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.twin = { inherit generator; files.f.path = "/run/artifacts/good/f"; };"#,
        "artifacts.store.good.files.f.path: `/run/artifacts/good/f` is the path of artifacts.store.good.files.f and artifacts.store.twin.files.f; give each its own",
    ),
    (
        r#"artifacts.store.good.files.f.path = "/run/agenix/good/f";"#,
        "artifacts.store.good.files.f.path: `/run/agenix/good/f` is inside agenix' own folder, which it replaces at each activation; choose another place",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good.files.f.path = "/run/secrets";"#,
        "artifacts.store.good.files.f.path: `/run/secrets` is inside sops-nix' own folder, which it replaces at each activation; choose another place",
    ),
    (
        r#"age.secretsDir = "/run/keys"; artifacts.store.good.files.f.path = "/run/keys/f";"#,
        "artifacts.store.good.files.f.path: `/run/keys/f` is inside agenix' own folder, which it replaces at each activation; choose another place",
    ),
    (
        r#"artifacts.store.good.files.f.mode = "u=r";"#,
        "artifacts.store.good.files.f.mode: `u=r` is no octal number, which is all that every backend takes; write it as `0400`",
    ),
    (
        r#"artifacts.store.good.files.f.path = "/nix/store/x";"#,
        "artifacts.store.good.files.f.path: `/nix/store/x` is inside the Nix store, which is read-only and readable by everybody; choose another place",
    ),
    (
        r#"artifacts.store.good.dependencies = [ "ca" ];"#,
        "artifacts.store.good.dependencies: there is no artifact `ca` on this target; declare artifacts.store.ca here as well, or remove it",
    ),
    (
        r#"artifacts.store.good.dependencies = [ "good" ];"#,
        "artifacts.store.good.dependencies: it depends on itself; remove `good`",
    ),
    (
        r#"artifacts.store.good = { backend = "dummy"; files.f.neededFor = "users"; };"#,
        "artifacts.store.good.files.f.neededFor: the backend `dummy` does not bring files onto this target before users are made; leave it at \"services\", or use a backend that does",
    ),
    (
        r#"artifacts.store.good.files = { f = { }; g = { secret = false; testValue = "known"; }; };"#,
        "artifacts.store.good.files.f.testValue: it has none, and other files of the artifact have one; give it to each, or to none",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "srv-nas.mount" ];"#,
        "artifacts.store.good.bindUnits: `srv-nas.mount` is a mount, which is bound where it is declared: fileSystems.<where>.options = [ \"nofail\" \"x-systemd.requires=artifact-good.service\" ]; or, in systemd.mounts, bindsTo and after",
    ),
    (
        r#"artifacts.store.good.files.f.owner = "atticd";"#,
        "artifacts.store.good.files.f.owner: `atticd` is no user of this configuration, so the file stays root's; declare users.users.atticd, or leave it root's and hand it to the service with EnvironmentFile or LoadCredential",
    ),
    (
        r#"artifacts.store.good.files.f.group = "atticd";"#,
        "artifacts.store.good.files.f.group: `atticd` is no group of this configuration, so the file stays root's; declare users.groups.atticd, or leave it root's and hand it to the service with EnvironmentFile or LoadCredential",
    ),
    (
        "artifacts.config.agenix.publicUserKeys = lib.mkForce [ ]; artifacts.store.good.files.f.deploy = false;",
        "artifacts.store.good.files.f.deploy: it is false, and there is no admin who could read the file; set artifacts.config.agenix.publicUserKeys",
    ),
    (
        "artifacts.config.agenix.flakeStoreDir = ./elsewhere;",
        "artifacts.config.agenix.flakeStoreDir: the folder is not named `secrets`, as the storage is; set artifacts.root to the folder that it is in, and artifacts.backends.agenix.storage to its name",
    ),
    (
        "artifacts.config.agenix.publicHostKey = lib.mkForce null;",
        "artifacts.config.agenix.publicHostKey: the machine's public key is not set, so nothing can be encrypted for it: set it, for artifacts.store.good",
    ),
    (
        r#"artifacts.store.good.backend = "sops-nix"; artifacts.config.sops-nix.publicHostKey = "age1host";"#,
        "artifacts.config.sops-nix: sops-nix is not imported here, so nothing brings its files onto the target: import sops-nix.nixosModules.sops, for artifacts.store.good",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good.backend = "sops-nix";"#,
        "artifacts.config.sops-nix.publicHostKey: the machine's public key is not set, so nothing can be encrypted for it: set it, for artifacts.store.good",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good.backend = "sops-nix";
artifacts.config.sops-nix.publicHostKey = "ssh-rsa AAAA";"#,
        "artifacts.config.sops-nix.publicHostKey: sops-nix cannot read with an ssh-rsa key; use the ssh-ed25519 key, or an age recipient",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; users.users.atticd = { };
artifacts.config.sops-nix.publicHostKey = "age1host";
artifacts.store.good = { backend = "sops-nix"; files.f = { neededFor = "users"; owner = "atticd"; }; };"#,
        "artifacts.store.good.files.f.owner: it is needed for users, so there is no user yet who could own it; leave owner and group to root",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good = { backend = "sops-nix"; files.sops = { }; };
artifacts.config.sops-nix = { publicHostKey = "age1host"; format = "yaml"; };"#,
        "artifacts.store.good.files.sops: a yaml file of sops cannot have the key `sops`; rename it, or set artifacts.config.sops-nix.format = \"binary\"",
    ),
];

/// What is found only when a system is built, since evaluating the declarations alone does not read what it takes. The machine is
/// `web1`.
const BUILT: [(&str, &str); 8] = [
    (
        "artifacts.store.good.files = { f = { }; g = { }; }; artifacts.store.other = { inherit generator; files.h = { }; };",
        "these files are not there yet:\n  per-machine/web1/good/f.age\n  per-machine/web1/good/g.age\n  per-machine/web1/other/h.age\nrun: artifacts generate per-machine/web1/good per-machine/web1/other",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "atticd.service" ];"#,
        "per-machine/web1/good: bindUnits has `atticd.service`, which nothing defines; correct the name, or say `systemd.services.\"atticd\" = { };` when a package brings it",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "atticd" ];"#,
        "per-machine/web1/good: bindUnits has `atticd`, which names no unit that can be bound; write the whole name, as in `atticd.service` (path, service, slice, socket, target, timer)",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "atticd.service" ]; systemd.services.atticd = { };
artifacts.programs.artifacts-target = lib.mkForce null;"#,
        "bindUnits needs the program artifacts-target; set artifacts.programs.artifacts-target, or use the overlay",
    ),
    (
        r#"artifacts.store.good.backend = "dummy"; artifacts.programs.artifacts = lib.mkForce null;"#,
        "a backend makes files on the target, which needs the program; set artifacts.programs.artifacts, or use the overlay",
    ),
    (
        r#"artifacts.store.good.files.f.mode = "u=r";"#,
        "per-machine/web1/good: file `f`: mode `u=r` is no octal number; write it as `0400`",
    ),
    (
        r#"artifacts.programs.artifacts = "/p"; users.users.atticd = { }; users.groups.atticd = { }; systemd.sysusers.enable = true;
artifacts.store.good = { backend = "dummy"; files.f = { neededFor = "users"; owner = "atticd"; }; };"#,
        "per-machine/web1/good: file `f`: owner `atticd`: it is made before users are; leave it to root, or write a number",
    ),
    (
        r#"artifacts.programs.artifacts = "/p"; systemd.sysusers.enable = true; artifacts.store.other = { inherit generator; files.g = { }; };
artifacts.store.good = { backend = "dummy"; files.f.neededFor = "users"; dependencies = [ "other" ]; };"#,
        "per-machine/web1/other: something that is made here before users are depends on it, and its backend `agenix` brings it later; use a backend for both that makes files on the target",
    ),
];

/// NixOS' options for units, as far as they are looked at.
const UNITS: &str = r#"
  ({ lib, ... }: {
    options.systemd = lib.genAttrs [ "services" "sockets" "targets" "timers" "paths" "slices" ] (_: lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf lib.types.raw); default = { };
    }) // { sysusers.enable = lib.mkOption { default = false; }; package = lib.mkOption { default = "/systemd"; }; };
    config.artifacts.programs.artifacts-target = "/p";
  })
"#;

/// The page with all of them.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/FAULTS.md");

fn page() -> String {
    let mut text = "# Faults that evaluation finds\n\nEach with a declaration that has it, beside what is right otherwise. Nix says it \
        when a system is built, after `artifacts: `,\nand `artifacts status` and `artifacts generate` repeat it. An unknown owner or group is a \
        warning. That the declarations of a\nshared artifact differ is seen only across targets, so the command alone says it: `shared/ca: one (nixos) and two (nixos) declare it with\ndifferent files.secret: cert and none`. This page is generated \
        from the tests.\n"
        .to_owned();
    list(&mut text, FAULTS);
    text += "\n## Found when a system is built\n\nThese need more of the system than its declarations, so the command does not say \
             them. The first names all that is missing, at once.\n";
    list(&mut text, &BUILT);
    text
}

fn list(text: &mut String, faults: &[(&str, &str)]) {
    for (declaration, said) in faults {
        let said = said.replace('<', "&lt;").replace('\n', "  \n> ");
        let _ = writeln!(text, "\n```nix\n{}\n```\n\n> {said}", declaration.trim());
    }
}

#[test]
fn the_page_of_faults_is_current() {
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(PAGE).unwrap_or_default(), page(), "run this test with UPDATE_REFERENCE=1");
}

fn faulty(name: &str, fault: &str) -> String {
    let module =
        format!(r#"({{ lib, pkgs, ... }}: let generator = pkgs.writers.writeBash "g" "true"; in {{ {fault} }})"#);
    machine(name, &format!("{GOOD} {module}"))
}

#[test]
fn every_fault_is_told_by_the_command_and_by_nix() {
    let bench = Bench::new();
    let machines: Vec<String> =
        FAULTS.iter().enumerate().map(|(number, (fault, _))| faulty(&format!("m{number:02}"), fault)).collect();
    bench.flake(&machines.join("\n"));
    let evaluation = bench.evaluate();
    // Names that could leave their folder refuse the spec of their target; all others leave it usable.
    assert_eq!(evaluation.failures.len(), 3, "{:?}", evaluation.failures);
    for (number, (fault, expected)) in FAULTS.iter().enumerate() {
        let name = format!("m{number:02}");
        let problems: Vec<&Problem> = evaluation.problems.iter().filter(|one| one.target.as_str() == name).collect();
        if !evaluation.failures.iter().any(|one| one.name == name) {
            let [problem] = problems.as_slice() else { panic!("{fault}: {problems:?}") };
            assert_eq!(problem.message, *expected);
        }
        // A deployment says the same.
        let config = format!("nixosConfigurations.{name}.config");
        let said = bench.eval_json(
            &config,
            "c: c.warnings ++ map (one: one.message) (builtins.filter (one: !one.assertion) c.assertions)",
        );
        let said: Vec<&str> = said.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
        assert!(said.iter().any(|one| one.starts_with("artifacts: ") && one.contains(expected)), "{fault}: {said:?}");
    }
}

#[test]
fn every_fault_that_only_a_system_shows_is_told_by_nix() {
    let bench = Bench::new();
    let name = |number: usize| format!("b{number}");
    let machines = BUILT
        .iter()
        .enumerate()
        .map(|(number, (fault, _))| faulty(&name(number), &format!("imports = [ {UNITS} ]; {fault}")));
    bench.flake(&machines.collect::<Vec<_>>().join("\n"));
    for (number, (fault, expected)) in BUILT.iter().enumerate() {
        let name = name(number);
        let function = "c: map (one: one.message) (builtins.filter (one: !one.assertion) c.assertions)";
        let said = bench.eval_json(&format!("nixosConfigurations.{name}.config"), function);
        let said: Vec<&str> = said.as_array().unwrap().iter().filter_map(|one| one.as_str()).collect();
        let expected = format!("artifacts: {}", expected.replace("web1", &name));
        assert!(said.contains(&expected.as_str()), "{fault}: {said:?}");
    }
}

#[test]
fn good_declarations_have_none() {
    let bench = Bench::new();
    let own = r#"{ users.users.atticd = { }; users.groups.atticd = { };
      artifacts.store.good.files.g = { owner = "atticd"; group = "atticd"; neededFor = "users"; };
      artifacts.store.good.files.h = { owner = "1000"; group = "100"; mode = "440"; };
      # sops-nix is not imported.
      artifacts.store.good.files.i.path = "/run/secrets/i"; }"#;
    bench.flake(&machine("web1", &format!("{GOOD} {own}")));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.problems, []);
}

#[test]
fn agenix_comes_too_late_where_a_unit_makes_the_users() {
    let bench = Bench::new();
    let needed = r#"{ artifacts.store.good.files.f.neededFor = "users"; }"#;
    let by = |option: &str| format!("({{ lib, ... }}: {{ options.{option} = lib.mkOption {{ default = true; }}; }})");
    let machines = [
        ("script", String::new()),
        ("sysusers", by("systemd.sysusers.enable")),
        ("userborn", by("services.userborn.enable")),
    ];
    bench.flake(&machines.map(|(name, makes)| machine(name, &format!("{GOOD} {needed} {makes}"))).join("\n"));
    let problems = bench.evaluate().problems;
    let said: Vec<String> = problems.iter().map(|one| format!("{}: {}", one.target, one.message)).collect();
    let late = "artifacts.store.good.files.f.neededFor: the backend `agenix` does not bring files onto this target before users \
                are made; leave it at \"services\", or use a backend that does";
    assert_eq!(said, [format!("sysusers: {late}"), format!("userborn: {late}")]);
}

#[test]
fn an_unknown_owner_leaves_the_file_to_root() {
    let bench = Bench::new();
    bench.flake(&faulty("web1", r#"artifacts.store.good.files.f = { owner = "atticd"; group = "atticd"; };"#));
    let owner =
        bench.eval_json("nixosConfigurations.web1.config.age.secrets", "s: [ s.\"good/f\".owner s.\"good/f\".group ]");
    assert_eq!(owner, serde_json::json!(["root", "root"]));
    assert!(bench.evaluate().problems.iter().all(|problem| problem.warning));
}

#[test]
fn all_missing_files_in_one_message_with_one_command() {
    let bench = Bench::new();
    bench.flake(&faulty(
        "web1",
        r#"artifacts.store.good.files.g = { }; artifacts.store."with blank" = { inherit generator; files.x = { }; };"#,
    ));
    bench.write("secrets/per-machine/web1/good/f.age", "sealed");
    let toplevel = "nixosConfigurations.web1.config.system.build.toplevel.drvPath";
    let error = bench.try_eval(toplevel).unwrap_err().to_string();
    // Nix indents it.
    let error: Vec<&str> = error.lines().map(str::trim).collect();
    let expected = "- artifacts: these files are not there yet:\nper-machine/web1/good/g.age\nper-machine/web1/with blank/x.age\n\
                    run: artifacts generate per-machine/web1/good 'per-machine/web1/with blank'";
    assert!(error.join("\n").contains(expected), "{error:?}");
    bench.write("secrets/per-machine/web1/good/g.age", "sealed");
    bench.write("secrets/per-machine/web1/with blank/x.age", "sealed");
    assert!(bench.eval(toplevel).contains("-system"));
}

#[test]
fn a_blocked_artifact_hides_no_fault_of_another_one() {
    let bench = Bench::new();
    bench.flake(&faulty(
        "web1",
        r#"artifacts.store.good.files.f.path = throw "not yet"; artifacts.store.bare.files.f = { };"#,
    ));
    let problems = bench.evaluate().problems;
    assert!(problems.iter().any(|problem| problem.artifacts == ["bare"]), "{problems:?}");
}

#[test]
fn a_throwing_backend_and_computed_file_names_hide_no_fault_of_another_artifact() {
    let bench = Bench::new();
    for blocked in ["files.f = { }; backend = throw \"not yet\";", "files = throw \"not yet\";"] {
        let bare = "artifacts.store.bare.files.f = { };
            artifacts.store.twin = { inherit generator; files.f.path = \"/run/artifacts/good/f\"; };";
        bench.flake(&faulty("web1", &format!("{bare} artifacts.store.blocked = {{ inherit generator; {blocked} }};")));
        let problems = bench.evaluate().problems;
        let of: Vec<_> = problems.iter().flat_map(|problem| &problem.artifacts).collect();
        assert_eq!(of, ["bare", "good", "twin"], "{blocked}: {problems:?}");
        // What brings files onto the target leaves none out.
        assert!(bench.try_eval("nixosConfigurations.web1.config.system.build.toplevel.drvPath").is_err(), "{blocked}");
    }
}

#[test]
fn faults_that_cannot_be_found_do_not_pass_for_none() {
    let bench = Bench::new();
    let broken = r#"artifacts.problems = [ { artifacts = [ ]; warning = false; message = throw "broken"; } ];"#;
    bench.flake(&faulty("web1", broken));
    let problems = bench.evaluate().problems;
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.message.contains("nixosConfigurations.web1 has faults that cannot be told") && !problem.warning);
}

#[test]
fn a_users_folders_of_tools_are_the_users_own() {
    let bench = Bench::new();
    let user = |name: &str, path: &str| {
        format!(
            r#"homeConfigurations.{name} = inputs.home-manager.lib.homeManagerConfiguration {{
              pkgs = nixpkgs.legacyPackages.x86_64-linux;
              modules = [ inputs.artifacts.homeModules.default inputs.sops-nix.homeManagerModules.sops
                ({{ pkgs, ... }}: {{ home.username = "{name}"; home.homeDirectory = "/home/{name}"; artifacts.root = ./.;
                  artifacts.default.backend = "sops-nix"; artifacts.config.sops-nix.publicUserKeys = [ "age1user" ];
                  artifacts.store.a = {{ files.f.path = "{path}"; generator = pkgs.writers.writeBash "g" "true"; }}; }}) ]; }};"#
        )
    };
    let own = [r"\${XDG_RUNTIME_DIR}/secrets.d/f", "/home/user/.config/sops-nix/secrets/f", "/run/secrets/f"];
    let users = ["a", "b", "c"].iter().zip(own).map(|(name, path)| user(name, path)).collect::<String>();
    bench.flake(&users);
    let problems = bench.evaluate().problems;
    let targets: Vec<_> = problems.iter().map(|problem| problem.target.as_str()).collect();
    assert_eq!(targets, ["a", "b"], "{problems:?}");
}

#[test]
fn what_a_users_systemd_cannot_do_is_said() {
    let bench = Bench::new();
    let user = |name: &str, enable: bool, more: &str| {
        format!(
            r#"homeConfigurations.{name} = inputs.home-manager.lib.homeManagerConfiguration {{
              pkgs = nixpkgs.legacyPackages.x86_64-linux;
              modules = [ inputs.artifacts.homeModules.default
                ({{ lib, pkgs, ... }}: {{
                  options.systemd.user = {{ enable = lib.mkOption {{ }}; services = lib.mkOption {{ }}; }};
                  options.xdg = {{ configFile = lib.mkOption {{ }}; configHome = lib.mkOption {{ default = "/c"; }}; }};
                  config = {{ home.username = "{name}"; home.homeDirectory = "/home/{name}"; systemd.user.enable = {enable};
                    artifacts.programs.artifacts = "/p"; artifacts.default.backend = "dummy";
                    artifacts.store.a = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "g" "true"; {more} }}; }}; }}) ]; }};"#
        )
    };
    bench.flake(&format!("{}{}", user("here", true, ""), user("nowhere", false, "")));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
    let problems = evaluation.problems;
    let said = "artifacts.store.a.backend: `dummy` has files made by units of systemd, and `systemd.user.enable` is false; use another \
                backend here";
    assert!(
        matches!(problems.as_slice(), [one] if one.target.as_str() == "nowhere" && one.message == said),
        "{problems:?}"
    );

    // Nor can lines be added to a user's mount.
    bench.flake(&user("mounts", true, r#"bindUnits = [ "nas.mount" ];"#));
    let problems = bench.evaluate().problems;
    let said = "artifacts.store.a.bindUnits: `nas.mount` is a mount, which is bound where it is declared: \
                systemd.user.mounts.<name>.Unit, with `artifact-a.service` as BindsTo and After";
    assert!(matches!(problems.as_slice(), [one] if one.message == said), "{problems:?}");
}

#[test]
fn on_a_mac_root_and_wheel_are_known_and_nothing_comes_before_users() {
    let bench = Bench::new();
    let mac = |modules: &str| {
        let mac = machine("mac", &format!("{GOOD} {{ nixpkgs.hostPlatform = \"aarch64-darwin\"; }} {modules}"));
        mac.replace("nixosConfigurations", "darwinConfigurations")
            .replace("artifacts.nixosModules", "artifacts.darwinModules")
    };
    // nix-darwin declares neither of them.
    let bare = "({ lib, ... }: { users.users = lib.mkForce { }; users.groups = lib.mkForce { }; })";
    bench.flake(&mac(bare));
    assert_eq!(bench.evaluate().problems, []);
    bench.flake(&mac(&format!(r#"{bare} {{ artifacts.store.good.files.f.group = "nobodys"; }}"#)));
    let group = bench.eval_json("darwinConfigurations.mac.config.age.secrets", "s: s.\"good/f\".group");
    assert_eq!(group, "wheel");
    bench.flake(&mac(r#"{ artifacts.store.good.files.f.neededFor = "users"; }"#));
    let problems = bench.evaluate().problems;
    assert!(matches!(problems.as_slice(), [one] if one.message.contains("files.f.neededFor")), "{problems:?}");
    bench.flake(&mac(r#"{ artifacts.store.good.backend = "dummy"; }"#));
    let problems = bench.evaluate().problems;
    let said = "artifacts.store.good.backend: `dummy` has files made by units of systemd, and nix-darwin has none of it; use another \
                backend here";
    assert!(matches!(problems.as_slice(), [one] if one.message == said), "{problems:?}");
    bench.flake(&mac("({ lib, ... }: { networking.hostName = lib.mkForce null; })"));
    let failures = bench.evaluate().failures;
    let said = format!("{failures:?}");
    assert!(said.contains("set artifacts.target to its attribute in darwinConfigurations"), "{said}");
}
