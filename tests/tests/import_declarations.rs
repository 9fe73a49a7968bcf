//! The first half of `artifacts import`: what another tool has becomes a module, which real Nix evaluates.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::other_tools::{self, BINARY, OURS, THEIRS, machine, sops};
use artifacts_tests::{fleet, nix};

/// Encrypts a value with age itself.
fn age(checkout: &Checkout, recipients: &[&str], file: &str) -> Result<()> {
    other_tools::age(checkout, recipients, file, "as it was")
}

/// Evaluates what a target declares.
fn declared(checkout: &Checkout, target: &str, expression: &str) -> Result<String> {
    let what = format!(".#nixosConfigurations.{target}.config.artifacts");
    let function = format!("artifacts: {expression}");
    Ok(nix::nix(&checkout.path(), &["eval", "--json", &what, "--apply", &function])?.trim().to_owned())
}

#[test]
fn secrets_of_agenix_are_declared_by_what_is_printed() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, web2, alice, bob) =
        (checkout.key("web1")?, checkout.key("web2")?, checkout.key("alice")?, checkout.key("bob")?);
    age(&checkout, &[&web1, &alice], "secrets/attic.age")?;
    age(&checkout, &[&web1, &web2, &alice, &bob], "secrets/ca.age")?;
    checkout.write(
        "secrets/secrets.nix",
        &format!(
            "let\n  alice = \"{alice}\";\n  bob = \"{bob}\";\n  web1 = \"{web1}\";\n  web2 = \"{web2}\";\nin\n{{\n  \
             \"attic.age\".publicKeys = [ alice web1 ];\n  \"ca.age\".publicKeys = [ alice bob web1 web2 ];\n}}\n"
        ),
    )?;
    let attic = "age.secrets.attic = { file = ./secrets/attic.age; owner = \"atticd\"; mode = \"u=r,g=r\"; };
                 services.attic = config.age.secrets.attic.path;";
    let ca = "age.secrets.ca.file = ./secrets/ca.age;";
    let flake = |ours: &str, settings: &str| {
        let option = "options.services.attic = lib.mkOption { default = null; };";
        let modules = format!("{THEIRS} {ours} ({{ lib, ... }}: {{ {option} }})");
        machine("web1", &modules, &format!("{attic} {ca} {settings}"))
            + &machine("web2", &modules, &format!("{ca} {settings}"))
    };

    // Nothing of ours is imported yet.
    checkout.flake(&flake("", ""))?;
    let printed = checkout
        .run(&["import", "agenix"])?
        .ends(0)
        .says("config.age.secrets.attic.path -> config.artifacts.store.attic.files.attic.path")
        .says("flake.nix:");
    let ran = checkout.run(&["import", "agenix", "--write", "imported.nix"])?.ends(0).says("import it");
    assert!(!ran.stdout.contains("machines"), "{ran}");
    let module = fs::read_to_string(checkout.path().join("imported.nix"))?;
    assert_eq!(module, printed.stdout);

    // What a person wrote is not replaced.
    checkout.write("mine.nix", "mine")?;
    checkout.run(&["import", "agenix", "--write", "mine.nix"])?.ends(1).says("File exists");
    assert_eq!(fs::read_to_string(checkout.path().join("mine.nix"))?, "mine");
    checkout.run(&["import", "agenix", "--dry-run", "--write", "none.nix"])?.ends(0);
    assert!(!checkout.path().join("none.nix").exists());

    let ours = format!("{OURS} ./imported.nix");
    checkout.flake(&flake(&ours, "artifacts.root = ./.;"))?;
    let facts = "{ inherit (artifacts) hostKey recipients; attic = artifacts.store.attic.recipients; \
                 inherit (artifacts.store.attic.files.attic) owner mode; ca = artifacts.store.ca.shared; }";
    let found: serde_json::Value = serde_json::from_str(&declared(&checkout, "web1", facts)?)?;
    let expected = serde_json::json!({ "hostKey": web1, "recipients": { "alice": alice, "bob": bob },
        "attic": ["alice"], "owner": "atticd", "mode": "0440", "ca": true });
    assert_eq!(found, expected);
    let status = checkout.run(&["--json", "status"])?;
    for instance in ["per-machine/web1/attic", "shared/ca"] {
        assert_eq!(status.state(instance), "absent");
    }

    // The values follow, and nothing of the other tool changes.
    let before = fs::read(checkout.path().join("secrets/attic.age"))?;
    let key = checkout.key_file("alice");
    let key = key.to_str().unwrap();
    checkout.run(&["import", "agenix", "--dry-run"])?.ends(3);
    assert!(!checkout.path().join("secrets/per-machine").exists());
    let ran = checkout.run(&["-i", key, "--accept-recipients", "import", "agenix"])?.ends(0).says("imported");
    ran.says("remove these before you deploy: age.secrets.attic age.secrets.ca");
    assert_eq!(checkout.run(&["-i", key, "get", "web1/attic"])?.ends(0).stdout, "as it was");
    assert_eq!(checkout.run(&["-i", key, "get", "ca"])?.ends(0).stdout, "as it was");
    checkout.run(&["status"])?.ends(0);
    let stored = fleet::stored(&checkout.path())?;
    let json = checkout.run(&["--json", "-i", key, "import", "agenix"])?.ends(0).json();
    assert_eq!(json["import"]["removable"], serde_json::json!(["age.secrets.attic", "age.secrets.ca"]));
    assert_eq!(json["import"]["module"], serde_json::Value::Null);
    let schema = checkout.run(&["schema", "report"])?.ends(0).json();
    assert!(jsonschema::is_valid(&schema, &json), "{json:#}");
    assert_eq!(fleet::stored(&checkout.path())?, stored);
    assert_eq!(fs::read(checkout.path().join("secrets/attic.age"))?, before);

    // What has another value by now is not said to be stored.
    age(&checkout, &[&web1, &alice], "secrets/attic.age")?;
    let json = checkout.run(&["--json", "-i", key, "import", "agenix"])?.ends(0).json();
    assert_eq!(json["import"]["removable"], serde_json::json!(["age.secrets.ca"]));
    assert_eq!(json["import"]["uncompared"], serde_json::json!(["age.secrets.attic"]));
    checkout.run(&["import", "agenix"])?.ends(0).says("not compared");
    Ok(())
}

