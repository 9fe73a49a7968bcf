//! Every fault that evaluation finds, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fmt::Write as _;

use crate::common::{Bench, machine};
use artifacts_nix::EvaluationError;
use artifacts_tests::nix::UNITS;

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
        "artifacts.store.good.backend: unknown backend `vault`; use one of agenix, dummy, sops-nix, or register it: artifacts.backends.vault.component = …;",
    ),
    (
        "artifacts.store.bare = { files.f = { }; prompts.p = { }; };",
        "artifacts.store.bare.prompts.p: nothing uses the answer; set artifacts.store.bare.generator, or declare a file of this name: artifacts.store.bare.files.p = { };",
    ),
    (
        r#"artifacts.store.bare = { files.f = { }; dependencies = [ "good" ]; };"#,
        "artifacts.store.bare.dependencies: nothing reads `good`; set artifacts.store.bare.generator, or remove it",
    ),
    (
        "artifacts.store.empty = { inherit generator; };",
        "artifacts.store.empty.files: no files; declare at least one, for example artifacts.store.empty.files.password = { };",
    ),
    (
        r#"artifacts.store.good.files."../up" = { };"#,
        "artifacts.store.good.files.\"../up\": `../up` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.good.files."a\\b" = { };"#,
        "`a\\b` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store."." = { inherit generator; files.f = { }; };"#,
        "artifacts.store.\".\": `.` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.good.files."xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" = { };"#,
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.good.prompts."a\nb" = { };"#,
        "`a\\nb` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.twin = { inherit generator; files.f.path = "/run/artifacts/good/f"; };"#,
        "artifacts.store.good.files.f.path: `/run/artifacts/good/f` is the path of artifacts.store.good.files.f and artifacts.store.twin.files.f; set a different path for each",
    ),
    (
        r#"artifacts.store.good.files.f.path = "/run/agenix/good/f";"#,
        "artifacts.store.good.files.f.path: `/run/agenix/good/f` is inside the directory of agenix, which agenix replaces at each activation; choose another path",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good.files.f.path = "/run/secrets";"#,
        "artifacts.store.good.files.f.path: `/run/secrets` is inside the directory of sops-nix, which sops-nix replaces at each activation; choose another path",
    ),
    (
        r#"age.secretsDir = "/run/keys"; artifacts.store.good.files.f.path = "/run/keys/f";"#,
        "artifacts.store.good.files.f.path: `/run/keys/f` is inside the directory of agenix, which agenix replaces at each activation; choose another path",
    ),
    (
        r#"artifacts.store.good.files.f.mode = "u=r";"#,
        "artifacts.store.good.files.f.mode: invalid mode `u=r`; expected an octal number such as `0400`",
    ),
    (
        r#"artifacts.store.good.files.f.path = "/nix/store/x";"#,
        "artifacts.store.good.files.f.path: `/nix/store/x` is inside the Nix store, which is read-only and world-readable; choose another path",
    ),
    (
        r#"artifacts.store.good.files.f.path = "attic/env";"#,
        "artifacts.store.good.files.f.path: `attic/env` is not absolute; write, for example, `/run/artifacts/good/f`",
    ),
    (
        r#"artifacts.store.good.files.f.path = "%r/env";"#,
        "artifacts.store.good.files.f.path: `%r/env` is not absolute; write, for example, `/run/artifacts/good/f`",
    ),
    (
        r#"artifacts.store.good.dependencies = [ "ca" "per-machine/ctrl/id" ];"#,
        "artifacts.store.good.dependencies: a list names artifacts, but `per-machine/ctrl/id` is an instance; write `artifacts.store.good.dependencies = { ca = \"ca\"; id = \"per-machine/ctrl/id\"; };`",
    ),
    (
        r#"artifacts.store.good.dependencies = [ "ctrl/the id" ];"#,
        "artifacts.store.good.dependencies: a list names artifacts, but `ctrl/the id` is an instance; write `artifacts.store.good.dependencies = { \"the id\" = \"per-machine/ctrl/the id\"; };`",
    ),
    (
        r#"artifacts.store.good.dependencies.id = "ctrl/id";"#,
        "artifacts.store.good.dependencies: `ctrl/id` is not an instance; use per-machine/<machine>/<artifact>, per-user/<user>/<artifact> or shared/<artifact>",
    ),
    (
        r#"artifacts.store.good.dependencies."../id" = "per-machine/ctrl/id";"#,
        "artifacts.store.good.dependencies.\"../id\": `../id` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.good.dependencies."." = "per-machine/ctrl/id";"#,
        "artifacts.store.good.dependencies.\".\": `.` is not a valid name; use 1 to 200 bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`",
    ),
    (
        r#"artifacts.store.good = { backend = "dummy"; dependencies.id = "per-machine/ctrl/id"; };"#,
        "artifacts.store.good.dependencies: `per-machine/ctrl/id` is not on this target, where the generator runs (dummy); use a backend that stores the artifact, or set a testValue for each of its files",
    ),
    (
        r#"artifacts.store.good.dependencies = [ "good" ];"#,
        "artifacts.store.good.dependencies: it depends on itself; remove `good`",
    ),
    (
        r#"artifacts.store.good.dependencies.before = "good";"#,
        "artifacts.store.good.dependencies: it depends on itself; remove `before`",
    ),
    (
        r#"artifacts.store.good = { backend = "dummy"; files.f.neededFor = "users"; };"#,
        "artifacts.store.good.files.f.neededFor: backend `dummy` cannot deploy files before users are created; use \"services\", or another backend",
    ),
    (
        r#"artifacts.store.good.files = { f = { }; g = { secret = false; testValue = "known"; }; };"#,
        "artifacts.store.good.files.f.testValue: it is missing, but other files of this artifact have one; set it for all files or for none",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "srv-nas.mount" ];"#,
        "artifacts.store.good.bindUnits: `srv-nas.mount` is a mount; bind it in its own declaration: fileSystems.<where>.options = [ \"nofail\" \"x-systemd.requires=artifact-good.service\" ]; or, in systemd.mounts, bindsTo and after",
    ),
    (
        r#"artifacts.store.good.files.f.owner = "atticd";"#,
        "artifacts.store.good.files.f.owner: `atticd` is an unknown user, so the file will belong to root; declare users.users.atticd, or give the file to the service: artifacts.store.good.files.f.credentials",
    ),
    (
        r#"artifacts.store.good.files.f.group = "atticd";"#,
        "artifacts.store.good.files.f.group: `atticd` is an unknown group, so the file will belong to root; declare users.groups.atticd, or give the file to the service: artifacts.store.good.files.f.credentials",
    ),
    (
        "artifacts.config.agenix.publicUserKeys = lib.mkForce [ ]; artifacts.store.good.files.f.deploy = false;",
        "artifacts.store.good.files.f.deploy: it is false, but there are no admin keys; set artifacts.recipients.<name>",
    ),
    (
        r#"artifacts.recipients."alice smith" = "age1alice";"#,
        "artifacts.recipients: `alice smith` is not a valid name of a recipient; use letters, digits and ._@+-, beginning with a letter or a digit",
    ),
    (
        r#"artifacts.recipients = { alice = "age1alice"; bob = "age1bob"; }; artifacts.store.good.recipients = [ "bbo" ];"#,
        "artifacts.store.good.recipients: unknown recipient `bbo`; artifacts.recipients has alice, bob",
    ),
    (
        r#"artifacts.store.good.recipients = [ "alice" ];"#,
        "artifacts.store.good.recipients: unknown recipient `alice`; declare artifacts.recipients.alice",
    ),
    (
        r#"artifacts.store.good.files.g.value = "known";"#,
        "artifacts.store.good.files.g.value: a secret file has no value; remove it, or set artifacts.store.good.files.g.secret = false;",
    ),
    (
        "artifacts.store.good.backendConfig.agnix.publicUserKeys = [ ];",
        "artifacts.store.good.backendConfig.agnix: unknown backend `agnix`; use one of agenix, dummy, sops-nix",
    ),
    (
        r#"artifacts.store.good.backendConfig.sops-nix.format = "yaml";"#,
        "artifacts.store.good.backendConfig.sops-nix: it has no effect, because the artifact uses `agenix`; remove it, or set artifacts.store.good.backend = \"sops-nix\";",
    ),
    (
        "artifacts.store.good.backendConfig.agenix.identityPaths = [ ];",
        "artifacts.store.good.backendConfig.agenix.identityPaths: an artifact cannot set it; it has publicHostKey, publicUserKeys",
    ),
    (
        "artifacts.store.good.script = \"true\";",
        "artifacts.store.good.script: the artifact has a generator as well; remove one of them",
    ),
    (
        "artifacts.store.good.runtimeInputs = [ pkgs.openssl ];",
        "artifacts.store.good.runtimeInputs: nothing uses it; set artifacts.store.good.script, or remove it",
    ),
    (
        "artifacts.config.agnix.publicHostKey = \"age1host\";",
        "artifacts.config.agnix: unknown backend, so it has no effect; use one of agenix, dummy, sops-nix, register it (artifacts.backends.agnix), or remove it",
    ),
    (
        "artifacts.config.agenix.storeDir = \"sealed\";",
        "artifacts.config.agenix.storeDir: it has no effect; set artifacts.backends.agenix.storage = \"sealed\";, or remove it",
    ),
    (
        "artifacts.store.good.files.f.restartUnits = [ \"web.service\" ]; artifacts.targetPackage = lib.mkForce null;",
        "artifacts.targetPackage: restartUnits needs it, but it is not set; set it to the package, or use the overlay",
    ),
    (
        "artifacts.store.good.files.f.credentials.\"web.service\" = \"to:ken\"; systemd.services.web = { };",
        "artifacts.store.good.files.f.credentials.\"web.service\": `to:ken` is not a valid ID of a credential; use 1 to 255 printable ASCII characters without slash, backslash, colon and blanks at its ends, and not `.` or `..`",
    ),
    (
        "artifacts.store.good.files.f.credentials.\"web.socket\" = \"token\";",
        "artifacts.store.good.files.f.credentials.\"web.socket\": `web.socket` is not a service; write, for example, `web.service`",
    ),
    (
        "artifacts.store.good.files.f.credentials.\"web.service\" = \"token\";",
        "artifacts.store.good.files.f.credentials.\"web.service\": unknown unit `web.service`; fix the name, or declare `systemd.services.\"web\" = { };` if a package provides it",
    ),
    (
        "artifacts.store.good.files = { f.credentials.\"web.service\" = \"token\"; g.credentials.\"web.service\" = \"token\"; };
systemd.services.web = { };",
        "artifacts.store.good.files.f.credentials.\"web.service\": the service has the ID `token` from artifacts.store.good.files.f and artifacts.store.good.files.g; use another ID",
    ),
    (
        "artifacts.config.agenix.flakeStoreDir = ./elsewhere;",
        "artifacts.config.agenix.flakeStoreDir: the directory is not named `secrets`, as the storage is; set artifacts.root to the directory that contains it, and artifacts.backends.agenix.storage to its name",
    ),
    (
        "artifacts.root = lib.mkForce ./.; artifacts.config.agenix.flakeStoreDir = inputs.agenix;",
        "artifacts.config.agenix.flakeStoreDir: it is a complete flake; keep the files in its directory `secrets`, remove flakeStoreDir, set artifacts.root to that flake, and pass --root DIR with its checkout if it is another flake",
    ),
    (
        "artifacts.config.agenix.publicHostKey = lib.mkForce null;",
        "artifacts.hostKey is not set, so nothing can be encrypted for this target; needed by artifacts.store.good",
    ),
    (
        r#"artifacts.store.good.backend = "sops-nix"; artifacts.config.sops-nix.publicHostKey = "age1host";"#,
        "artifacts.config.sops-nix: sops-nix is not imported, so its files are not deployed; import sops-nix.nixosModules.sops, for artifacts.store.good",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good.backend = "sops-nix";"#,
        "artifacts.hostKey is not set, so nothing can be encrypted for this target; needed by artifacts.store.good",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good.backend = "sops-nix";
artifacts.config.sops-nix.publicHostKey = "ssh-rsa AAAA";"#,
        "artifacts.config.sops-nix.publicHostKey: sops-nix does not support ssh-rsa keys; use an ssh-ed25519 key or an age recipient",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; users.users.atticd = { };
artifacts.config.sops-nix.publicHostKey = "age1host";
artifacts.store.good = { backend = "sops-nix"; files.f = { neededFor = "users"; owner = "atticd"; }; };"#,
        "artifacts.store.good.files.f.owner: it is deployed before users exist; remove owner and group",
    ),
    (
        r#"imports = [ inputs.sops-nix.nixosModules.sops ]; artifacts.store.good = { backend = "sops-nix"; files.sops = { }; };
artifacts.config.sops-nix = { publicHostKey = "age1host"; format = "yaml"; };"#,
        "artifacts.store.good.files.sops: `sops` cannot be a key in a yaml file of sops; rename it, or set artifacts.config.sops-nix.format = \"binary\"",
    ),
    (
        "artifacts.root = lib.mkForce null;",
        "artifacts.root: it is not set, so stored files cannot be read; set `artifacts.root = ./.;` in the directory of the flake",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "atticd.service" ];"#,
        "artifacts.store.good.bindUnits: unknown unit `atticd.service`; fix the name, or declare `systemd.services.\"atticd\" = { };` if a package provides it",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "atticd" ];"#,
        "artifacts.store.good.bindUnits: `atticd` is not a unit that can be bound; write, for example, `atticd.service` (path, service, slice, socket, target, timer)",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "t@.service" ];"#,
        "artifacts.store.good.bindUnits: `t@.service` is a template; write its instances, for example `t@one.service`",
    ),
    (
        r#"artifacts.store.good.files.f.restartUnits = [ "t@.service" "t@one.service" "a.mount" ];"#,
        "artifacts.store.good.files.f.restartUnits: `t@.service` is not a complete unit name; write, for example, `web.service` or `web@one.service`",
    ),
    (
        r#"artifacts.store.good.files.f.reloadUnits = [ "w*.service" ];"#,
        "artifacts.store.good.files.f.reloadUnits: `w*.service` is not a complete unit name; write, for example, `web.service` or `web@one.service`",
    ),
    (
        r#"artifacts.store.good.files.f.restartUnits = [ "" ];"#,
        "artifacts.store.good.files.f.restartUnits: `` is not a complete unit name; write, for example, `web.service` or `web@one.service`",
    ),
    (
        r#"artifacts.store."éééééééééééééééééééééééééééééééééééééééé" = { inherit generator; files.f = { }; };"#,
        "artifacts.store.\"éééééééééééééééééééééééééééééééééééééééé\": its unit name, artifact-\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9\\xc3\\xa9.service, exceeds the systemd limit of 255 bytes; use a shorter artifact name",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "atticd.service" ]; systemd.services.atticd = { };
