//! Whole fleets, in the shapes of real ones and smaller, written by age and sops themselves: declared by a first run, taken by a second,
//! left alone by a third.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::other_tools::{
    BINARY, CANARY, OURS, THEIRS, age, decrypted, is_nowhere, machine, sops, ssh_key, states, unchanged, value,
    with_key,
};
use artifacts_tests::{age as age_keys, age_plugin};

/// Every instance is present, or the page has one thing to do for it.
fn has_next_steps(checkout: &Checkout) -> Result<()> {
    let json = checkout.run(&["--json", "status"])?.json();
    for row in json["instances"].as_array().unwrap() {
        let is_fine = row["state"] == "present" || row["hints"].as_array().is_some_and(|hints| !hints.is_empty());
        assert!(is_fine, "{row}");
    }
    Ok(())
}

/// How many instances are in each state.
fn counts(checkout: &Checkout) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for state in states(checkout)?.into_values() {
        *counts.entry(state).or_default() += 1;
    }
    Ok(counts)
}

fn count(states: &[(&str, usize)]) -> BTreeMap<String, usize> {
    states.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect()
}

/// agenix and sops-nix side by side, for several machines: age files for keys of four kinds, two machines in some; binary files of sops
/// and YAML files, most with nested values; rules of sops in two files, units and a template.
#[test]
fn a_fleet_of_agenix_and_sops_nix_comes_in() -> Result<()> {
    let checkout = Checkout::new()?;
    age_plugin::write(&checkout.tools(), "")?;
    let names = ["web1", "web2", "db1"];
    // sops has the SSH key of the first as a key of age.
    fs::write(checkout.key_file("web1"), age_keys::SSH_HOST_AS_AGE)?;
    let converted = age_keys::public(&checkout.key_file("web1"))?;
    let (web2, db1) = (checkout.key("web2")?, checkout.key("db1")?);
    let hosts = [age_keys::SSH_HOST_PUBLIC, &web2, &db1];
    let (alice, bob) = (checkout.key("alice")?, ssh_key(&checkout, "rsa", "bob")?);
    let admins = [alice.as_str(), &bob, age_plugin::RECIPIENT];
    let own = |index: usize| [&[hosts[index]], &admins[..]].concat();
    let mut rules = String::new();
    for (index, name) in names.iter().enumerate() {
        for secret in ["token", "wifi"] {
            age(&checkout, &own(index), &format!("age/{name}-{secret}.age"), value(&format!("{name}-{secret}")))?;
            writeln!(rules, "  \"{name}-{secret}.age\".publicKeys = admins ++ [ {name} ];")?;
        }
    }
    age(&checkout, &[&own(0)[..], &[hosts[1]]].concat(), "age/ca.age", value("ca"))?;
    rules += "  \"ca.age\".publicKeys = admins ++ [ web1 web2 ];\n";
    let line = |(name, key): (&&str, &str)| format!("  {name} = \"{key}\";\n");
    let keys: String = names.iter().zip(hosts).map(line).collect();
    let keys = format!("{keys}  alice = \"{alice}\";\n  bob = \"{bob}\";\n  card = \"{}\";\n", age_plugin::RECIPIENT);
    checkout.write("age/secrets.nix", &format!("let\n{keys}  admins = [ alice bob card ];\nin\n{{\n{rules}}}\n"))?;

    let of_sops = [converted.as_str(), &web2, &db1];
    let (carol, dave) = (checkout.key("carol")?, checkout.key("dave")?);
    let own = |index: usize| [alice.as_str(), &carol, of_sops[index]];
    for (index, name) in names.iter().enumerate() {
        sops(&checkout, &own(index), &BINARY, &value(&format!("{name}-key")), &format!("sops/{name}/key"))?;
        let yaml = format!(
            "mail: {CANARY} mail\nwifi:\n    home: {CANARY} home\n    deep:\n        er: {CANARY} deeper\nunused: x\n"
        );
        sops(&checkout, &own(index), &[], &yaml, &format!("sops/{name}/secrets.yaml"))?;
    }
    let all = [&of_sops[..], &[&alice, &carol, &dave]].concat();
    sops(&checkout, &all, &BINARY, &value("backup"), "sops/backup")?;
    let anchor = |(name, key): (&&str, &str)| format!("  - &{name} {key}\n");
    let anchors: String = names.iter().zip(of_sops).map(anchor).collect();
    let keys = format!("keys:\n  - &alice {alice}\n  - &carol {carol}\n  - &dave {dave}\n{anchors}");
    checkout.write(".sops.yaml", &format!("{keys}creation_rules: []\n"))?;
    checkout.write("sops/.sops.yaml", &format!("{keys}creation_rules: []\n"))?;

    let old = |name: &str| {
        let shared = if name == "db1" { "" } else { "age.secrets.ca.file = ./age/ca.age;" };
        format!(
            r#"age.secrets.token = {{ file = ./age/{name}-token.age; mode = "0440"; }};
               age.secrets.wifi.file = ./age/{name}-wifi.age; {shared}
               sops.defaultSopsFile = ./sops/{name}/secrets.yaml;
               sops.secrets.mail.restartUnits = [ "postfix.service" ];
               sops.secrets."wifi/home" = {{ }}; sops.secrets.deeper.key = "wifi/deep/er";
               sops.secrets.host-key = {{ sopsFile = ./sops/{name}/key; format = "binary"; }};
               sops.secrets.backup = {{ sopsFile = ./sops/backup; format = "binary"; }};
               sops.templates."mail.env".content = "PASSWORD=${{config.sops.placeholder.mail}}";"#
        )
    };
    let flake = |modules: &str, settings: &str| -> String {
        let one = |name: &&str| machine(name, &format!("{THEIRS} {modules}"), &format!("{} {settings}", old(name)));
        names.iter().map(one).collect()
    };
    checkout.flake(&flake("", ""))?;
    checkout.run(&["import", "agenix", "--write", "agenix.nix"])?.ends(0);
    // One tool after the other: whose the keys are is known by then, in each form.
    checkout.flake(&flake(&format!("{OURS} ./agenix.nix"), "artifacts.root = ./.;"))?;
    let ran = checkout.run(&["import", "sops", "--write", "sops.nix"])?.ends(0).says("a template has no equivalent");
    ran.says("config.sops.secrets.deeper.path -> config.artifacts.store.secrets.files.wifi-deep-er.path");
    let printed = fs::read_to_string(checkout.path().join("sops.nix"))?;
    assert!(!printed.contains("hostKey") && !printed.contains("alice = "), "{printed}");
    checkout.flake(&flake(&format!("{OURS} ./agenix.nix ./sops.nix"), "artifacts.root = ./.;"))?;

    // Without a key, all that is as it is declared.
    checkout.run(&["import", "agenix"])?.ends(3).never_says(CANARY);
    checkout.run(&["import", "sops"])?.ends(1).says("no identity").never_says(CANARY);
    has_next_steps(&checkout)?;
    assert_eq!(counts(&checkout)?, count(&[("absent", 3), ("present", 4), ("stale (recipients)", 7)]));
    // The values below other keys take one, and what is for a card is encrypted again: its stanzas do not say whose card it is.
    with_key(&checkout, "alice", &["import", "sops"])?.ends(0).never_says(CANARY);
    assert_eq!(counts(&checkout)?, count(&[("present", 7), ("stale (recipients)", 7)]));
    with_key(&checkout, "alice", &["--age-plugin", "tester", "rekey"])?.ends(0).never_says(CANARY);
    checkout.run(&["status"])?.ends(0);
    for name in names {
        let stored = format!("secrets/per-machine/{name}/secrets/secrets.sops.yaml");
        for (key, expected) in [("mail", "mail"), ("wifi-home", "home"), ("wifi-deep-er", "deeper")] {
            let extract = format!("[\"{key}\"]");
            let found = decrypted(&checkout, &checkout.key_file("carol"), &["--extract", &extract], &stored)?;
            assert_eq!(found, format!("{CANARY} {expected}"));
        }
    }
    assert_eq!(checkout.decrypt("bob", "secrets/shared/ca/ca.age")?, value("ca"));
    unchanged(&checkout, &["import", "agenix"], 0)?;
    unchanged(&checkout, &["import", "sops"], 0)?;
    is_nowhere(&checkout)
}

