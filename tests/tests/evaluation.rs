//! What is evaluated, and how often, through the program itself.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::Ran;
use artifacts_tests::script;

/// Two machines with an artifact each of their own; `web2` has one more that reads what both share.
fn fleet() -> Result<Checkout> {
    let checkout = Checkout::new()?;
    let key = checkout.key("admin")?;
    let machine = |name: &str, more: &str| {
        format!(
            r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
              ({{ pkgs, ... }}: {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; artifacts.root = ./.;
                artifacts.default.backend = "agenix";
                artifacts.config.agenix = {{ publicHostKey = "{key}"; publicUserKeys = [ ]; }};
                artifacts.store.own = {{ files.f = {{ }}; generator = pkgs.writers.writeBash "g" "echo x > $out/f"; }};
                {more}
              }})
            ]; }};"#
        )
    };
    let shared = r#"artifacts.store.ca = { shared = true; files.f = { }; generator = pkgs.writers.writeBash "g" "echo x > $out/f"; };"#;
    let reads = format!(
        r#"{shared} artifacts.store.leaf = {{ dependencies = [ "ca" ]; files.f = {{ }};
           generator = pkgs.writers.writeBash "g" "cat $in/ca/f > $out/f"; }};"#
    );
    checkout.flake(&format!("{}{}", machine("web1", shared), machine("web2", &reads)))?;
    Ok(checkout)
}

const BOTH: [&str; 2] = ["nixos web1", "nixos web2"];
const NONE: [&str; 0] = [];

#[test]
fn an_unchanged_flake_is_evaluated_once() -> Result<()> {
    let checkout = fleet()?;
    let first = checkout.run(&["status"])?.ends(3).says("absent");
    assert_eq!(checkout.evaluated()?, BOTH);
    let second = checkout.run(&["status"])?.ends(3);
    assert_eq!(checkout.evaluated()?, NONE);
    assert_eq!(first.stdout, second.stdout);
    checkout.run(&["--no-eval-cache", "status"])?.ends(3);
    assert_eq!(checkout.evaluated()?, BOTH);

    let dir = checkout.home().join(".cache/artifacts/evaluations");
    assert_eq!(fs::metadata(dir)?.mode() & 0o777, 0o700);
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    checkout.write("flake.nix", &text.replace("\"leaf\"", "\"other\"").replace("store.leaf", "store.other"))?;
    checkout.run(&["status"])?.ends(3).says("web2/other");
    assert_eq!(checkout.evaluated()?, BOTH);
    Ok(())
}

#[test]
fn another_setting_of_nix_is_another_question() -> Result<()> {
    let checkout = fleet()?;
    for (settings, evaluated) in [
        ("connect-timeout = 5\n", &BOTH as &[&str]),
        ("connect-timeout = 5\n", &NONE),
        ("connect-timeout = 6\n", &BOTH),
    ] {
        checkout.write("../home/.config/nix/nix.conf", settings)?;
        checkout.run(&["status"])?.ends(3);
        assert_eq!(checkout.evaluated()?, evaluated, "{settings}");
    }
    Ok(())
}

#[test]
fn an_end_of_the_tunnel_may_have_any_name() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("wireguard", &["hub", "office", "admin"])?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    checkout.write("flake.nix", &text.replace("leaf", "office"))?;
    checkout.run(&["status"])?.ends(3).says("office/wireguard").never_says("error");
    Ok(())
}

#[test]
fn root_keeps_nothing_in_the_home_of_somebody_else() -> Result<()> {
    let checkout = fleet()?;
    chown(checkout.home(), Some(1), Some(1))?;
    // What is accepted is not remembered there either.
    checkout.run(&["status"])?.ends(1).says("belongs to the user with the number 1").says("XDG_STATE_HOME");
    checkout.evaluated()?;
    let state = tempfile::tempdir()?;
    for _ in 0..2 {
        let status = checkout.command(&["status"])?.env("XDG_STATE_HOME", state.path()).output()?;
        Ran::from(status).ends(3);
        assert_eq!(checkout.evaluated()?, BOTH);
    }
    assert!(!checkout.home().join(".cache/artifacts").exists());
    Ok(())
}

