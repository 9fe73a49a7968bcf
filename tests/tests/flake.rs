//! The main job from a flake: real Nix, a derivation that is realised, and age on what was stored.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::{Ran, stored};
use artifacts_tests::{nix, script};
use serde_json::json;

/// A machine with one artifact; `settings` are more of its module.
fn machine(name: &str, key: &str, settings: &str) -> String {
    format!(
        r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
          ({{ pkgs, ... }}: {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; artifacts.root = ./.;
            artifacts.default.backend = "agenix";
            artifacts.config.agenix.publicHostKey = "{key}";
            artifacts.store.own = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "g" "echo made for $machine > $out/f"; }};
            {settings}
          }})
        ]; }};"#
    )
}

#[test]
fn what_a_flake_declares_is_made_and_age_reads_it() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&machine("web1", &key, ""))?;
    checkout.run(&["status"])?.ends(3).says("absent web1/own");
    checkout.run(&["generate", "--accept-recipients"])?.ends(0).says("generated web1/own");
    assert_eq!(checkout.decrypt("web1", "secrets/per-machine/web1/own/f.age")?, "made for web1\n");
    checkout.run(&["generate"])?.ends(0).says("1 artifact: 1 unchanged");
    Ok(())
}

#[test]
fn a_standalone_users_files_are_made_though_home_manager_checks_all_before_it_gives_anything() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("alice")?;
    let home = |more: &str| {
        format!(
            r#"homeConfigurations.alice = inputs.home-manager.lib.homeManagerConfiguration {{
              pkgs = nixpkgs.legacyPackages.x86_64-linux;
              modules = [ inputs.artifacts.homeModules.default inputs.agenix.homeManagerModules.default
                ({{ pkgs, ... }}: {{ home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.root = ./.;
                  artifacts.default.backend = "agenix"; artifacts.config.agenix.publicUserKeys = [ "{key}" ];
                  artifacts.store.ssh = {{ files.key = {{ }}; generator = pkgs.writers.writeBash "g" "echo x > $out/key"; }};
                  {more} }}) ]; }};"#
        )
    };
    let built =
        || nix::nix(&checkout.path(), &["eval", "--raw", ".#homeConfigurations.alice.activationPackage.drvPath"]);
    checkout.flake(&home(""))?;
    let error = built().unwrap_err().to_string();
    assert!(error.contains("run: artifacts generate per-user/alice/ssh"), "{error}");
    checkout.run(&["generate", "--accept-recipients"])?.ends(0).says("generated alice/ssh");
    built()?;
    checkout.flake(&home("artifacts.store.bare = { files.f = { }; prompts.p = { }; };"))?;
    let fault = "artifacts.store.bare.prompts.p: nothing uses the answer";
    checkout.run(&["status", "--all"])?.says(fault).says("present alice/ssh");
    let error = built().unwrap_err().to_string();
    assert!(error.contains(fault), "{error}");
    Ok(())
}

#[test]
fn a_target_that_does_not_evaluate_stops_no_other_and_the_exit_status_tells() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    let broken = machine("web2", &key, "environment = throw \"this one is broken\";");
    checkout.flake(&(machine("web1", &key, "") + &broken))?;
    checkout
        .run(&["generate", "--accept-recipients"])?
        .ends(1)
        .says("web2")
        .says("this one is broken")
        .says("generated web1/own");
    assert_eq!(checkout.decrypt("web1", "secrets/per-machine/web1/own/f.age")?, "made for web1\n");
    let provision = |target| checkout.run(&["provision", "--dry-run", target, "/dev/shm/nowhere"]);
    provision("web1")?.ends(1).says("nothing to provision").never_says("this one is broken");
    provision("web2")?.ends(1).says("this one is broken");
    checkout.run(&["sops-config", "per-machine/web1/"])?.ends(0);
    checkout.run(&["backend", "list"])?.ends(1).says("agenix").says("this one is broken");
    Ok(())
}