/// sops-nix alone: a flat YAML file for a host and others for subsets of the hosts, a dotenv and an INI file, secrets that are needed for
/// users, a file that has a key of PGP as well and one that has no other.
#[test]
fn a_fleet_of_flat_files_of_sops_comes_in() -> Result<()> {
    let checkout = Checkout::new()?;
    let names = ["web1", "web2", "web3"];
    let hosts: Vec<String> = names.iter().map(|name| checkout.key(name)).collect::<Result<_>>()?;
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let (alice, bob) = (checkout.key("alice")?, checkout.key("bob")?);
    let admins = [alice.as_str(), &bob];
    let own = |from: usize, to: usize| [&hosts[from..to], &admins[..]].concat();
    let line = |key: &&str| format!("{key}: {CANARY} {key}\n");
    let yaml = |keys: &[&str]| keys.iter().map(line).collect::<String>();
    for (index, name) in names.iter().enumerate() {
        sops(&checkout, &own(index, index + 1), &[], &yaml(&["root", "mail", "api"]), &format!("{name}.yaml"))?;
    }
    sops(&checkout, &own(0, 2), &[], &yaml(&["ca", "mesh"]), "shared/first-two.yaml")?;
    sops(&checkout, &own(0, 3), &[], &yaml(&["everyone"]), "shared/all.yaml")?;
    sops(&checkout, &own(2, 3), &BINARY, &value("keytab"), "web3.keytab")?;
    let env = format!("# of a service\nTOKEN={CANARY}\nLINES=one\\ntwo\n");
    sops(&checkout, &own(2, 3), &[], &env, "web3.env")?;
    let ini = format!("top={CANARY}\n[smtp]\n; whose\nuser=x\npassword=\"{CANARY} #1\"\n");
    sops(&checkout, &own(2, 3), &[], &ini, "web3.ini")?;
    // No one here has the key.
    let pgp = "    pgp:\n        - created_at: \"2026-01-01T00:00:00Z\"\n          enc: x\n          fp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\n";
    let text = fs::read_to_string(checkout.path().join("shared/all.yaml"))?;
    checkout.write("shared/all.yaml", &text.replace("    version:", &format!("{pgp}    version:")))?;
    let (begin, _) = text.split_once("    age:").unwrap();
    checkout
        .write("shared/closed.yaml", &format!("{}{pgp}    version: 3.9.0\n", begin.replace("everyone", "closed")))?;
    checkout.write(
        ".sops.yaml",
        &format!(
            "keys:\n  - &alice {alice}\n  - &bob {bob}\n  - &web1 {}\n  - &web2 {}\n  - &web3 {}\n",
            hosts[0], hosts[1], hosts[2]
        ),
    )?;

    let old = |name: &str| {
        let two =
            "sops.secrets.ca.sopsFile = ./shared/first-two.yaml; sops.secrets.mesh.sopsFile = ./shared/first-two.yaml;";
        let more = match name {
            "web1" => format!("{two} sops.secrets.closed.sopsFile = ./shared/closed.yaml;"),
            "web2" => two.to_owned(),
            _ => r#"sops.secrets.keytab = { sopsFile = ./web3.keytab; format = "binary"; };
                    sops.secrets.env = { sopsFile = ./web3.env; format = "dotenv"; };
                    sops.secrets.smtp = { sopsFile = ./web3.ini; format = "ini"; mode = "0440"; };"#
                .to_owned(),
        };
        format!(
            r"sops.defaultSopsFile = ./{name}.yaml; sops.secrets.root.neededForUsers = true;
               sops.secrets.mail = {{ }}; sops.secrets.api = {{ }};
               sops.secrets.everyone.sopsFile = ./shared/all.yaml; {more}"
        )
    };
    let flake = |modules: &str, settings: &str| -> String {
        let one = |name: &&str| machine(name, &format!("{THEIRS} {modules}"), &format!("{} {settings}", old(name)));
        names.iter().map(one).collect()
    };
    checkout.flake(&flake("", ""))?;
    checkout.run(&["import", "sops", "--write", "imported.nix"])?.ends(0);
    let ours = r#"artifacts.root = ./.; artifacts.default.backend = "sops-nix";"#;
    checkout.flake(&flake(&format!("{OURS} ./imported.nix"), ours))?;

    // Flat files need no key. Dotenv and INI are stored in another form, and one is for PGP alone.
    let ran = checkout.run(&["import", "sops"])?.ends(1).says("no identity").never_says(CANARY);
    ran.says("`sops decrypt --extract '[\"closed\"]' shared/closed.yaml | artifacts set per-machine/web1/closed`");
    assert_eq!(counts(&checkout)?, count(&[("absent", 3), ("present", 5), ("stale (recipients)", 1)]));
    has_next_steps(&checkout)?;
    let stored = "secrets/per-machine/web2/web2/secrets.sops.yaml";
    assert_eq!(fs::read(checkout.path().join(stored))?, fs::read(checkout.path().join("web2.yaml"))?);
    let ran = with_key(&checkout, "alice", &["import", "sops"])?.ends(3).never_says(CANARY);
    ran.says("from `web3.env`: encrypted to the declared recipients");
    assert_eq!(counts(&checkout)?, count(&[("absent", 1), ("present", 7), ("stale (recipients)", 1)]));
    has_next_steps(&checkout)?;
    // The value is the text that sops-nix gave to the service.
    for (name, file, old) in [("env", "env", "web3.env"), ("smtp", "smtp", "web3.ini")] {
        let text = decrypted(&checkout, &checkout.key_file("bob"), &[], old)?;
        let get = with_key(&checkout, "web3", &["get", &format!("web3/{name}"), file])?.ends(0);
        assert_eq!(get.stdout, text);
        let stored = format!("secrets/per-machine/web3/{name}/{file}.sops");
        assert_eq!(decrypted(&checkout, &checkout.key_file("web3"), &[], &stored)?, text);
    }
    unchanged(&checkout, &["import", "sops"], 3)?;
    is_nowhere(&checkout)
}