#[test]
fn what_is_named_is_evaluated_and_no_more() -> Result<()> {
    let checkout = fleet()?;
    for selector in ["per-machine/web1/own", "per-machine/web1/"] {
        let ran = checkout.run(&["--no-eval-cache", "status", selector])?.ends(3);
        assert_eq!(checkout.evaluated()?, ["nixos web1"], "{selector}");
        assert!(!ran.stdout.contains("web2"), "{ran}");
    }
    // Who reads what is shared is known only when all are evaluated.
    for selector in ["own", "shared/ca"] {
        checkout.run(&["--no-eval-cache", "status", selector])?.ends(3);
        assert_eq!(checkout.evaluated()?, BOTH, "{selector}");
    }
    checkout.run(&["generate", "--accept-recipients", "per-machine/web2/leaf"])?.ends(0);
    let receipt = fs::read_to_string(checkout.path().join("secrets/shared/ca/receipt.json"))?;
    assert!(receipt.contains("web1") && receipt.contains("web2"), "{receipt}");
    checkout.run(&["status", "per-machine/web3/own"])?.ends(1).says("no artifact matches this selector");
    Ok(())
}

#[test]
fn what_is_depended_on_is_evaluated_as_well_and_no_more() -> Result<()> {
    let checkout = fleet()?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    let text = text.replace("dependencies = [ \"ca\" ]", "dependencies.ca = \"per-machine/web1/own\"");
    let (_, web1) = text.split_once("nixosConfigurations.web1").unwrap();
    let web3 = web1.split_once("nixosConfigurations.web2").unwrap().0.replace("web1", "web3");
    let text = text.replacen(
        "nixosConfigurations.web2",
        &format!("nixosConfigurations.web3{web3}nixosConfigurations.web2"),
        1,
    );
    checkout.write("flake.nix", &text)?;
    checkout.run(&["status", "web2/leaf"])?.ends(3).never_says("web1/own");
    assert_eq!(checkout.evaluated()?, BOTH);
    let ran = checkout.run(&["generate", "--accept-recipients", "--accept-reading", "web2/leaf"])?.ends(0);
    ran.says("The generator of web2/leaf wants to read web1/own:").says("reaches web2 (nixos); not declared there");
    fs::remove_dir_all(checkout.path().join("secrets/per-machine/web2"))?;
    let host = "networking.hostName = \"web1\"";
    checkout.write("flake.nix", &text.replace(host, "networking.hostName = throw \"no name\""))?;
    let ran = checkout.run(&["status", "web2/leaf"])?.ends(1).says("waits for web1/own");
    ran.says("no name").never_says("unknown dependency");
    Ok(())
}

#[test]
fn a_broken_machine_is_no_matter_to_those_that_are_named() -> Result<()> {
    let checkout = fleet()?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    checkout.write(
        "flake.nix",
        &text.replace("networking.hostName = \"web2\"", "networking.hostName = throw \"no name\""),
    )?;
    checkout.run(&["generate", "--accept-recipients", "per-machine/web1/own"])?.ends(0);
    checkout.run(&["status", "--all"])?.ends(1).says("no name").says("web1/own");
    // The broken one may have an artifact of this name, too.
    let ran = checkout.run(&["set", "own"])?.ends(1).says("not all targets were evaluated").says("no name");
    ran.says("pass `web1/own`");
    Ok(())
}

#[test]
fn what_is_adopted_needs_no_other_target() -> Result<()> {
    let checkout = fleet()?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    let receipt = checkout.path().join("secrets/per-machine/web1/own/receipt.json");
    fs::remove_file(&receipt)?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    let (web1, web2) = text.split_once("nixosConfigurations.web2").unwrap();
    let broken = web2.replacen("nixpkgs.hostPlatform", "environment = throw \"broken\"; nixpkgs.hostPlatform", 1);
    checkout.write("flake.nix", &format!("{web1}nixosConfigurations.web2{broken}"))?;
    checkout.evaluated()?;
    checkout.run(&["adopt", "per-machine/web1/own"])?.ends(0).says("adopted web1/own");
    assert_eq!(checkout.evaluated()?, ["nixos web1"]);
    assert!(receipt.exists());
    // Without a selector all is meant, and what does not evaluate is said.
    checkout.run(&["adopt"])?.ends(1).says("broken");
    Ok(())
}

/// What Nix says of one of the example's machines.
fn peer_key(checkout: &Checkout, machine: &str) -> Result<String> {
    let attribute = format!(".#nixosConfigurations.{machine}.config.networking.wireguard.interfaces.wg0.peers");
    let peers = artifacts_tests::nix::nix(&checkout.path(), &["eval", "--json", &attribute])?;
    let peers: serde_json::Value = serde_json::from_str(&peers)?;
    Ok(peers[0]["publicKey"].as_str().unwrap_or_default().to_owned())
}

