//! The tables of the page *Coming from another tool*: what they name is there, and declarations in our words are made.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::program;

const PAGE: &str = include_str!("../../nix/COMING_FROM.md");
const OPTIONS: &str = include_str!("../../nix/OPTIONS.md");

/// What is in backticks in one column of the page's tables, with alternatives in braces taken apart.
fn words(column: usize) -> Vec<String> {
    let rows = PAGE.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    let cells = rows.filter_map(|row| row.split('|').nth(column));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).flat_map(alternatives).collect()
}

fn alternatives(word: &str) -> Vec<String> {
    let Some((before, (inside, after))) = word.split_once(".{").and_then(|(b, rest)| Some((b, rest.split_once('}')?)))
    else {
        return vec![word.to_owned()];
    };
    inside.split(',').map(|one| format!("{before}.{}{after}", one.trim())).collect()
}

#[test]
fn options_that_the_page_names_are_there() {
    let known: Vec<&str> = OPTIONS.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`')).collect();
    let named: Vec<String> = words(2).into_iter().filter(|word| word.starts_with("artifacts.")).collect();
    assert!(named.len() > 10, "{named:?}");
    for word in named {
        let path: Vec<&str> = word.split(" =").next().unwrap().split('.').collect();
        // A part that stands for any name, and a set of options, too.
        let is = |option: &&str| {
            let option: Vec<&str> = option.split('.').collect();
            let same = |(ours, said): (&&str, &&str)| ours == said || *ours == "<name>" && said.starts_with('<');
            option.len() >= path.len() && option.iter().zip(&path).all(same)
        };
        assert!(known.iter().any(is), "`{word}` is no option");
    }
}

#[test]
fn commands_that_the_page_names_are_there() -> Result<()> {
    let commands = words(2).into_iter().filter_map(|word| Some(word.strip_prefix("artifacts ")?.to_owned()));
    let commands: Vec<String> = commands.collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let mut words = command.split_whitespace();
        let name = words.next().unwrap();
        let help = Command::new(program()?).args([name, "--help"]).output()?;
        assert!(help.status.success(), "{command}");
        let help = String::from_utf8(help.stdout)?;
        for flag in words.filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{command}");
        }
    }
    Ok(())
}

fn machine(checkout: &Checkout, tools: &str, settings: &str) -> Result<()> {
    let key = checkout.key("web1")?;
    checkout.flake(&format!(
        r#"nixosConfigurations.web1 = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default {tools}
          ({{ config, pkgs, ... }}: {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "web1"; artifacts.root = ./.;
            artifacts.config.agenix.publicHostKey = "{key}"; artifacts.config.sops-nix.publicHostKey = "{key}";
            {settings}
          }})
        ]; }};"#
    ))
}

/// A string that an attribute of the machine is.
fn value(checkout: &Checkout, attribute: &str) -> Result<String> {
    checkout.commit()?;
    let attribute = format!(".#nixosConfigurations.web1.config.{attribute}");
    artifacts_tests::nix::nix(&checkout.path(), &["eval", "--raw", &attribute])
}

#[test]
fn words_of_clan_vars() -> Result<()> {
    let checkout = Checkout::new()?;
    let settings = r#"
      artifacts.default.backend = "sops-nix";
      artifacts.config.sops-nix.publicUserKeys = [ "age12p82n7at9dh2e00lt637jvxcqfdun8hffuzpqg5x3un3zp3uzfust6up58" ];
      artifacts.store.ca = {
        shared = true;
        files = { key.deploy = false; cert.secret = false; };
        validation = { domain = "example.org"; };
        generator = pkgs.writers.writeBash "ca" "echo private > $out/key; echo certificate > $out/cert";
      };
      artifacts.store.login = {
        dependencies = [ "ca" ];
        files = {
          hash = { neededFor = "users"; };
          password = { owner = "root"; group = "root"; mode = "0400"; restartUnits = [ "sshd.service" ]; };
        };
        prompts.password = { description = "the password of root"; type = "hidden"; };
        prompts.name = { description = "its name"; type = "line"; };
        generator = pkgs.writeShellApplication {
          name = "login"; runtimeInputs = [ (pkgs.writers.writeBashBin "join" "cat \"$@\"") ];
          text = ''
            cp "$prompts/password" "$out/password"
            join "$prompts/name" "$in/ca/key" > "$out/hash"
          '';
        };
      };
      environment.etc.cert.text = config.artifacts.store.ca.files.cert.value;"#;
    machine(&checkout, "inputs.sops-nix.nixosModules.sops", settings)?;
    checkout.write("../answers.toml", "[\"per-machine/web1/login\"]\npassword = \"pw\"\nname = \"n\"\n")?;
    checkout.run(&["generate", "--accept-recipients", "--answers", "../answers.toml"])?.ends(0);
    checkout.run(&["status", "--all"])?.ends(0).says("present web1/login").says("present shared/ca");
    let key = checkout.key_file("web1");
    let get = |file: &str| checkout.run(&["-i", key.to_str().unwrap(), "get", "login", file]);
    assert_eq!(get("password")?.ends(0).stdout, "pw");
    assert_eq!(get("hash")?.ends(0).stdout, "nprivate\n");
    assert_eq!(value(&checkout, "environment.etc.cert.text")?, "certificate");
    assert_eq!(value(&checkout, "artifacts.store.login.files.password.path")?, "/run/artifacts/login/password");
    let changed = fs::read_to_string(checkout.path().join("flake.nix"))?.replace("example.org", "example.com");
    checkout.write("flake.nix", &changed)?;
    checkout.run(&["generate", "--answers", "../answers.toml"])?.ends(3).says("1 stale");
    checkout.run(&["status"])?.ends(3).says("stale shared/ca");
    Ok(())
}

#[test]
fn words_of_agenix_and_agenix_rekey() -> Result<()> {
    let checkout = Checkout::new()?;
    let settings = r#"
      artifacts.default.backend = "agenix";
      artifacts.config.agenix.publicUserKeys = [ "age12p82n7at9dh2e00lt637jvxcqfdun8hffuzpqg5x3un3zp3uzfust6up58" ];
      artifacts.store.password = {
        files.text.deploy = false;
        generator = pkgs.writers.writeBash "password" "echo word > $out/text";
      };
      artifacts.store.htpasswd = {
        dependencies = [ "password" ];
        files.auth = { path = "/etc/auth"; mode = "0440"; owner = "root"; group = "root"; };
        generator = pkgs.writers.writeBash "htpasswd" ''
          read -r word < $in/password/text; echo "web1:$word" > $out/auth
        '';
      };"#;
    machine(&checkout, "inputs.agenix.nixosModules.default", settings)?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    assert_eq!(checkout.decrypt("web1", "secrets/per-machine/web1/htpasswd/auth.age")?, "web1:word\n");
    // The machine is no reader of what it is not given.
    assert!(checkout.decrypt("web1", "secrets/per-machine/web1/password/text.age").is_err());
    assert_eq!(value(&checkout, "age.secrets.\"htpasswd/auth\".path")?, "/etc/auth");
    Ok(())
}

#[test]
fn octal_modes_are_what_chmod_makes_of_the_symbolic_ones() -> Result<()> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once(" | `"));
    let modes: Vec<(&str, &str)> = rows.filter(|(_, ours)| u32::from_str_radix(ours, 8).is_ok()).collect();
    assert_eq!(modes.len(), 5, "{modes:?}");
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("secret");
    fs::write(&file, "")?;
    for (theirs, ours) in modes {
        for symbolic in theirs.trim_end_matches('`').split("`, `") {
            // As agenix makes it before.
            fs::set_permissions(&file, PermissionsExt::from_mode(0o400))?;
            assert!(Command::new("chmod").arg(symbolic).arg(&file).status()?.success());
            let made = file.metadata()?.permissions().mode() & 0o7777;
            assert_eq!(format!("{made:04o}"), ours, "{symbolic}");
        }
    }
    Ok(())
}