/// agenix-rekey: sources for admins alone, copies for one host each in the repository, generators and what only other secrets read; hosts
/// inside hosts are targets as others are.
#[test]
fn a_fleet_of_agenix_rekey_comes_in() -> Result<()> {
    let checkout = Checkout::new()?;
    age_plugin::write(&checkout.tools(), "")?;
    let names = ["host1", "vm1"];
    let hosts = names.map(|name| ssh_key(&checkout, "ed25519", name).unwrap());
    let master = checkout.key("master")?;
    for (name, host) in names.iter().zip(&hosts) {
        for number in 0..4 {
            let secret = format!("{name}-{number}");
            age(&checkout, &[&master, age_plugin::RECIPIENT], &format!("secrets/{secret}.age"), value(&secret))?;
            // With `storageMode = "derivation"`, the last one has no copy here.
            if number < 3 {
                age(&checkout, &[host], &format!("rekeyed/{name}/0a-{secret}.age"), value(&secret))?;
            }
        }
    }
    let option = "{ lib, ... }: { options.age = { rekey = lib.mkOption { default = { }; type = lib.types.raw; };
        secrets = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule { options = {
          rekeyFile = lib.mkOption { default = null; }; intermediary = lib.mkOption { default = false; };
          generator = lib.mkOption { default = null; }; }; }); }; }; }";
    let old = |name: &str, host: &str| {
        format!(
            r#"age.rekey = {{ hostPubkey = "{host}"; storageMode = "local";
                 masterIdentities = [ {{ identity = "/x"; pubkey = "{master}"; }} ]; extraEncryptionPubkeys = [ "{card}" ]; }};
               age.secrets.a = {{ rekeyFile = ./secrets/{name}-0.age; file = ./rekeyed/{name}/0a-{name}-0.age; generator.script = "alnum"; }};
               age.secrets.b = {{ rekeyFile = ./secrets/{name}-1.age; file = ./rekeyed/{name}/0a-{name}-1.age; mode = "0440"; }};
               age.secrets.c = {{ rekeyFile = ./secrets/{name}-2.age; file = ./rekeyed/{name}/0a-{name}-2.age; intermediary = true; }};
               age.secrets.d = {{ rekeyFile = ./secrets/{name}-3.age; file = "/nix/store/none/d.age"; }};"#,
            card = age_plugin::RECIPIENT
        )
    };
    let flake = |modules: &str, settings: &str| -> String {
        let modules = format!("{THEIRS} ({option}) {modules}");
        let one = |(name, host): (&&str, &String)| machine(name, &modules, &format!("{} {settings}", old(name, host)));
        names.iter().zip(&hosts).map(one).collect()
    };
    checkout.flake(&flake("", ""))?;
    checkout.run(&["import", "agenix-rekey", "--write", "imported.nix"])?.ends(0);
    checkout.flake(&flake(&format!("{OURS} ./imported.nix"), "artifacts.root = ./.;"))?;
    // The sources are taken, which no host decrypts yet: the copies are for hosts alone, and no admin would decrypt them again.
    checkout.run(&["import", "agenix-rekey"])?.ends(3).never_says(CANARY);
    assert_eq!(counts(&checkout)?, count(&[("stale (recipients)", 8)]));
    has_next_steps(&checkout)?;
    with_key(&checkout, "master", &["--age-plugin", "tester", "rekey"])?.ends(0).never_says(CANARY);
    assert_eq!(counts(&checkout)?, count(&[("present", 8)]));
    for (name, file, number) in [("host1", "a", 0), ("host1", "b", 1), ("vm1", "d", 3)] {
        let stored = format!("secrets/per-machine/{name}/{file}/{file}.age");
        assert_eq!(checkout.decrypt(name, &stored)?, value(&format!("{name}-{number}")));
    }
    assert!(
        checkout.decrypt("host1", "secrets/per-machine/host1/c/c.age").is_err(),
        "only other secrets are made of it"
    );
    checkout.run(&["status"])?.ends(0);
    unchanged(&checkout, &["import", "agenix-rekey"], 0)?;
    is_nowhere(&checkout)
}