fn wg_pubkey(private: &str) -> Result<String> {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut wg = Command::new("wg").arg("pubkey").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    wg.stdin.take().unwrap().write_all(private.as_bytes())?;
    Ok(String::from_utf8(wg.wait_with_output()?.stdout)?.trim().to_owned())
}

#[test]
fn what_waits_for_a_public_value_is_made_in_the_same_run() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("wireguard", &["hub", "leaf", "admin"])?;
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/hub/wireguard"), "absent");
    assert_eq!(ran.state("per-machine/hub/tunnel"), "blocked");
    let waits = "blocked hub/tunnel needs `public` of leaf/wireguard";
    checkout.run(&["status"])?.ends(3).says(waits);
    checkout.evaluated()?;

    // Alone, it cannot be made: its value is another machine's.
    let alone = checkout.run(&["generate", "per-machine/hub/tunnel"])?.ends(3).says(waits);
    alone.says("1 blocked artifacts generate leaf/wireguard");
    assert!(!checkout.path().join("secrets").exists());
    checkout.evaluated()?;

    checkout.run(&["generate", "--accept-recipients", "--no-input"])?.ends(0).says("4 artifacts: 4 generated");
    assert_eq!(checkout.evaluated()?, ["nixos hub", "nixos leaf"], "once more, with the new keys");
    for (own, other) in [("hub", "leaf"), ("leaf", "hub")] {
        let private = checkout.decrypt(own, &format!("secrets/per-machine/{own}/wireguard/private.age"))?;
        let public = checkout.path().join(format!("secrets/per-machine/{own}/wireguard/public/public"));
        let public = fs::read_to_string(public)?.trim().to_owned();
        assert_eq!(wg_pubkey(&private)?, public);
        assert_eq!(peer_key(&checkout, other)?, public);
        let tunnel = checkout.decrypt(other, &format!("secrets/per-machine/{other}/tunnel/wg0.conf.age"))?;
        assert!(tunnel.contains(&format!("PublicKey = {public}\n")) && !tunnel.contains(private.trim()), "{tunnel}");
    }

    checkout.commit()?;
    checkout.run(&["generate", "--no-input"])?.ends(0).says("4 unchanged");
    assert_eq!(artifacts_tests::nix::git(&checkout.path(), &["status", "--porcelain"])?, "");
    Ok(())
}

/// The tunnel, and what is made from it.
fn tunnel_and_after() -> Result<Checkout> {
    let checkout = Checkout::new()?;
    checkout.example("wireguard", &["hub", "leaf", "admin"])?;
    let text = fs::read_to_string(checkout.path().join("machine.nix"))?;
    let after = "artifacts.store.after = { dependencies = [ \"tunnel\" ]; files.f = { };\n\
                 generator = pkgs.writers.writeBash \"after\" \"cat $in/tunnel/* > $out/f\"; };\n\
                 artifacts.store.last = { dependencies = [ \"after\" ]; files.f = { };\n\
                 generator = pkgs.writers.writeBash \"last\" \"cat $in/after/f > $out/f\"; };\n";
    let tunnel = "artifacts.store.tunnel = {";
    checkout.write("machine.nix", &text.replace(tunnel, &format!("{after}{tunnel}")))?;
    Ok(checkout)
}

#[test]
fn what_is_made_from_something_that_waits_waits_with_it() -> Result<()> {
    let checkout = tunnel_and_after()?;
    // Named alone, it cannot be made, and nothing is made in vain.
    let ran = checkout.run(&["generate", "per-machine/hub/last"])?.ends(3);
    ran.says("blocked hub/last").says("waits for hub/tunnel");
    checkout.run(&["generate", "--dry-run"])?.ends(3).says("would generate 2, 6 blocked");
    assert!(!checkout.path().join("secrets").exists());
    checkout.run(&["generate", "--accept-recipients", "--no-input"])?.ends(0).says("8 artifacts: 8 generated");
    let of = |name: &str| checkout.decrypt("hub", &format!("secrets/per-machine/hub/{name}"));
    assert_eq!(of("last/f.age")?, of("tunnel/wg0.conf.age")?);
    checkout.run(&["status"])?.ends(0);
    Ok(())
}