#[test]
fn a_secret_of_a_specialisation_alone_is_declared_for_its_machine() -> Result<()> {
    let checkout = Checkout::new()?;
    let web1 = checkout.key("web1")?;
    for name in ["own", "dark"] {
        age(&checkout, &[&web1], &format!("secrets/{name}.age"))?;
    }
    let settings = r#"age.secrets.own.file = ./secrets/own.age;
        specialisation.dark.configuration.age.secrets.dark.file = ./secrets/dark.age;
        specialisation.broken.configuration = throw "it is broken";"#;
    checkout.flake(&machine("web1", THEIRS, settings))?;
    let ran = checkout.run(&["import", "agenix", "--write", "imported.nix"])?.ends(0);
    let ran = ran.says("web1: age.secrets.dark: only nixosConfigurations.web1, its specialisation dark has it");
    ran.says("nixosConfigurations.web1, its specialisation broken: it does not evaluate");
    let module = fs::read_to_string(checkout.path().join("imported.nix"))?;
    assert!(module.contains("files.dark = { };") && module.contains("files.own = { };"), "{module}");
    Ok(())
}

#[test]
fn nothing_of_a_data_file_becomes_code_in_what_is_printed() -> Result<()> {
    let checkout = Checkout::new()?;
    let odd = "age1x\\u001b${builtins.readFile /etc/hostname}";
    let sops =
        format!(r#"{{"data": "ENC[x]", "sops": {{"age": [{{"recipient": "{odd}"}}, {{"recipient": "age1fine"}}]}}}}"#);
    checkout.write("tls.json", &sops)?;
    let tls =
        r#"sops.secrets.tls = { sopsFile = ./tls.json; format = "binary"; restartUnits = [ "a\u{1b}${"$"}{x}" ]; };"#;
    checkout.flake(&machine("web1", THEIRS, &tls.replace("\\u{1b}", "\u{1b}")))?;
    let ran = checkout.run(&["import", "sops"])?.ends(0).says("hidden character").says("restartUnits");
    assert!(!ran.stdout.contains("${builtins") && !ran.stdout.contains("${x}"), "{ran}");
    assert!(ran.stdout.contains("age1fine") && !ran.stdout.contains("hostname"), "{ran}");
    Ok(())
}

#[test]
fn a_file_of_sops_with_several_keys_is_one_artifact() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, admin) = (checkout.key("web1")?, checkout.key("admin")?);
    let both = [web1.as_str(), &admin];
    sops(&checkout, &both, &[], "attic: a\nmail: b\nunused: c\nweb:\n    token: d\n", "secrets/web1.yaml")?;
    sops(&checkout, &both, &BINARY, "key", "secrets/tls.key")?;
    checkout.write(".sops.yaml", &format!("keys:\n  - &admin {admin}\n  - &host_web1 {web1}\n"))?;
    let settings = r#"
        sops.defaultSopsFile = ./secrets/web1.yaml;
        sops.secrets.attic = { restartUnits = [ "attic.service" ]; };
        sops.secrets.mail-password = { key = "mail"; neededForUsers = true; };
        sops.secrets."web/token" = { };
        sops.secrets.tls = { sopsFile = ./secrets/tls.key; format = "binary"; mode = "0440"; };"#;
    checkout.flake(&machine("web1", THEIRS, settings))?;
    let ran = checkout.run(&["import", "sops", "--write", "imported.nix"])?.ends(0);
    let ran = ran.says("config.sops.secrets.mail-password.path -> config.artifacts.store.web1.files.mail.path");
    ran.says("no option declares unused");
    let ours = r#"artifacts.root = ./.; artifacts.default.backend = "sops-nix";"#;
    checkout.flake(&machine("web1", &format!("{THEIRS} {OURS} ./imported.nix"), &format!("{settings} {ours}")))?;
    let facts = "{ format = artifacts.store.web1.backendConfig.sops-nix.format; inherit (artifacts) hostKey recipients; \
                 inherit (artifacts.store.web1.files.attic) restartUnits; inherit (artifacts.store.web1.files.mail) neededFor; \
                 inherit (artifacts.store.tls.files.tls) mode; }";
    let found: serde_json::Value = serde_json::from_str(&declared(&checkout, "web1", facts)?)?;
    let expected = serde_json::json!({ "format": "yaml", "hostKey": web1, "recipients": { "admin": admin },
        "restartUnits": ["attic.service"], "neededFor": "users", "mode": "0440" });
    assert_eq!(found, expected);
    let status = checkout.run(&["--json", "status"])?;
    assert_eq!(status.state("per-machine/web1/web1"), "absent");
    assert_eq!(status.state("per-machine/web1/tls"), "absent");
    let key = checkout.key_file("admin");
    let key = key.to_str().unwrap();
    // A value below another key is one of the file's; what the first run said of the others is not said again.
    let ran = checkout.run(&["-i", key, "--accept-recipients", "import", "sops"])?.ends(0);
    ran.says("; -v shows them").never_says("no option declares unused");
    let verbose = checkout.run(&["-v", "import", "sops", "--dry-run"])?;
    verbose.says("no option declares unused");
    for (file, value) in [("attic", "a"), ("mail", "b"), ("web-token", "d")] {
        assert_eq!(checkout.run(&["-i", key, "get", "web1/web1", file])?.ends(0).stdout, value);
    }
    assert_eq!(checkout.run(&["-i", key, "get", "web1/tls"])?.ends(0).stdout, "key");
    checkout.run(&["status"])?.ends(0);
    checkout.run(&["import", "sops"])?.ends(0);
    Ok(())
}