artifacts.targetPackage = lib.mkForce null;"#,
        "artifacts.targetPackage: bindUnits needs it, but it is not set; set it to the package, or use the overlay",
    ),
    (
        r#"artifacts.store.good.backend = "dummy"; artifacts.package = lib.mkForce null;"#,
        "artifacts.package: an on-target backend needs it, but it is not set; set it to the package, or use the overlay",
    ),
    (
        r#"users.users.atticd = { }; users.groups.atticd = { }; systemd.sysusers.enable = true;
artifacts.store.good = { backend = "dummy"; files.f = { neededFor = "users"; owner = "atticd"; }; };"#,
        "artifacts.store.good.files.f.owner: `atticd` does not exist yet when the file is generated; use root or a numeric ID",
    ),
    (
        r#"systemd.sysusers.enable = true; artifacts.store.other = { inherit generator; files.g = { }; };
artifacts.store.good = { backend = "dummy"; files.f.neededFor = "users"; dependencies = [ "other" ]; };"#,
        "artifacts.store.other.backend: an artifact that is generated before users exist depends on it, but `agenix` deploys it later; use an on-target backend for both",
    ),
];

/// What is found only when a system is built: that files are missing is what the command is there for. The machine is `web1`.
const MISSING: (&str, &str) = (
    "artifacts.store.good.files = { f = { }; g = { }; }; artifacts.store.other = { inherit generator; files.h = { }; };",
    "these files are not generated yet:\n  per-machine/web1/good/f.age\n  per-machine/web1/good/g.age\n  per-machine/web1/other/h.age\nrun: artifacts generate per-machine/web1/good per-machine/web1/other",
);