#[test]
fn a_user_that_does_not_evaluate_stops_no_machine_and_loses_nothing() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    let user = |more: &str| {
        let alice = format!(
            r#"{{ pkgs, ... }}: {{ artifacts.config.agenix.publicUserKeys = [ "{key}" ]; {more}
               artifacts.store.ssh = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "s" "echo x > $out/f"; }}; }}"#
        );
        let users = format!(
            "imports = [ inputs.home-manager.nixosModules.home-manager ]; home-manager.users.alice = {alice};
             home-manager.sharedModules = [ inputs.artifacts.homeModules.default inputs.agenix.homeManagerModules.default ];"
        );
        machine("web1", &key, &users)
    };
    checkout.flake(&user(""))?;
    checkout
        .run(&["generate", "--accept-recipients"])?
        .ends(0)
        .says("generated web1/own")
        .says("generated alice@web1/ssh");
    let before = stored(&checkout.path())?;
    checkout.flake(&user("imports = [ inputs.none ];"))?;
    let ran = checkout.run(&["status", "--all"])?.ends(1).says("present web1/own");
    ran.says("home-manager alice@web1")
        .says("evaluating nixosConfigurations.web1, its user alice")
        .says("'none' missing");
    checkout.run(&["rotate", "--yes", "own"])?.ends(1).says("regenerated web1/own");
    checkout.run(&["prune", "--yes"])?.never_says("removed");
    let after = stored(&checkout.path())?;
    let alices = "per-user/alice@web1/ssh/f.age";
    assert!(before.contains_key(alices) && before.get(alices) == after.get(alices), "{:?}", after.keys());
    Ok(())
}

#[test]
fn a_target_that_does_not_evaluate_loses_neither_its_slices_nor_what_it_reads() -> Result<()> {
    let checkout = Checkout::new()?;
    let [web1, web2, admin] = ["web1", "web2", "admin"].map(|name| checkout.key(name));
    let [web1, web2, admin] = [web1?, web2?, admin?];
    let common = format!(
        r#"artifacts.config.agenix.publicUserKeys = [ "{admin}" ];
           artifacts.store.common = {{ shared = true; files.f = {{ }};
             generator = pkgs.writers.writeBash "c" "echo for all > $out/f"; }};"#
    );
    checkout.flake(&(machine("web1", &web1, &common) + &machine("web2", &web2, &common)))?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0).says("3 generated");
    let before = stored(&checkout.path())?;
    let broken = machine("web2", &web2, &format!("{common} environment = throw \"this one is broken\";"));
    checkout.flake(&(machine("web1", &web1, &common) + &broken))?;
    let key = checkout.key_file("admin");
    let key = key.to_str().unwrap();
    let cannot = "cannot determine its recipients: nixos web2 failed to evaluate";
    checkout.run(&["-i", key, "rekey", "--all", "shared/"])?.ends(1).says(cannot);
    checkout.run(&["rekey", "--all", "--dry-run", "shared/"])?.ends(1).says(cannot).never_says("would be");
    checkout.run(&["-i", key, "--accept-recipients", "rekey", "shared/common"])?.ends(1).says("this one is broken");
    checkout.run(&["rotate", "--yes", "common"])?.ends(1).says(cannot);
    let mut set = checkout.command(&["--accept-recipients", "set", "shared/common", "f"])?;
    fs::write(checkout.home().join("value"), "by hand")?;
    let set = set.stdin(fs::File::open(checkout.home().join("value"))?).output()?;
    assert!(!set.status.success() && String::from_utf8_lossy(&set.stderr).contains("web2 failed to"), "{set:?}");
    checkout.run(&["-i", key, "edit", "--dry-run", "shared/common", "f"])?.ends(1).says(cannot);
    checkout.run(&["prune", "--yes"])?.never_says("removed");
    assert_eq!(stored(&checkout.path())?, before);
    Ok(())
}