#[test]
fn no_name_says_more_in_the_module_than_in_the_other_tool() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    age(&checkout, &[&key], "secrets/a.age")?;
    let settings = r#"artifacts.root = ./.; age.secrets."a''\${throw \"x\"}\" = 1; rec" = { file = ./secrets/a.age; path = "/x/\${y}"; };"#;
    checkout.flake(&machine("web1", &format!("{THEIRS} {OURS}"), settings))?;
    let printed = checkout.run(&["import", "agenix", "--write", "imported.nix"])?.ends(0);
    printed.says("1 artifact");
    checkout.flake(&machine("web1", &format!("{THEIRS} {OURS} ./imported.nix"), settings))?;
    let names = declared(&checkout, "web1", "builtins.attrNames artifacts.store")?;
    assert_eq!(names, r#"["a''${throw \"x\"}\" = 1; rec"]"#);
    let path = declared(
        &checkout,
        "web1",
        "map (a: map (f: f.path) (builtins.attrValues a.files)) (builtins.attrValues artifacts.store)",
    )?;
    assert_eq!(path, r#"[["/x/${y}"]]"#);
    Ok(())
}

#[test]
fn rules_with_a_private_key_or_a_way_out_are_refused_and_others_go_on() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    age(&checkout, &[&key], "secrets/a.age")?;
    let settings = "age.secrets.a.file = ./secrets/a.age;";
    let rules = |text: &str| -> Result<_> {
        checkout.write("secrets.nix", text)?;
        checkout.flake(&machine("web1", THEIRS, settings))?;
        checkout.run(&["import", "agenix"])
    };
    let private = rules("{ \"secrets/a.age\".publicKeys = [ \"AGE-SECRET-KEY-1ABC\" ]; }")?.ends(1);
    private.says("secrets.nix: there is a private key in line 1").never_says("1ABC");
    let outside = rules(&format!("{{ \"../../a.age\".publicKeys = [ \"{key}\" ]; }}"))?.ends(1);
    outside.says("`../../a.age` leaves the directory of the flake");
    rules("{ \"a.age\".publicKeys = [ (builtins.readFile /etc/passwd) ]; }")?.ends(1).says("secrets.nix");
    rules("{ broken")?.ends(1).says("secrets.nix").says("syntax error");
    let ran = rules("throw \"mine\"")?.ends(1).says("mine");
    // The secrets themselves are found all the same.
    assert!(ran.stdout.contains("files.a = { };"), "{ran}");
    Ok(())
}