/// What each fault of a user's is, and what it must say.
const USERS: &[(&str, &str)] = &[
    (
        "artifacts.config.agenix.publicUserKeys = lib.mkForce [ ];",
        "artifacts.hostKey is not set, so nothing can be encrypted for this target; needed by artifacts.store.good",
    ),
    (
        r#"artifacts.store.good.backend = "sops-nix";"#,
        "artifacts.hostKey is not set, so nothing can be encrypted for this target; needed by artifacts.store.good",
    ),
    (
        r#"artifacts.store.good.backend = "sops-nix"; artifacts.config.sops-nix.publicUserKeys = [ "ssh-rsa AAAA" ];"#,
        "artifacts.config.sops-nix.publicUserKeys: sops-nix does not support ssh-rsa keys; use an ssh-ed25519 key or an age recipient",
    ),
    (
        r#"artifacts.store.good = { backend = "sops-nix"; files."<<" = { }; };
artifacts.config.sops-nix = { publicUserKeys = [ "age1user" ]; format = "yaml"; };"#,
        "artifacts.store.good.files.\"<<\": `<<` cannot be a key in a yaml file of sops; rename it, or set artifacts.config.sops-nix.format = \"binary\"",
    ),
    (
        r#"artifacts.store.good = { backend = "sops-nix"; files.x_unencrypted = { }; };
artifacts.config.sops-nix = { publicUserKeys = [ "age1user" ]; format = "json"; };"#,
        "artifacts.store.good.files.x_unencrypted: `x_unencrypted` cannot be a key in a json file of sops; rename it, or set artifacts.config.sops-nix.format = \"binary\"",
    ),
    (
        r#"artifacts.store.good.files.f.path = "$HOME/f";"#,
        "artifacts.store.good.files.f.path: `$HOME/f` is not absolute; write, for example, `/home/user/.local/state/artifacts/good/f`",
    ),
    (
        r#"artifacts.store.good.files.f.neededFor = "users";"#,
        "artifacts.store.good.files.f.neededFor: backend `agenix` cannot deploy files before users are created; use \"services\", or another backend",
    ),
    (
        "artifacts.root = lib.mkForce null;",
        "artifacts.root: it is not set, so stored files cannot be read; set `artifacts.root = ./.;` in the directory of the flake",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "mail.service" ];"#,
        "artifacts.store.good.bindUnits: unknown unit `mail.service`; fix the name, or declare `systemd.user.services.\"mail\" = { };` if a package provides it",
    ),
    (
        r#"artifacts.store.good.bindUnits = [ "mail.service" ]; systemd.user.services.mail = { };
artifacts.targetPackage = lib.mkForce null;"#,
        "artifacts.targetPackage: bindUnits needs it, but it is not set; set it to the package, or use the overlay",
    ),
    (
        r#"artifacts.store.good.backend = "dummy"; artifacts.package = lib.mkForce null;"#,
        "artifacts.package: an on-target backend needs it, but it is not set; set it to the package, or use the overlay",
    ),
];