#[test]
fn what_a_renamed_target_takes_itself_for_is_kept() -> Result<()> {
    let checkout = Checkout::new()?;
    let keys = [checkout.key("web1")?, checkout.key("web2")?];
    let other = machine("web2", &keys[1], "");
    checkout.flake(&(machine("web1", &keys[0], "") + &other))?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0).says("2 generated");
    let before = stored(&checkout.path())?;
    let renamed = machine("web1", &keys[0], "").replace("nixosConfigurations.web1", "nixosConfigurations.prod-web1");
    checkout.flake(&(renamed.clone() + &other))?;
    for evaluation in [&["prune", "--yes"] as &[&str], &["prune", "--yes"]] {
        let ran = checkout.run(evaluation)?.ends(1).says("1 entry kept").never_says("removed");
        ran.says("nixosConfigurations.prod-web1: `artifacts.target` is `web1`")
            .says("artifacts.target = \"prod-web1\"")
            .says("`get` each file");
    }
    assert_eq!(stored(&checkout.path())?, before);
    // What is said to be another's is.
    let named = renamed.replace("artifacts.root", "artifacts.target = \"prod-web1\"; artifacts.root");
    checkout.flake(&(named + &other))?;
    checkout.run(&["prune", "--dry-run"])?.ends(0).says("would trash web1/own");
    Ok(())
}

#[test]
fn what_waits_for_nothing_is_a_mistake() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    let other = "artifacts.store.odd = { files.f = { }; backend = throw \"this one is odd\"; generator = ./.; };";
    checkout.flake(&machine("web1", &key, other))?;
    let ran = checkout.run(&["status"])?.ends(1).says("error web1/odd this one is odd");
    ran.says("absent web1/own").never_says("it waits");
    checkout.run(&["generate", "--accept-recipients"])?.ends(1).says("generated web1/own").says("this one is odd");
    Ok(())
}

#[test]
fn what_nix_says_besides_is_passed_on() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&machine("web1", &key, "artifacts.store.own.description = builtins.trace \"look here\" \"x\";"))?;
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert!(ran.stderr.contains("look here"), "{ran}");
    assert!(ran.json()["instances"].is_array());
    Ok(())
}

#[test]
fn a_flake_that_is_not_locked_says_so_in_one_line() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&format!("{}{}", machine("web1", &key, ""), machine("web2", &key, "")))?;
    checkout.run(&["status"])?.ends(3).never_says("nix flake lock");
    std::fs::remove_file(checkout.path().join("flake.lock"))?;
    checkout.commit()?;
    let ran = checkout.run(&["status"])?.ends(3).never_says("Added input");
    assert_eq!(ran.stderr.matches("run `nix flake lock`").count(), 1, "{ran}");
    Ok(())
}

#[test]
fn a_flake_without_artifacts_says_so() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.flake("packages = { };")?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(1).says("nixosConfigurations");
    assert!(!checkout.path().join("secrets").exists());
    Ok(())
}

#[test]
fn the_nix_store_is_never_written_to() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    // nixos-artifacts' option takes over the directory that it is in, which is the store itself for an input.
    let input = "artifacts.config.agenix.flakeStoreDir = inputs.agenix;";
    checkout.flake(&machine("web1", &key, input).replace("artifacts.root = ./.;", ""))?;
    for arguments in [&["status"] as &[&str], &["generate"], &["--root", ".", "generate"]] {
        let ran =
            checkout.run(arguments)?.ends(1).says("artifacts.config.agenix.flakeStoreDir: it is a complete flake");
        ran.says("set artifacts.root to that flake").never_says("generated web1");
    }
    assert!(!checkout.path().join("secrets").exists());
    Ok(())
}

#[test]
fn a_root_in_the_nix_store_is_refused() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&machine("web1", &key, ""))?;
    // A store of this test's own: what is wrong with the program must not be written into a real one.
    let home = fs::canonicalize(checkout.home())?;
    let (store, var) = (home.join("own/store"), home.join("var"));
    let source = store.join("0-source");
    fs::create_dir_all(&source)?;
    let spec = checkout.home().join("spec.json");
    let key = json!({"publicHostKey": key});
    let artifact = json!({"backend": "agenix", "files": {"f": {}}, "generator": {"path": "/bin/true"}});
    let target = json!({"kind": "nixos", "name": "web1", "system": null, "config": {"agenix": key}, "artifacts": {"own": artifact}});
    fs::write(&spec, json!({"schema": 1, "root": null, "backends": {}, "targets": [target]}).to_string())?;
    for root in [&store, &source] {
        let words = ["--spec", spec.to_str().unwrap(), "--root", root.to_str().unwrap(), "generate"];
        let mut command = checkout.command(&words)?;
        let ran: Ran = command.env("NIX_STORE_DIR", &store).env("NIX_STATE_DIR", &var).output()?.into();
        ran.ends(1).says("in the Nix store, which is read-only");
        assert!(!root.join("secrets").exists());
    }
    Ok(())
}