#[test]
fn what_is_no_file_of_the_checkout_is_named_and_left() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    age(&checkout, &[&key], "secrets/a.age")?;
    checkout.write("secrets/plain.age", "a password")?;
    std::os::unix::fs::symlink("a.age", checkout.path().join("secrets/link.age"))?;
    let settings = r#"
        age.secrets.a.file = ./secrets/a.age;
        age.secrets.copied.file = "${./secrets/a.age}";
        age.secrets.plain.file = ./secrets/plain.age;
        age.secrets.link.file = ./secrets/link.age;
        age.secrets.gone.file = ./secrets/gone.age;
        age.secrets.broken.file = throw "no file";
        age.secrets.half = { file = ./secrets/a.age; owner = throw "no owner"; };"#;
    checkout.flake(&machine("web1", THEIRS, settings))?;
    let ran = checkout.run(&["import", "agenix"])?.ends(0);
    let ran = ran.says("age.secrets.copied: `").says("is not in the directory of the flake");
    let ran = ran
        .says("age.secrets.plain: secrets/plain.age: not an age file")
        .says("link.age: it is not a regular file")
        .says("gone.age: No such file");
    let ran =
        ran.says("age.secrets.broken: its file does not evaluate").says("age.secrets.half: does not evaluate: owner");
    let ran = ran.says("age.secrets.half: it has the value of `a`");
    assert!(ran.stdout.contains("files.a = { };") && !ran.stdout.contains("plain"), "{ran}");
    let json = checkout.run(&["--json", "import", "agenix"])?.ends(0).json();
    assert_eq!(json["import"]["module"].as_str().unwrap(), ran.stdout);
    assert_eq!(json["import"]["remarks"].as_array().unwrap().len(), 9, "{json}");
    Ok(())
}

#[test]
fn users_have_a_part_of_their_own_in_the_module() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    age(&checkout, &[&key], "secrets/a.age")?;
    age(&checkout, &[&key], "secrets/ssh.age")?;
    let users = |ours: &str| {
        format!(
            "imports = [ inputs.home-manager.nixosModules.home-manager ];
             home-manager.sharedModules = [ inputs.agenix.homeManagerModules.default {ours} ];
             home-manager.users.alice.age.secrets.ssh.file = ./secrets/ssh.age;
             age.secrets.a.file = ./secrets/a.age;"
        )
    };
    checkout.flake(&machine("web1", THEIRS, &users("")))?;
    checkout.run(&["import", "agenix", "--write", "imported.nix"])?.ends(0);
    let ours = users("inputs.artifacts.homeModules.default ./imported.nix")
        + &format!(
            "artifacts.root = ./.; artifacts.hostKey = \"{key}\"; home-manager.users.alice.artifacts.hostKey = \"{key}\";"
        );
    checkout.flake(&machine("web1", &format!("{THEIRS} {OURS} ./imported.nix"), &ours))?;
    let status = checkout.run(&["--json", "status"])?;
    assert_eq!(status.state("per-machine/web1/a"), "absent");
    assert_eq!(status.state("per-user/alice@web1/ssh"), "absent");
    Ok(())
}