/// A user for whom all is right but this.
fn user(name: &str, fault: &str) -> String {
    format!(
        r#"homeConfigurations."{name}" = inputs.home-manager.lib.homeManagerConfiguration {{
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default
            inputs.agenix.homeManagerModules.default inputs.sops-nix.homeManagerModules.sops
            ({{ lib, pkgs, ... }}: let generator = pkgs.writers.writeBash "g" "true"; in {{
              options = {{ xdg.configFile = lib.mkOption {{ }}; xdg.configHome = lib.mkOption {{ default = "/c"; }};
                systemd.user = lib.genAttrs [ "services" "sockets" "targets" "timers" "paths" "slices" ] (_: lib.mkOption {{
                  type = lib.types.attrsOf (lib.types.attrsOf lib.types.raw); default = {{ }}; }}); }};
              config = {{
                home.username = "{name}"; home.homeDirectory = "/home/user"; artifacts.root = ./.;
                artifacts.default.backend = "agenix"; artifacts.config.agenix.publicUserKeys = [ "age1user" ];
                artifacts.targetPackage = "/p"; artifacts.package = "/p";
                artifacts.store.good = {{ inherit generator; files.f = {{ }}; }}; }}; }})
            ({{ lib, pkgs, ... }}: let generator = pkgs.writers.writeBash "g" "true"; in {{ {fault} }}) ]; }};"#
    )
}