/// Puts another program in front of the real Nix; it finds that as `$REAL`.
fn with_nix(checkout: &Checkout, script: &str) -> Result<artifacts_tests::fleet::Ran> {
    let tools = tempfile::tempdir()?;
    let file = tools.path().join("nix");
    script::write(&file, script.replace("$REAL", &nix::program("nix")?.display().to_string()))?;
    let mut command = checkout.command(&["--no-eval-cache", "generate", "--accept-recipients"])?;
    let path = nix::search_path()?;
    Ok(command.env("PATH", format!("{}:{}", tools.path().display(), path.display())).output()?.into())
}

#[test]
fn half_an_answer_is_never_taken() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&machine("web1", &key, ""))?;
    let halved = "#!/bin/bash\nset -o pipefail\nfor word; do [ \"$word\" = eval ] && eval=1; done\n\
                  [ \"$eval\" ] || exec $REAL \"$@\"\n$REAL \"$@\" > \"$TMPDIR/x.$$\" || exit\n\
                  head -c $(($(stat -c %s \"$TMPDIR/x.$$\") / 2)) \"$TMPDIR/x.$$\"\n";
    let ran = with_nix(&checkout, &halved.replace("$TMPDIR", &checkout.home().display().to_string()))?.ends(1);
    assert!(ran.stderr.contains("Nix") || ran.stderr.contains("nix"), "{ran}");
    assert!(!checkout.path().join("secrets").exists());
    Ok(())
}

#[test]
fn without_nix_it_says_what_is_missing() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.flake(&machine("web1", &key, ""))?;
    let empty = tempfile::tempdir()?;
    let ran = checkout.command(&["status"])?.env("PATH", empty.path()).output()?;
    let ran = artifacts_tests::fleet::Ran::from(ran).ends(1).says("nix");
    assert!(ran.stderr.contains("hint:"), "{ran}");
    Ok(())
}

#[test]
fn secrets_in_a_private_input_are_written_where_the_person_says() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    let secrets = tempfile::tempdir()?;
    fs::write(secrets.path().join("README"), "private")?;
    let inputs = nix::Inputs::new()?;
    let lock = || {
        let input =
            format!("inputs.secrets.url = \"path:{}\"; inputs.secrets.flake = false;", secrets.path().display());
        let machine = machine("web1", &key, "").replace("artifacts.root = ./.;", "artifacts.root = inputs.secrets;");
        let outputs = format!("inputs: let inherit (inputs) nixpkgs; in {{ {machine} }}");
        let _ = fs::remove_file(checkout.path().join("flake.lock"));
        inputs.flake_with(&checkout.path(), &input, &outputs)
    };
    lock()?;
    checkout.commit()?;
    checkout.run(&["generate"])?.ends(1).says("is in an input of the flake").says("--root DIR");
    let root = secrets.path().to_string_lossy();
    checkout.run(&["--root", &root, "--accept-recipients", "generate"])?.ends(0).says("generated web1/own");
    assert!(!checkout.path().join("secrets").exists(), "nothing lies in the flake");
    let stored = secrets.path().join("secrets/per-machine/web1/own/f.age");
    assert!(fs::read_to_string(&stored)?.starts_with("-----BEGIN AGE"));
    checkout.run(&["--root", &root, "status"])?.ends(0).says("present");

    // Once the input is locked anew, Nix reads what was stored there.
    lock()?;
    let file = ".#nixosConfigurations.web1.config.age.secrets.\"own/f\".file";
    let read = nix::nix(&checkout.path(), &["eval", "--raw", file])?;
    assert_eq!(fs::read(read)?, fs::read(stored)?);
    Ok(())
}

