//! What README.md and the pages below `docs` show is what a person sees: each of their sessions is run here, at a terminal.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::Fleet;
use artifacts_tests::transcript::Transcript;
use artifacts_tests::{script, sessions, sops};
use serde_json::{Value, json};

const YES: &[(&str, &str)] = &[("[y/N]", "y")];

/// Tells what was seen.
type Story = fn() -> Result<String>;

/// One machine, `web1`, with these artifacts and an admin.
fn fleet(artifacts: &dyn Fn(&Fleet) -> Result<Value>) -> Result<(Fleet, Transcript)> {
    let fleet = Fleet::new()?;
    let artifacts = artifacts(&fleet)?;
    let mut fleet = fleet.machine("web1", &artifacts)?;
    let mut transcript = Transcript::default();
    let [admin, second] = [fleet.new_key("admin")?, fleet.new_key("second")?];
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap().to_owned();
    fleet.of("web1")["hostKey"] = json!(host);
    admins(&mut fleet, "alice", &admin);
    for (key, name) in [(host, "web1"), (admin, "alice"), (second, "bob")] {
        transcript.stand_in(key, &format!("age1{name}"));
    }
    transcript.stand_in(fleet.path(), "/fleet");
    transcript.stand_in(fleet.home(), "/home/alice");
    Ok((fleet, transcript))
}

/// Declares one admin.
fn admins(fleet: &mut Fleet, name: &str, key: &str) {
    fleet.of("web1")["recipients"] = json!({name: key});
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([key]);
}

fn attic(fleet: &Fleet) -> Result<Value> {
    let generator = fleet.generator("attic", "#!/bin/bash\necho TOKEN=3f1c9a7e > $out/env\n")?;
    Ok(json!({"backend": "agenix", "files": {"env": {}}, "generator": generator}))
}

/// A command of the fleet, with the admin's key at hand.
fn command(fleet: &Fleet, arguments: &[&str]) -> Result<Command> {
    let mut command = fleet.command(arguments)?;
    command.env("ARTIFACTS_IDENTITY", fleet.key_file("admin")).env_remove("VISUAL").env("EDITOR", "./editor");
    command.current_dir(fleet.path());
    Ok(command)
}

/// Runs `artifacts` with these words, as they are shown.
fn run(transcript: &mut Transcript, fleet: &Fleet, line: &str, answers: &[(&str, &str)], status: i32) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let ended = transcript.at_terminal(&format!("artifacts {line}"), &mut command(fleet, &words)?, answers)?;
    ensure!(ended == Some(status), "{line} ended with {ended:?}:\n{}", transcript.text());
    Ok(())
}

fn run_in(
    transcript: &mut Transcript,
    checkout: &Checkout,
    line: &str,
    answers: &[(&str, &str)],
    status: i32,
) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = checkout.command(&words)?;
    command.env("ARTIFACTS_IDENTITY", checkout.key_file("admin"));
    let ended = transcript.at_terminal(&format!("artifacts {line}"), &mut command, answers)?;
    ensure!(ended == Some(status), "{line} ended with {ended:?}:\n{}", transcript.text());
    Ok(())
}

/// Runs `artifacts` with something piped into it.
fn piped(transcript: &mut Transcript, fleet: &Fleet, value: &str, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let program = command(fleet, &words)?;
    let mut shell = Command::new("bash");
    shell.args(["-c", "printf %s \"$VALUE\" | \"$@\"", "bash"]).env("VALUE", value).current_dir(fleet.path());
    shell.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let ended = transcript.at_terminal(&format!("printf %s '{value}' | artifacts {line}"), &mut shell, &[])?;
    ensure!(ended == Some(0), "{}", transcript.text());
    Ok(())
}