#[test]
fn every_fault_of_a_user_is_told_by_the_command_and_when_the_user_is_built() {
    let bench = Bench::new();
    bench.write("secrets/per-user/good/good/f.age", "sealed");
    let name = |number: usize| format!("u{number:02}");
    let users = USERS.iter().enumerate().map(|(number, (fault, _))| user(&name(number), fault));
    bench.flake(
        &(users.collect::<String>()
            + &user("good", "")
            + &user("grouped", r#"artifacts.store.good.files.f.group = "users";"#)),
    );
    let evaluation = bench.evaluate();
    for (number, (fault, expected)) in USERS.iter().enumerate() {
        let problems: Vec<_> = evaluation.problems.iter().filter(|one| one.target.as_str() == name(number)).collect();
        let [problem] = problems.as_slice() else { panic!("{fault}: {problems:?}") };
        assert_eq!(problem.message, *expected);
        let built = format!("homeConfigurations.{}.activationPackage.drvPath", name(number));
        let error = bench.try_eval(&built).unwrap_err().to_string();
        assert!(error.contains(&format!("artifacts: {expected}")), "{fault}: {error}");
    }
    assert!(evaluation.problems.iter().all(|problem| problem.target.as_str() != "good"), "{:?}", evaluation.problems);
    bench.eval("homeConfigurations.good.activationPackage.drvPath");
    // Home Manager gives nothing away to others: there is no such option.
    let flake = bench.flake_ref();
    let grouped = flake.targets().iter().find(|target| target.name == "grouped").unwrap();
    let owner = evaluation.spec.targets.iter().find(|target| target.name.as_str() == "grouped").unwrap();
    let why = flake.why_blocked(grouped, owner, "good").unwrap();
    assert!(why.contains("artifacts.store.good.files.f.group' does not exist"), "{why}");
}

/// The page with all of them.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/FAULTS.md");

fn page() -> String {
    let mut text = "# Configuration errors\n\nEach error with a declaration that causes it; the rest of the configuration is valid. Nix reports it when a \
        system is built, after\n`artifacts: `, and `artifacts status` and `artifacts generate` report it as well. An unknown owner or group causes a warning. Only the\ncommand \
        sees several targets, so it alone reports declarations of a shared artifact that differ: ``shared/ca: `files.secret` differs between one\n(nixos) and two (nixos): cert and none``,\n\
        and a dependency that nothing has: ``web1/tls: unknown dependency `ca`: not an artifact of web1 (nixos), and not a shared one``.\n\
        If the module of one backend is imported alone, artifacts of other backends are errors, too:\n`` artifacts.store.good.backend: no imported module deploys the files of `agenix`; import artifacts.nixosModules.agenix ``. \
        A test generates this page.\n"
        .to_owned();
    list(&mut text, FAULTS);
    text += "\n## Home Manager users\n\nThe same errors apply to Home Manager users, and these in addition. Home Manager reports them when it is built, at its activation.\n";
    list(&mut text, USERS);
    text += "\n## Errors at build time\n\nAll missing files at once. The command reports them as states instead.\n";
    list(&mut text, &[MISSING]);
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
    machine(name, &format!("{GOOD} {UNITS} {module}"))
}

#[test]
fn every_fault_is_told_by_the_command_and_by_nix() {
    let bench = Bench::new();
    let machines: Vec<String> =
        FAULTS.iter().enumerate().map(|(number, (fault, _))| faulty(&format!("m{number:02}"), fault)).collect();
    bench.flake(&machines.join("\n"));
    let evaluation = bench.evaluate();
    // Names that could leave their directory refuse the spec of their target; all others leave it usable.
    assert_eq!(evaluation.failures.len(), 8, "{:?}", evaluation.failures);
    for (number, (fault, expected)) in FAULTS.iter().enumerate() {
        let name = format!("m{number:02}");
        let problems: Vec<&EvaluationError> =
            evaluation.problems.iter().filter(|one| one.target.as_str() == name).collect();
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
        let ours = |one: &&&str| one.starts_with("artifacts: ") && !one.contains("these files are not generated yet");
        let said: Vec<_> = said.iter().filter(ours).collect();
        assert!(matches!(said.as_slice(), [one] if one.contains(expected)), "{fault}: {said:?}");
    }
}

/// Names and what is wrong with them: the table that the spec's own test reads as well.
const NAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../declared/tests/names.json");

#[test]
fn names_are_as_the_table_says() {
    let table: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(NAMES).unwrap()).unwrap();
    let table = table.as_array().unwrap();
    let expression = format!(
        "let lib = import {}; isName = import {}/modules/core/valid-name.nix lib; in map (case: isName case.name) (lib.importJSON {NAMES})",
        artifacts_tests::nix::Inputs::new().unwrap().path("nixpkgs/lib").display(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix"),
    );
    let output = std::process::Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr", &expression])
        .output()
        .unwrap();
    let found: Vec<bool> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(found.len(), table.len());
    for (case, is_name) in table.iter().zip(found) {
        assert_eq!(is_name, case.get("invalid").is_none(), "{case}");
    }
}

#[test]
fn no_admin_is_named_like_the_target() {
    let bench = Bench::new();
    let keys = |name: &str| faulty("web1", &format!(r#"artifacts.recipients.{name} = "age1x";"#));
    bench.flake(&keys("web1"));
    let problems = bench.evaluate().problems;
    let said = "artifacts.recipients.web1: a target has this name; choose another name for the recipient";
    assert!(matches!(problems.as_slice(), [one] if one.message == said), "{problems:?}");
    bench.flake(&keys("web2"));
    assert_eq!(bench.evaluate().problems, [], "that of another target is the command's to find");
}

#[test]
fn a_backend_that_does_not_know_of_admins_cannot_have_fewer() {
    let bench = Bench::new();
    let vault = r#"artifacts.backends.vault.component = "/vault.wasm"; artifacts.recipients.alice = "age1alice";
        artifacts.store.good = { backend = "vault"; recipients = [ "alice" ]; };"#;
    bench.flake(&faulty("web1", vault));
    let problems = bench.evaluate().problems;
    let said =
        "artifacts.store.good.recipients: backend `vault` cannot narrow recipients; remove it, or use another backend";
    assert!(matches!(problems.as_slice(), [one] if one.message == said), "{problems:?}");
}

#[test]
fn what_a_system_lacks_is_told_when_it_is_built() {
    let bench = Bench::new();
    let (declaration, expected) = MISSING;
    bench.flake(&faulty("web1", declaration));
    assert_eq!(bench.evaluate().problems, []);
    let function = "c: map (one: one.message) (builtins.filter (one: !one.assertion) c.assertions)";
    let said = bench.eval_json("nixosConfigurations.web1.config", function);
    assert_eq!(said, serde_json::json!([format!("artifacts: {expected}")]));
}

#[test]
fn good_declarations_have_none() {
    let bench = Bench::new();
    let own = r#"{ users.users.atticd = { }; users.groups.atticd = { };
      artifacts.store.good.files.g = { owner = "atticd"; group = "atticd"; neededFor = "users"; };
      artifacts.store.good.files.h = { owner = "1000"; group = "100"; mode = "440"; };
      # sops-nix is not imported.
      artifacts.store.good.files.i.path = "/run/secrets/i";
      artifacts.store.good.files.j.restartUnits = [ "x.service" "t@one.service" "a.mount" ];
      artifacts.store.good.bindUnits = [ "x.service" "t@one.service" "x.socket" "x.timer" "x.target" ];
      systemd = { services.x = { }; services."t@" = { }; sockets.x = { }; timers.x = { }; targets.x = { }; }; }"#;
    // As many bytes as a name may have: in UTF-8, and so that its unit's name fits, too.
    let longest = format!(
        r#"{{ artifacts.store.good.files."{}é" = {{ }}; artifacts.store.good.prompts."{}" = {{ }}; }}"#,
        "f".repeat(198),
        "p".repeat(200)
    );
    bench.flake(&machine("web1", &format!("{GOOD} {UNITS} {own} {longest}")));
    let evaluation = bench.evaluate();
    assert_eq!((evaluation.problems, evaluation.failures.len()), (vec![], 0));
}

#[test]
fn before_users_agenix_installs_files_by_a_script_or_by_a_unit_of_ours() {
    let bench = Bench::new();
    let needed = r#"{ artifacts.store.good.files.f.neededFor = "users"; artifacts.store.good.files.g = { };
      artifacts.store.good.files."it's".neededFor = "users"; age.identityPaths = [ "/etc/a key" ]; }"#;
    let by = |option: &str| format!("({{ lib, ... }}: {{ options.{option} = lib.mkOption {{ default = true; }}; }})");
    let machines = [
        ("script", String::new()),
        ("sysusers", "{ systemd.sysusers.enable = true; }".to_owned()),
        ("userborn", by("services.userborn.enable")),
    ];
    bench.flake(&machines.map(|(name, makes)| machine(name, &format!("{GOOD} {UNITS} {needed} {makes}"))).join("\n"));
    assert_eq!(bench.evaluate().problems, []);
    for name in ["script", "sysusers", "userborn"] {
        for file in ["f", "g", "it's"] {
            bench.write(&format!("secrets/per-machine/{name}/good/{file}.age"), file);
        }
        let config = format!("nixosConfigurations.{name}.config");
        let by_agenix = bench.eval_json(&format!("{config}.age.secrets"), "builtins.attrNames");
        let unit = bench.eval_json(&format!("{config}.systemd.services"), "s: s.artifacts-agenix-for-users or null");
        if name == "script" {
            assert_eq!(
                (by_agenix, unit),
                (serde_json::json!(["good/f", "good/g", "good/it's"]), serde_json::Value::Null)
            );
            continue;
        }
        assert_eq!(by_agenix, serde_json::json!(["good/g"]));
        let maker = if name == "sysusers" { "systemd-sysusers.service" } else { "userborn.service" };
        assert_eq!((&unit["before"][0], &unit["wantedBy"][0]), (&maker.into(), &maker.into()));
        let script = unit["script"].as_str().unwrap();
        let link =
            r"ln -sfnT '/run/artifacts-for-users/good/it'\\''s' '/run/artifacts/good/it'\\''s'".replace(r"\\", r"\");
        assert!(script.contains("in '/etc/a key'; do") && script.contains(&link), "{script}");
    }
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
    let expected = "- artifacts: these files are not generated yet:\nper-machine/web1/good/g.age\nper-machine/web1/with blank/x.age\n\
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
        r#"artifacts.store.good.files.f.path = throw "not yet"; artifacts.store.bare = { files.f = { }; prompts.p = { }; };"#,
    ));
    let problems = bench.evaluate().problems;
    assert!(problems.iter().any(|problem| problem.artifacts == ["bare"]), "{problems:?}");
}

#[test]
fn a_throwing_backend_and_computed_file_names_hide_no_fault_of_another_artifact() {
    let bench = Bench::new();
    for blocked in ["files.f = { }; backend = throw \"not yet\";", "files = throw \"not yet\";"] {
        let bare = "artifacts.store.bare = { files.f = { }; prompts.p = { }; };
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
fn faults_that_cannot_be_found_do_not_pass_for_none_and_hide_no_others() {
    let bench = Bench::new();
    let bare = "artifacts.store.bare = { files.f = { }; prompts.p = { }; };";
    let broken = r#"{ artifacts = [ ]; warning = false; message = throw "broken"; }"#;
    let whole = "lib.mkForce (throw \"broken\")";
    bench.flake(
        &[("one", format!("[ {broken} ]")), ("whole", whole.to_owned())]
            .map(|(name, problems)| faulty(name, &format!("{bare} artifacts.problems = {problems};")))
            .concat(),
    );
    let problems = bench.evaluate().problems;
    let of = |target: &str| {
        problems.iter().filter(|one| one.target.as_str() == target).map(|one| one.message.as_str()).collect::<Vec<_>>()
    };
    let untold = |target: &str| {
        format!(
            "cannot check the configuration of nixosConfigurations.{target}: evaluate its config.artifacts.problems to see why"
        )
    };
    let bare = "artifacts.store.bare.prompts.p: nothing uses the answer; set artifacts.store.bare.generator, or declare a file of this name: artifacts.store.bare.files.p = { };";
    let mut one = of("one");
    one.sort_unstable();
    assert_eq!(one, [bare, &untold("one")]);
    assert_eq!(of("whole"), [untold("whole")]);
    assert!(problems.iter().all(|one| !one.warning));
}

#[test]
fn a_users_directories_of_tools_are_the_users_own() {
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
    let own = [
        r"\${XDG_RUNTIME_DIR}/secrets.d/f",
        "%r/secrets.d/f",
        "/home/user/.config/sops-nix/secrets/f",
        "/run/secrets/f",
    ];
    let users = ["a", "b", "c", "d"].iter().zip(own).map(|(name, path)| user(name, path)).collect::<String>();
    bench.flake(&users);
    let problems = bench.evaluate().problems;
    let targets: Vec<_> = problems.iter().map(|problem| problem.target.as_str()).collect();
    assert_eq!(targets, ["a", "b", "c"], "{problems:?}");
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
                    artifacts.package = "/p"; artifacts.default.backend = "dummy";
                    artifacts.store.a = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "g" "true"; {more} }}; }}; }}) ]; }};"#
        )
    };
    bench.flake(&format!("{}{}", user("here", true, ""), user("nowhere", false, "")));
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
    let problems = evaluation.problems;
    let said = "artifacts.store.a.backend: `dummy` needs systemd units, but `systemd.user.enable` is false; use another \
                backend";
    assert!(
        matches!(problems.as_slice(), [one] if one.target.as_str() == "nowhere" && one.message == said),
        "{problems:?}"
    );

    // What is said to units has no effect there, and stops nothing.
    let to_units = r#"bindUnits = [ "x.service" ]; backend = "agenix"; files.f = { restartUnits = [ "x.service" ];
      credentials."x.service" = "x"; deploy = false; }; backendConfig.agenix.publicUserKeys = [ "age1x" ];"#;
    bench.flake(&user("nowhere", false, to_units));
    let problems = bench.evaluate().problems;
    let said: Vec<&str> = problems.iter().map(|one| one.message.as_str()).collect();
    let expected = ["bindUnits", "files.f.restartUnits", "files.f.credentials"];
    assert_eq!(
        said,
        expected.map(|option| format!(
            "artifacts.store.a.{option}: this user has no systemd units, so it has no effect; remove it"
        ))
    );
    assert!(problems.iter().all(|one| one.warning));

    // Nor can lines be added to a user's mount.
    bench.flake(&user("mounts", true, r#"bindUnits = [ "nas.mount" ];"#));
    let problems = bench.evaluate().problems;
    let said = "artifacts.store.a.bindUnits: `nas.mount` is a mount; bind it in its own declaration: \
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
    let said = "artifacts.store.good.backend: `dummy` needs systemd units, but nix-darwin has none of it; use another \
                backend";
    assert!(matches!(problems.as_slice(), [one] if one.message == said), "{problems:?}");
    bench.flake(&mac(
        r#"{ artifacts.store.good = { bindUnits = [ "x.service" ]; files.f.reloadUnits = [ "x.service" ]; }; }"#,
    ));
    let problems = bench.evaluate().problems;
    let said: Vec<(&str, bool)> = problems.iter().map(|one| (one.message.as_str(), one.warning)).collect();
    let none = |option: &str| {
        format!("artifacts.store.good.{option}: nix-darwin has no systemd units, so it has no effect; remove it")
    };
    assert_eq!(said, [(none("bindUnits").as_str(), true), (none("files.f.reloadUnits").as_str(), true)]);
    bench.flake(&mac("({ lib, ... }: { networking.hostName = lib.mkForce null; })"));
    let failures = bench.evaluate().failures;
    let said = format!("{failures:?}");
    assert!(said.contains("set artifacts.target to the name of this configuration in darwinConfigurations"), "{said}");
}