#[test]
fn generators_are_found_in_a_store_that_is_not_where_its_paths_say() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    checkout.write("gen.sh", "#!/bin/sh\necho plain > $out/f\n")?;
    fs::set_permissions(checkout.path().join("gen.sh"), fs::Permissions::from_mode(0o755))?;
    // One is built, and a link to another store path; one is a file of the flake.
    let plain = "artifacts.store.plain = { files.f = { }; generator = ./gen.sh; };";
    checkout.flake(&machine("web1", &key, plain))?;
    let root = checkout.home().join("a store");
    let store = format!("local?root={}", root.display());
    // Such a store is built for in a root of its own, which has nothing that is not named.
    let system = ["/bin", "/usr", "/lib", "/lib64"].into_iter().filter(|dir| Path::new(dir).exists());
    let system = system.collect::<Vec<_>>().join(" ");
    let settings = ["--store", &store, "--option", "sandbox-paths", &system];
    let run = |command: &[&str]| {
        let settings = settings.iter().flat_map(|word| ["--nix-arg", word]);
        checkout.run(&settings.chain(command.iter().copied()).collect::<Vec<_>>())
    };
    run(&["generate", "--accept-recipients"])?.ends(0).says("generated web1/own").says("generated web1/plain");
    assert_eq!(checkout.decrypt("web1", "secrets/per-machine/web1/own/f.age")?, "made for web1\n");
    assert_eq!(checkout.decrypt("web1", "secrets/per-machine/web1/plain/f.age")?, "plain\n");
    let generators = fs::read_dir(root.join("nix/store"))?.flatten();
    assert!(generators.filter(|path| path.file_name().to_string_lossy().ends_with("-g-script")).count() > 0);

    // What was evaluated is known as long as it is there.
    run(&["status"])?.ends(0).says("present");
    checkout.evaluated()?;
    run(&["status"])?.ends(0).says("present");
    assert_eq!(checkout.evaluated()?, [""; 0]);
    Ok(())
}

#[test]
fn the_command_that_a_build_prints_makes_what_is_inside_a_machine() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("admin")?;
    let base = format!(
        r#"({{ imports = [ inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default ];
             artifacts = {{ root = ./.; default.backend = "agenix"; hostKey = "{key}"; }}; }})"#
    );
    let made = |name: &str| {
        format!(
            "({{ pkgs, ... }}: {{ artifacts.store.{name} = {{ files.f = {{ }}; generator = pkgs.writers.writeBash \"g\" \"echo x > $out/f\"; }}; }})"
        )
    };
    let machine = format!(
        r#"nixosConfigurations.web1 = nixpkgs.lib.nixosSystem {{ modules = [ {base} {own}
          {{ networking.hostName = "web1"; nixpkgs.hostPlatform = "x86_64-linux";
            specialisation.game.configuration.imports = [ {game} ];
            containers.db.config.imports = [ {base} {own} ];
            microvm.vms."a vm".config = {{ imports = [ {base} {own} ]; networking.hostName = "vm"; }}; }} ]; }};"#,
        own = made("own"),
        game = made("game"),
    );
    checkout.flake(&machine)?;
    let configuration = "nixosConfigurations.web1.config";
    for (inside, instance) in [
        ("", "per-machine/web1/own"),
        (".specialisation.game.configuration", "per-machine/web1/game"),
        (".containers.db.config", "per-machine/db/own"),
        (".microvm.vms.\"a vm\".config.config", "per-machine/vm/own"),
    ] {
        let build = format!(".#{configuration}{inside}.system.build.toplevel.drvPath");
        let said = nix::nix(&checkout.path(), &["eval", "--raw", &build]).unwrap_err().to_string();
        let command = said.split("run: artifacts ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        assert_eq!(command.trim(), format!("generate {instance}"));
        let words: Vec<&str> = command.split_whitespace().collect();
        checkout.run(&[&["--accept-recipients"], words.as_slice()].concat())?.ends(0);
        checkout.commit()?;
        assert!(nix::nix(&checkout.path(), &["eval", "--raw", &build]).is_ok(), "{inside}");
    }
    checkout.run(&["status"])?.ends(0).says("4 artifacts: 4 present");
    Ok(())
}