#[test]
fn what_is_named_waits_for_what_is_not_among_it() -> Result<()> {
    let checkout = tunnel_and_after()?;
    // The tunnel is not named, and is made for what is.
    let ran = checkout.run(&["--json", "generate", "--accept-recipients", "after", "wireguard"])?.ends(0);
    assert_eq!(ran.state("per-machine/hub/after"), "present");
    assert_eq!(ran.state("per-machine/hub/tunnel"), "present");
    assert_eq!(checkout.run(&["--json", "status"])?.ends(3).state("per-machine/hub/last"), "absent");
    Ok(())
}

#[test]
fn public_values_that_need_each_other_are_an_error_until_one_has_a_text() -> Result<()> {
    let checkout = Checkout::new()?;
    let key = checkout.key("admin")?;
    let machine = |name: &str, other: &str| {
        format!(
            r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
              ({{ pkgs, ... }}: {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; artifacts.root = ./.;
                artifacts.default.backend = "agenix"; artifacts.hostKey = "{key}";
                artifacts.store.id = {{ files.p.secret = false; generator = pkgs.writers.writeBash "g"
                  "echo {name} of ${{inputs.self.nixosConfigurations.{other}.config.artifacts.store.id.files.p.value}} > $out/p"; }};
              }})
            ]; }};"#
        )
    };
    let both = format!("{}{}", machine("a", "b"), machine("b", "a"));
    checkout.flake(&both)?;
    for command in [&["status"][..], &["generate", "--accept-recipients"]] {
        let ran = checkout.run(command)?.ends(1);
        ran.says("its public values need each other: a/id needs `p` of b/id, b/id needs `p` of a/id")
            .says("set `artifacts.store.<artifact>.files.<file>.value` of one of them")
            .never_says("artifacts generate");
    }
    checkout.flake(&both.replacen("files.p.secret = false;", "files.p = { secret = false; value = \"none\"; };", 1))?;
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    let public = fs::read_to_string(checkout.path().join("secrets/per-machine/b/id/public/p"))?;
    assert!(public == "b of none\n" || public == "b of a of none\n", "{public}");
    Ok(())
}

#[test]
fn what_nix_warns_of_is_said_each_time() -> Result<()> {
    let checkout = fleet()?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    let old = "networking.hostName = builtins.trace \"web1 is old\" \"web1\"";
    checkout.write("flake.nix", &text.replace("networking.hostName = \"web1\"", old))?;
    for evaluated in [&BOTH[..], &NONE] {
        checkout.run(&["status"])?.ends(3).says("nixosConfigurations.web1: trace: web1 is old");
        assert_eq!(checkout.evaluated()?, evaluated);
    }
    Ok(())
}

#[test]
fn as_many_are_evaluated_at_once_as_is_said() -> Result<()> {
    let checkout = Checkout::new()?;
    let machine = |number: usize| {
        format!(
            r#"nixosConfigurations.m{number} = nixpkgs.lib.nixosSystem {{ modules = [ inputs.artifacts.nixosModules.default
              {{ nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "m{number}"; artifacts.root = ./.;
                artifacts.default.backend = "dummy"; artifacts.store.own.files.f = {{ }}; }} ]; }};"#
        )
    };
    checkout.flake(&(0..6).map(machine).collect::<String>())?;
    for jobs in ["1", "2"] {
        let dir = tempfile::tempdir()?;
        let place = dir.path().display();
        // Waits until so many have begun, so that those which may run together do.
        let script = format!(
            r#"#!/bin/sh
            case "$*" in *"kind ="*) ;; *) exec {nix} "$@" ;; esac
            : > {place}/running.$$; : > {place}/begun.$$
            ticks=0
            while [ "$(ls {place} | grep -c begun)" -lt {jobs} ] && [ $ticks -lt 400 ]; do ticks=$((ticks + 1)); sleep 0.05; done
            ls {place} | grep -c running > {place}/seen.$$
            {nix} "$@"; status=$?
            rm {place}/running.$$; exit $status
            "#,
            nix = artifacts_tests::nix::program("nix")?.display()
        );
        script::write(&dir.path().join("nix"), script)?;
        let mut status = checkout.command(&["--no-eval-cache", "--eval-jobs", jobs, "status"])?;
        let path = artifacts_tests::nix::search_path()?;
        let path = [dir.path().to_owned()].into_iter().chain(std::env::split_paths(&path));
        status.env("PATH", std::env::join_paths(path)?);
        Ran::from(status.output()?).says("6 artifacts: 6 on-target");
        let mut most = Vec::new();
        for entry in fs::read_dir(dir.path())? {
            let entry = entry?;
            if entry.file_name().to_str().unwrap().starts_with("seen") {
                most.push(fs::read_to_string(entry.path())?.trim().to_owned());
            }
        }
        assert_eq!((most.len(), most.iter().max().map(String::as_str)), (6, Some(jobs)), "{most:?}");
    }
    Ok(())
}