fn first_day() -> Result<String> {
    let (fleet, mut told) = fleet(&|fleet| {
        let description = "Password of the mail relay";
        let smtp = json!({"backend": "agenix", "files": {"password": {}}, "description": description});
        Ok(json!({"attic": attic(fleet)?, "smtp": smtp}))
    })?;
    run(&mut told, &fleet, "status", &[], 3)?;
    told.ends();
    run(&mut told, &fleet, "generate --dry-run", &[], 3)?;
    told.ends();
    let answers = [YES[0], ("password: ", "s3cret of smtp"), ("again: ", "s3cret of smtp")];
    run(&mut told, &fleet, "generate", &answers, 0)?;
    told.ends();
    run(&mut told, &fleet, "set --dry-run attic env", &[], 0)?;
    piped(&mut told, &fleet, "TOKEN=new", "set attic env")?;
    script::write(&fleet.path().join("editor"), "#!/bin/sh\nsed -i s/new/newer/ \"$1\"\n")?;
    run(&mut told, &fleet, "edit attic env", &[], 0)?;
    run(&mut told, &fleet, "get attic env", &[], 0)?;
    Ok(told.text().to_owned())
}

fn changed_by_sops() -> Result<String> {
    let (mut fleet, mut told) = fleet(&|fleet| {
        let mut attic = attic(fleet)?;
        attic["backend"] = json!("sops-nix");
        Ok(json!({"attic": attic}))
    })?;
    let config = fleet.of("web1")["config"]["agenix"].clone();
    fleet.configure("web1", "sops-nix", config);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let file = "secrets/per-machine/web1/attic/env.sops";
    run(&mut told, &fleet, "get attic env", &[], 0)?;
    sops::edited(&fleet, &fleet.key_file("admin"), file, "TOKEN=by hand\\n")?;
    told.types(&format!("sops edit --input-type binary --output-type binary {file}"));
    run(&mut told, &fleet, "get attic env", &[], 1)?;
    run(&mut told, &fleet, "adopt attic", &[], 0)?;
    run(&mut told, &fleet, "get attic env", &[], 0)?;
    Ok(told.text().to_owned())
}

fn the_record() -> Result<String> {
    let (fleet, mut told) = fleet(&|fleet| Ok(json!({"attic": attic(fleet)?})))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fs::remove_file(fleet.audit_log())?;
    fs::remove_file(fleet.audit_head())?;
    run(&mut told, &fleet, "get attic env", &[], 0)?;
    run(&mut told, &fleet, "audit", &[], 0)?;
    // When it was is another thing each time.
    let shape = |word: &str| word.replace(|letter: char| letter.is_ascii_digit(), "0");
    let steady = |word: &str| match shape(word).as_str() {
        "0000-00-00" => "2026-11-22".to_owned(),
        "00:00" => "20:06".to_owned(),
        _ => word.to_owned(),
    };
    let lines = told.text().lines().map(|line| line.split(' ').map(steady).collect::<Vec<_>>().join(" ") + "\n");
    Ok(lines.collect())
}

fn readers_and_the_end() -> Result<String> {
    let (mut fleet, mut told) = fleet(&|fleet| Ok(json!({"attic": attic(fleet)?, "token": attic(fleet)?})))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let second = fs::read_to_string(fleet.key_file("second"))?;
    let second = second.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    admins(&mut fleet, "bob", &second);
    run(&mut told, &fleet, "rekey --dry-run attic", &[], 3)?;
    told.ends();
    run(&mut told, &fleet, "rekey", YES, 0)?;
    told.ends();
    fleet.of("web1")["artifacts"].as_object_mut().unwrap().remove("token");
    run(&mut told, &fleet, "prune", YES, 0)?;
    Ok(told.text().to_owned())
}

fn unattended() -> Result<String> {
    let (fleet, mut told) = fleet(&|fleet| {
        let generator = fleet.generator("test", "#!/bin/bash\ncp $prompts/test $out/test\n")?;
        let prompts = json!({"test": {"description": "The value of the test"}});
        Ok(json!({"test": {"backend": "agenix", "files": {"test": {}}, "prompts": prompts, "generator": generator}}))
    })?;
    fleet.run(["--accept-recipients", "generate"])?.ends(1);
    run(&mut told, &fleet, "generate --no-input", &[], 1)?;
    fs::write(fleet.path().join("answers.toml"), "[\"per-machine/web1/test\"]\ntest = \"the value\"\n")?;
    run(&mut told, &fleet, "generate --no-input --answers answers.toml", &[], 0)?;
    Ok(told.text().to_owned())
}