#[test]
fn sources_and_copies_of_agenix_rekey_are_declared() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, master) = (checkout.key("web1")?, checkout.key("master")?);
    age(&checkout, &[&master], "secrets/attic.age")?;
    age(&checkout, &[&master], "secrets/local.age")?;
    age(&checkout, &[&web1], "rekeyed/web1/0123-local.age")?;
    let option = "{ lib, ... }: { options.age = { rekey = lib.mkOption { default = { }; type = lib.types.raw; };
        secrets = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule { options = {
          rekeyFile = lib.mkOption { default = null; }; intermediary = lib.mkOption { default = false; };
          generator = lib.mkOption { default = null; }; }; }); }; }; }";
    let modules = format!("{THEIRS} ({option})");
    let settings = format!(
        r#"age.rekey = {{ hostPubkey = "{web1}"; masterIdentities = [ {{ identity = "/x"; pubkey = "{master}"; }} ]; }};
           age.secrets.attic = {{ rekeyFile = ./secrets/attic.age; file = "/nix/store/none/attic.age"; generator.script = "alnum"; }};
           age.secrets.local = {{ rekeyFile = ./secrets/local.age; file = ./rekeyed/web1/0123-local.age; intermediary = true; }};"#
    );
    checkout.flake(&machine("web1", &modules, &settings))?;
    let ran = checkout.run(&["import", "agenix-rekey", "--write", "imported.nix"])?.ends(0);
    ran.says("age.secrets.attic: its generator is not imported");
    let ours = format!("{settings} artifacts.root = ./.;");
    checkout.flake(&machine("web1", &format!("{modules} {OURS} ./imported.nix"), &ours))?;
    let facts = "{ inherit (artifacts) hostKey; keys = builtins.attrValues artifacts.recipients; \
                 inherit (artifacts.store.local.files.local) deploy; }";
    let found: serde_json::Value = serde_json::from_str(&declared(&checkout, "web1", facts)?)?;
    assert_eq!(found, serde_json::json!({ "hostKey": web1, "keys": [master], "deploy": false }));
    let status = checkout.run(&["--json", "status"])?;
    for instance in ["per-machine/web1/attic", "per-machine/web1/local"] {
        assert_eq!(status.state(instance), "absent");
    }
    let keys = ["master", "web1"].map(|name| checkout.key_file(name).to_str().unwrap().to_owned());
    checkout.run(&["-i", &keys[0], "-i", &keys[1], "--accept-recipients", "import", "agenix-rekey"])?.ends(0);
    for instance in ["web1/attic", "web1/local"] {
        assert_eq!(checkout.run(&["-i", &keys[0], "get", instance])?.ends(0).stdout, "as it was");
    }
    checkout.run(&["status"])?.ends(0);
    Ok(())
}