#[test]
fn what_failed_is_not_tried_again_in_the_same_run() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("wireguard", &["hub", "leaf", "admin"])?;
    let text = fs::read_to_string(checkout.path().join("machine.nix"))?;
    let failing = "${wg} genkey > $out/private\n        if test $machine = leaf; then exit 3; fi";
    checkout.write("machine.nix", &text.replace("${wg} genkey > $out/private", failing))?;
    let ran = checkout.run(&["--json", "generate", "--accept-recipients", "--no-input"])?.ends(1);
    assert_eq!(ran.state("per-machine/hub/wireguard"), "present");
    assert_eq!(ran.state("per-machine/leaf/wireguard"), "absent");
    assert_eq!(ran.state("per-machine/hub/tunnel"), "blocked");
    let json = ran.json();
    let messages: Vec<&str> =
        json["errors"].as_array().into_iter().flatten().filter_map(|error| error["message"].as_str()).collect();
    assert_eq!(messages.iter().filter(|message| message.contains("status 3")).count(), 1, "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("skipped: it failed earlier in this run")), "{messages:?}");
    Ok(())
}

#[test]
fn a_generator_finds_the_programs_that_the_package_names() -> Result<()> {
    let checkout = fleet()?;
    let text = fs::read_to_string(checkout.path().join("flake.nix"))?;
    checkout.write("flake.nix", &text.replace("echo x > $out/f", "tool > $out/f"))?;
    let tool = "inputs: { tool = inputs.nixpkgs.legacyPackages.x86_64-linux.writers.writeBashBin \"tool\" \"echo made by it\"; }";
    let dir = tempfile::tempdir()?;
    artifacts_tests::nix::Inputs::new()?.flake(dir.path(), tool)?;
    let built = artifacts_tests::nix::nix(dir.path(), &["build", "--no-link", "--json", ".#tool"])?;
    let built: serde_json::Value = serde_json::from_str(&built)?;
    let bin = format!("{}/bin", built[0]["outputs"]["out"].as_str().unwrap_or_default());

    let selector = ["generate", "--accept-recipients", "per-machine/web1/own"];
    checkout.run(&selector)?.ends(1).says("status 127");
    let ran = checkout.command(&selector)?.env("ARTIFACTS_GENERATOR_PATH", format!("not/absolute:{bin}")).output()?;
    artifacts_tests::fleet::Ran::from(ran).ends(0);
    assert_eq!(checkout.decrypt("admin", "secrets/per-machine/web1/own/f.age")?, "made by it\n");
    Ok(())
}

#[test]
fn what_is_replaced_between_two_evaluations_of_a_run_goes_into_nothing_as_it_was() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("wireguard", &["hub", "leaf", "admin"])?;
    let other = checkout.command(&["rotate", "--yes", "per-machine/hub/wireguard"])?;
    let path = |command: &Command| command.get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
    // Nix is called again once both pairs are made. Somebody else makes one of them again just then.
    let tools = tempfile::tempdir()?;
    let nix = tools.path().join("nix");
    script::write(
        &nix,
        format!(
            "#!/bin/bash\nexport PATH='{}'\ncd '{}'\n\
             if test -e secrets/per-machine/leaf/wireguard/receipt.json && mkdir '{}/once' 2> /dev/null; then\n\
             '{}' rotate --yes per-machine/hub/wireguard >&2 || exit\nfi\nexec nix \"$@\"\n",
            path(&other).display(),
            checkout.path().display(),
            tools.path().display(),
            other.get_program().display(),
        ),
    )?;
    let mut generate = checkout.command(&["generate", "--accept-recipients", "--no-input"])?;
    let mut first = tools.path().as_os_str().to_owned();
    first.push(":");
    first.push(path(&generate));
    let ran: Ran = generate.env("PATH", first).output()?.into();
    ran.ends(1).says("its dependency hub/wireguard changed during this run");
    let admin = checkout.key_file("admin");
    checkout.run(&["-i", admin.to_str().unwrap(), "generate", "--stale", "--yes", "--accept-reading"])?.ends(0);
    let private = checkout.decrypt("hub", "secrets/per-machine/hub/wireguard/private.age")?;
    assert!(checkout.decrypt("hub", "secrets/per-machine/hub/tunnel/wg0.conf.age")?.contains(private.trim()));
    Ok(())
}