/// A machine of a flake with an authority and what is made from it.
fn made_from_another() -> Result<String> {
    let checkout = Checkout::new()?;
    let mut told = Transcript::default();
    let [web1, admin] = [checkout.key("web1")?, checkout.key("admin")?];
    let outputs = |word: &str| {
        format!(
            r#"nixosConfigurations.web1 = nixpkgs.lib.nixosSystem {{ modules = [
              inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default
              ({{ pkgs, ... }}: {{
                nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "web1";
                artifacts.root = ./.; artifacts.default.backend = "agenix";
                artifacts.hostKey = "{web1}"; artifacts.recipients.alice = "{admin}";
                artifacts.store.ca = {{
                  shared = true; files.key.deploy = false; files.cert.secret = false;
                  generator = pkgs.writers.writeBash "ca" "echo key > $out/key; echo {word} certificate > $out/cert";
                }};
                artifacts.store.tls = {{
                  dependencies = [ "ca" ]; files.key = {{ }}; files.cert.secret = false;
                  generator = pkgs.writers.writeBash "tls" "cp $in/ca/key $in/ca/cert $out/";
                }};
              }})
            ]; }};"#
        )
    };
    checkout.flake(&outputs("first"))?;
    told.stand_in(&web1, "age1web1");
    told.stand_in(&admin, "age1alice");
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    checkout.flake(&outputs("second"))?;
    run_in(&mut told, &checkout, "rotate ca", YES, 0)?;
    run_in(&mut told, &checkout, "status", &[], 3)?;
    told.ends();
    run_in(&mut told, &checkout, "rotate --stale", &[YES, YES].concat(), 0)?;
    Ok(without_hashes(told.text()))
}

/// Which path of the store it is depends on nixpkgs.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split("/nix/store/");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let name = part.split_once('-').map_or(part, |(_, name)| name);
        format!("{text}/nix/store/…-{name}")
    })
}

fn a_chain_of_certificates() -> Result<String> {
    let checkout = Checkout::new()?;
    checkout.example("ca", &["web1", "web2", "admin"])?;
    let mut told = Transcript::default();
    for (key, name) in [("web1", "age1web1"), ("web2", "age1web2"), ("admin", "age1alice")] {
        told.stand_in(checkout.public(key)?, name);
    }
    run_in(&mut told, &checkout, "generate", YES, 0)?;
    let cert = |name: &str| format!("secrets/{name}/public/cert");
    let [root, intermediate, leaf] = ["shared/root-ca", "shared/intermediate-ca", "per-machine/web1/tls"].map(cert);
    let line = format!("openssl verify -CAfile {root} -untrusted {intermediate} {leaf}");
    let mut openssl = Command::new("openssl");
    openssl.args(line.split(' ').skip(1)).current_dir(checkout.path());
    let ended = told.at_terminal(&line, &mut openssl, &[])?;
    ensure!(ended == Some(0), "{}", told.text());
    run_in(&mut told, &checkout, "graph per-machine/web1/", &[], 0)?;
    run_in(&mut told, &checkout, "graph --format mermaid", &[], 0)?;
    Ok(told.text().to_owned())
}

fn a_secret_of_another_machine() -> Result<String> {
    let checkout = Checkout::new()?;
    let machines = ["controller", "peer1", "peer2"];
    checkout.example("controller", &[machines.as_slice(), &["admin"]].concat())?;
    let mut told = Transcript::default();
    for name in machines {
        told.stand_in(checkout.public(name)?, &format!("age1{name}"));
    }
    told.stand_in(checkout.public("admin")?, "age1alice");
    checkout.run(&["generate", "--accept-recipients"])?.ends(1);
    run_in(&mut told, &checkout, "generate", &[("Allow this access?", "y")], 0)?;
    Ok(without_hashes(told.text()))
}