#[test]
fn old_secrets_stay_beside_new_ones_and_their_places_are_refused() -> Result<()> {
    let checkout = Checkout::new()?;
    let settings = |more: &str| {
        format!(
            r#"artifacts.default.backend = "sops-nix";
               artifacts.store.attic = {{ files.env = {{ }}; generator = pkgs.writers.writeBash "g" "echo x > $out/env"; }};
               sops.secrets.old = {{ sopsFile = ./old.yaml; }}; age.secrets.old.file = ./old.age;
               environment.etc.attic.text = config.sops.secrets."attic/env".path; {more}"#
        )
    };
    let tools = "inputs.sops-nix.nixosModules.sops inputs.agenix.nixosModules.default";
    machine(&checkout, tools, &settings(""))?;
    checkout.write("old.yaml", "sealed")?;
    checkout.write("old.age", "sealed")?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0).says("generated web1/attic");
    for (attribute, path) in [
        ("sops.secrets.old.path", "/run/secrets/old"),
        ("age.secrets.old.path", "/run/agenix/old"),
        ("environment.etc.attic.text", "/run/artifacts/attic/env"),
        ("artifacts.store.attic.files.env.path", "/run/artifacts/attic/env"),
    ] {
        assert_eq!(value(&checkout, attribute)?, path, "{attribute}");
    }
    for place in ["/run/secrets/attic", "/run/agenix/attic"] {
        let more = format!(r#"artifacts.store.attic.files.env.path = "{place}";"#);
        machine(&checkout, tools, &settings(&more))?;
        let ran = checkout.run(&["status"])?.ends(1);
        ran.says(&format!("artifacts.store.attic.files.env.path: `{place}` is inside"));
    }
    Ok(())
}