/// A hundred secrets of each kind.
#[test]
fn a_large_fleet_comes_in() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, alice) = (checkout.key("web1")?, checkout.key("alice")?);
    let mut settings = String::new();
    let mut rules = String::new();
    for number in 0..100 {
        age(&checkout, &[&web1, &alice], &format!("age/a{number}.age"), value(&format!("a{number}")))?;
        write!(settings, "age.secrets.a{number}.file = ./age/a{number}.age; ")?;
        writeln!(rules, "  \"a{number}.age\".publicKeys = [ \"{web1}\" \"{alice}\" ];")?;
    }
    checkout.write("age/secrets.nix", &format!("{{\n{rules}}}\n"))?;
    let line = |number: u8| format!("k{number}: {CANARY} {number}\n");
    let yaml: String = (0..100).map(line).collect();
    sops(&checkout, &[&web1, &alice], &[], &format!("{yaml}nested:\n    one: {CANARY}\n"), "s.yaml")?;
    settings += "sops.defaultSopsFile = ./s.yaml; sops.secrets.\"nested/one\" = { };";
    for number in 0..100 {
        write!(settings, "sops.secrets.k{number} = {{ }}; ")?;
    }
    checkout.write("keys.nix", &format!("{{ web1 = \"{web1}\"; alice = \"{alice}\"; }}\n"))?;
    let flake =
        |modules: &str, more: &str| machine("web1", &format!("{THEIRS} {modules}"), &format!("{settings} {more}"));
    checkout.flake(&flake("", ""))?;
    checkout.run(&["import", "agenix", "--write", "agenix.nix"])?.ends(0);
    checkout.run(&["import", "sops", "--write", "sops.nix"])?.ends(0);
    checkout.flake(&flake(&format!("{OURS} ./agenix.nix ./sops.nix"), "artifacts.root = ./.;"))?;
    checkout.run(&["import", "agenix"])?.ends(0).never_says(CANARY);
    with_key(&checkout, "alice", &["import", "sops"])?.ends(0).never_says(CANARY);
    assert_eq!(counts(&checkout)?, count(&[("present", 101)]));
    unchanged(&checkout, &["import", "agenix"], 0)?;
    unchanged(&checkout, &["import", "sops"], 0)?;
    is_nowhere(&checkout)
}