fn a_public_value_that_is_not_there_yet() -> Result<String> {
    let checkout = Checkout::new()?;
    checkout.example("wireguard", &["hub", "leaf", "admin"])?;
    let mut told = Transcript::default();
    for (key, name) in [("hub", "age1hub"), ("leaf", "age1leaf"), ("admin", "age1alice")] {
        told.stand_in(checkout.public(key)?, name);
    }
    run_in(&mut told, &checkout, "status per-machine/hub/", &[], 3)?;
    run_in(&mut told, &checkout, "generate", YES, 0)?;
    Ok(told.text().to_owned())
}

fn a_new_machine() -> Result<String> {
    let checkout = Checkout::new()?;
    checkout.example("bootstrap", &["admin"])?;
    let mut told = Transcript::default();
    run_in(&mut told, &checkout, "generate", &[YES[0], YES[0]], 0)?;
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let place = ram.path().join("web1");
    let mut provision = checkout.command(&["provision", "web1", place.to_str().unwrap()])?;
    provision.env("ARTIFACTS_IDENTITY", checkout.key_file("admin"));
    let ended = told.at_terminal("artifacts provision web1 \"$XDG_RUNTIME_DIR/web1\"", &mut provision, &[])?;
    ensure!(ended == Some(0), "{}", told.text());
    let public = fs::read_to_string(checkout.path().join("secrets/per-machine/web1/host-key/public/public"))?;
    let file = ram.path().join("key.pub");
    fs::write(&file, &public)?;
    let fingerprint = std::process::Command::new("ssh-keygen").arg("-lf").arg(&file).output()?;
    let fingerprint = String::from_utf8(fingerprint.stdout)?;
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let admin = fs::read_to_string(checkout.key_file("admin"))?;
    let admin = admin.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    Ok(told.text().replace(fingerprint, "SHA256:…").replace(&admin, "age1alice"))
}

#[test]
fn the_pages_show_what_a_person_sees() -> Result<()> {
    let mut told = Transcript::default();
    let stories: [(&str, Story); 10] = [
        ("the first day", first_day),
        ("changed by sops", changed_by_sops),
        ("made from another", made_from_another),
        ("a chain of certificates", a_chain_of_certificates),
        ("a secret of another machine", a_secret_of_another_machine),
        ("a public value that is not there yet", a_public_value_that_is_not_there_yet),
        ("a new machine", a_new_machine),
        ("readers and the end", readers_and_the_end),
        ("unattended", unattended),
        ("the record", the_record),
    ];
    let mut recorded = BTreeMap::new();
    for (title, story) in stories {
        let text = story()?;
        told.tell(title);
        told.says(&text);
        told.ends();
        recorded.insert(title.to_owned(), text);
    }
    told.is_kept_as("readme.txt")?;
    let shown: usize = pages()?.iter().map(|page| sessions::compare(page, &recorded)).sum::<Result<_>>()?;
    ensure!(shown >= 12, "{shown} sessions are in the pages");
    Ok(())
}

/// README.md, and the pages below `docs`.
fn pages() -> Result<Vec<PathBuf>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![top.join("README.md")];
    for entry in fs::read_dir(top.join("docs"))? {
        pages.push(entry?.path());
    }
    pages.sort();
    Ok(pages)
}

#[test]
fn the_front_page_is_short() -> Result<()> {
    let page = fs::read_to_string(&pages()?[0])?;
    ensure!(page.starts_with("# artifacts\n"), "the first page is the front page");
    ensure!(
        page.lines().count() <= 150 && page.len() <= 12_000,
        "{} lines, {} bytes",
        page.lines().count(),
        page.len()
    );
    Ok(())
}

#[test]
fn the_pages_link_to_files() -> Result<()> {
    let mut missing = Vec::new();
    for page in pages()? {
        let text = fs::read_to_string(&page)?;
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            if !page.parent().unwrap().join(file).exists() {
                missing.push(format!("{}: {link}", page.display()));
            }
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}