#[test]
fn vars_of_clan_are_declared() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, web2, user) = (checkout.key("web1")?, checkout.key("web2")?, checkout.key("user")?);
    sops(&checkout, &[&web1, &user], &BINARY, "x", "vars/per-machine/web1/attic/env/secret")?;
    sops(&checkout, &[&web1, &web2, &user], &BINARY, "x", "vars/shared/ca/key/secret")?;
    checkout.write("vars/per-machine/web1/attic/id/value", "public")?;
    for (place, key) in [("machines/web1", &web1), ("machines/web2", &web2), ("users/carol", &user)] {
        checkout
            .write(&format!("sops/{place}/key.json"), &format!("{{\"publickey\": \"{key}\", \"type\": \"age\"}}"))?;
    }
    fs::create_dir_all(checkout.path().join("vars/shared/ca/key/machines"))?;
    for name in ["web1", "web2"] {
        let link = checkout.path().join(format!("vars/shared/ca/key/machines/{name}"));
        std::os::unix::fs::symlink(format!("../../../../../sops/machines/{name}"), link)?;
    }
    let both = |modules: &str, settings: &str| machine("web1", modules, settings) + &machine("web2", modules, settings);
    checkout.flake(&both(THEIRS, ""))?;
    checkout.run(&["import", "clan", "--write", "imported.nix"])?.ends(0);
    checkout.flake(&both(&format!("{THEIRS} {OURS} ./imported.nix"), "artifacts.root = ./.;"))?;
    let facts = "{ inherit (artifacts) hostKey recipients; inherit (artifacts.store.attic.files.id) secret; \
                 inherit (artifacts.store.attic) backend; }";
    let found: serde_json::Value = serde_json::from_str(&declared(&checkout, "web1", facts)?)?;
    let expected = serde_json::json!({ "hostKey": web1, "recipients": { "carol": user }, "secret": false,
        "backend": "sops-nix" });
    assert_eq!(found, expected);
    let status = checkout.run(&["--json", "status"])?;
    for instance in ["per-machine/web1/attic", "shared/ca"] {
        assert_eq!(status.state(instance), "absent");
    }
    let key = checkout.key_file("user");
    let key = key.to_str().unwrap();
    checkout.run(&["-i", key, "--accept-recipients", "import", "clan"])?.ends(0);
    assert_eq!(checkout.run(&["-i", key, "get", "web1/attic", "env"])?.ends(0).stdout, "x");
    assert_eq!(checkout.run(&["get", "web1/attic", "id"])?.ends(0).stdout, "public");
    checkout.run(&["status"])?.ends(0);
    Ok(())
}

#[test]
fn a_user_of_nixos_artifacts_moves_to_the_name_of_the_target() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("alice")?;
    age(&checkout, &[&key], "secrets/per-user/alice/ssh/key.age")?;
    let home = format!(
        r#"homeConfigurations."alice@laptop" = inputs.home-manager.lib.homeManagerConfiguration {{
          pkgs = nixpkgs.legacyPackages.x86_64-linux;
          modules = [ inputs.artifacts.homeModules.default inputs.agenix.homeManagerModules.default
            {{ home.username = "alice"; home.homeDirectory = "/home/alice"; artifacts.root = ./.;
               artifacts.target = "alice@laptop"; artifacts.default.backend = "agenix"; artifacts.hostKey = "{key}";
               artifacts.store.ssh.files.key = {{ }}; }} ]; }};"#
    );
    checkout.flake(&home)?;
    let file = checkout.key_file("alice");
    let file = file.to_str().unwrap();
    let (old, new) = ("secrets/per-user/alice/ssh", "secrets/per-user/alice@laptop/ssh");
    let ran = checkout.run(&["import", "nixos-artifacts"])?.ends(0);
    ran.says(&format!("git mv {old} {new}`, then `artifacts adopt per-user/alice@laptop/ssh`"));
    fs::create_dir(checkout.path().join("secrets/per-user/alice@laptop"))?;
    nix::git(&checkout.path(), &["mv", old, new])?;
    checkout.run(&["import", "nixos-artifacts"])?.ends(0).says("it is stored without a receipt");
    checkout.run(&["-i", file, "adopt", "per-user/alice@laptop/ssh"])?.ends(0);
    checkout.run(&["import", "nixos-artifacts"])?.ends(0).never_says("adopt");
    assert_eq!(checkout.run(&["-i", file, "get", "ssh"])?.ends(0).stdout, "as it was");
    Ok(())
}

#[test]
fn a_configuration_that_does_not_evaluate_stops_no_other() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("web1")?;
    age(&checkout, &[&key], "secrets/a.age")?;
    let broken = machine("web2", THEIRS, "imports = [ (throw \"this one is broken\") ];");
    checkout.flake(&(machine("web1", THEIRS, "age.secrets.a.file = ./secrets/a.age;") + &broken))?;
    let ran = checkout.run(&["import", "agenix"])?.ends(1).says("this one is broken");
    assert!(ran.stdout.contains("files.a = { };"), "{ran}");
    // The key of the one that is broken would be an admin's there.
    checkout
        .run(&["import", "agenix", "--write", "imported.nix"])?
        .ends(1)
        .says("imported.nix: not written, only printed");
    assert!(!checkout.path().join("imported.nix").exists());
    Ok(())
}
