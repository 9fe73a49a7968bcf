//! The second half of `artifacts import`: values of trees that age and sops themselves wrote get into declared artifacts, with real
//! modules and real Nix. No plaintext is left anywhere.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Result, ensure};
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::stored;
use artifacts_tests::other_tools::{
    self, BINARY, CANARY, OURS, THEIRS, age, decrypted, is_nowhere, sops, ssh_key, states, unchanged, value, with_key,
};

/// A machine with the modules of other tools, and more.
fn machine(name: &str, modules: &str, settings: &str) -> String {
    other_tools::machine(name, &format!("{THEIRS} {modules}"), settings)
}

#[test]
fn a_fleet_of_agenix_comes_in_without_any_key() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, web2) = (ssh_key(&checkout, "ed25519", "web1")?, ssh_key(&checkout, "ed25519", "web2")?);
    let (alice, bob) = (checkout.key("alice")?, checkout.key("bob")?);
    age(&checkout, &[&web1, &alice], "secrets/attic.age", value("attic"))?;
    age(&checkout, &[&web1, &web2, &alice, &bob], "secrets/ca.age", value("ca"))?;
    // Its rules name bob by now, and no one encrypted it again.
    age(&checkout, &[&web1, &alice], "secrets/old.age", value("old"))?;
    checkout.write(
        "secrets/secrets.nix",
        &format!(
            "let\n  alice = \"{alice}\";\n  bob = \"{bob}\";\n  web1 = \"{web1}\";\n  web2 = \"{web2}\";\nin\n{{\n  \
             \"attic.age\".publicKeys = [ alice web1 ];\n  \"ca.age\".publicKeys = [ alice bob web1 web2 ];\n  \
             \"old.age\".publicKeys = [ alice bob web1 ];\n}}\n"
        ),
    )?;
    let ca = "age.secrets.ca.file = ./secrets/ca.age;";
    let more = "age.secrets.attic.file = ./secrets/attic.age; age.secrets.old.file = ./secrets/old.age;";
    let flake = |modules: &str, settings: &str| {
        machine("web1", modules, &format!("{ca} {more} {settings}"))
            + &machine("web2", modules, &format!("{ca} {settings}"))
    };
    checkout.flake(&flake("", ""))?;
    checkout.run(&["import", "agenix", "--write", "imported.nix"])?.ends(0);
    checkout.flake(&flake(&format!("{OURS} ./imported.nix"), "artifacts.root = ./.;"))?;

    let ran = checkout.run(&["import", "agenix", "--dry-run"])?.ends(3).says("would import 3");
    ran.says("dry run: nothing was written");
    assert!(stored(&checkout.path())?.keys().all(|path| !path.contains("receipt.json")));
    let ran = checkout.run(&["import", "agenix"])?.ends(3).says("from `secrets/attic.age`: unchanged");
    ran.says("artifacts rekey").never_says(CANARY);
    let expected = [
        ("per-machine/web1/attic", "present"),
        ("per-machine/web1/old", "stale (recipients)"),
        ("shared/ca", "present"),
    ];
    let expected = BTreeMap::from(expected.map(|(name, state)| (name.to_owned(), state.to_owned())));
    assert_eq!(states(&checkout)?, expected);
    for (key, file) in
        [("alice", "per-machine/web1/attic/attic"), ("web1", "per-machine/web1/attic/attic"), ("web2", "shared/ca/ca")]
    {
        let name = file.rsplit('/').next().unwrap();
        assert_eq!(checkout.decrypt(key, &format!("secrets/{file}.age"))?, value(name));
        let text = fs::read_to_string(checkout.path().join(format!("secrets/{file}.age")))?;
        assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{text}");
    }
    unchanged(&checkout, &["import", "agenix"], 3)?;

    // Someone with a key finishes it.
    with_key(&checkout, "alice", &["rekey"])?.ends(0).never_says(CANARY);
    checkout.run(&["status"])?.ends(0);
    assert_eq!(checkout.decrypt("bob", "secrets/per-machine/web1/old/old.age")?, value("old"));
    unchanged(&checkout, &["import", "agenix"], 0)?;
    is_nowhere(&checkout)
}

#[test]
fn a_fleet_of_sops_comes_in_unchanged_where_all_of_a_file_is_declared_and_with_a_key_where_not() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, admin) = (checkout.key("web1")?, checkout.key("admin")?);
    let both = [web1.as_str(), admin.as_str()];
    sops(&checkout, &both, &[], &format!("attic: {CANARY} a\nmail: {CANARY} b\n"), "secrets/web1.yaml")?;
    sops(
        &checkout,
        &both,
        &[],
        &format!("used: {CANARY} c\nunused: {CANARY} d\nnested:\n  deep: {CANARY} e\n"),
        "secrets/part.yaml",
    )?;
    sops(&checkout, &both, &BINARY, &value("tls"), "secrets/tls.key")?;
    checkout.write(".sops.yaml", &format!("keys:\n  - &admin {admin}\n  - &host_web1 {web1}\n"))?;
    let settings = r#"
        sops.defaultSopsFile = ./secrets/web1.yaml;
        sops.secrets.attic = { };
        sops.secrets.mail = { };
        sops.secrets.used.sopsFile = ./secrets/part.yaml;
        sops.secrets.tls = { sopsFile = ./secrets/tls.key; format = "binary"; };"#;
    checkout.flake(&machine("web1", "", settings))?;
    checkout.run(&["import", "sops", "--write", "imported.nix"])?.ends(0);
    let ours = r#"artifacts.root = ./.; artifacts.default.backend = "sops-nix";"#;
    checkout.flake(&machine("web1", &format!("{OURS} ./imported.nix"), &format!("{settings} {ours}")))?;

    let ran = checkout.run(&["import", "sops"])?.ends(1).says("no identity").says("secrets/part.yaml");
    ran.never_says(CANARY);
    let found = states(&checkout)?;
    assert_eq!(found.values().filter(|state| *state == "present").count(), 2, "{found:?}");
    let (yaml, tls) = ("secrets/per-machine/web1/web1/secrets.sops.yaml", "secrets/per-machine/web1/tls/tls.sops");
    for (new, old) in [(yaml, "secrets/web1.yaml"), (tls, "secrets/tls.key")] {
        assert_eq!(fs::read(checkout.path().join(new))?, fs::read(checkout.path().join(old))?);
    }
    // What is left needs one key, once.
    with_key(&checkout, "admin", &["import", "sops"])?.ends(0).says("encrypted to the declared recipients");
    assert!(states(&checkout)?.values().all(|state| state == "present"));
    let get = with_key(&checkout, "web1", &["get", "web1/used", "used"])?.ends(0);
    assert_eq!(get.stdout, format!("{CANARY} c"));
    unchanged(&checkout, &["import", "sops"], 0)?;
    checkout.run(&["status"])?.ends(0);
    is_nowhere(&checkout)
}

/// A machine whose secrets of agenix are declared as artifacts of sops-nix in this format, and what imports them.
fn to_sops_nix(format: &str, values: &[(&str, &[u8])]) -> Result<Checkout> {
    let checkout = Checkout::new()?;
    let (web1, admin) = (checkout.key("web1")?, checkout.key("admin")?);
    let mut settings = format!(
        r#"artifacts = {{ root = ./.; default.backend = "sops-nix"; hostKey = "{web1}"; recipients.admin = "{admin}"; }};
           artifacts.config.sops-nix.format = "{format}";"#
    );
    for (name, value) in values {
        age(&checkout, &[&web1, &admin], &format!("secrets/{name}.age"), value)?;
        write!(settings, " age.secrets.{name}.file = ./secrets/{name}.age;")?;
        write!(settings, " artifacts.store.{name}.files.{name} = {{ }};")?;
    }
    checkout.flake(&machine("web1", OURS, &settings))?;
    Ok(checkout)
}

#[test]
fn a_value_gets_from_age_into_a_file_of_sops_and_into_no_other() -> Result<()> {
    let binary = [b"\xff".as_slice(), CANARY.as_bytes()].concat();
    let (one, two) = (value("one"), value("two"));
    let checkout = to_sops_nix("yaml", &[("one", one.as_bytes()), ("two", two.as_bytes()), ("blob", &binary)])?;
    checkout.run(&["import", "agenix"])?.ends(1).says("no identity").says("-i");
    assert!(states(&checkout)?.values().all(|state| state == "absent"));
    // Who gains access is asked about.
    let key = checkout.key_file("admin");
    let ran = checkout.run(&["-i", key.to_str().unwrap(), "import", "agenix"])?.ends(1);
    ran.says("recipients were not accepted");
    let ran = with_key(&checkout, "admin", &["import", "agenix"])?.ends(1).never_says(CANARY);
    ran.says("web1/blob").says("not UTF-8, which a structured file cannot hold: `blob`");
    let found = states(&checkout)?;
    assert_eq!(
        (found["per-machine/web1/blob"].as_str(), found["per-machine/web1/one"].as_str()),
        ("absent", "present")
    );
    for (name, value) in [("one", one), ("two", two)] {
        let file = format!("secrets/per-machine/web1/{name}/secrets.sops.yaml");
        let extract = format!("[\"{name}\"]");
        assert_eq!(decrypted(&checkout, &key, &["--extract", &extract], &file)?, value);
    }
    is_nowhere(&checkout)
}

#[test]
fn a_file_that_is_also_for_pgp_is_taken_as_that_and_rekey_asks_about_it() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, admin) = (checkout.key("web1")?, checkout.key("admin")?);
    sops(&checkout, &[&web1, &admin], &[], &format!("token: {CANARY}\n"), "secrets/web1.yaml")?;
    // As a file has it that is encrypted to a key of PGP as well; no one here has such a key.
    let file = checkout.path().join("secrets/web1.yaml");
    let pgp = "\n    pgp:\n        - created_at: \"2026-01-01T00:00:00Z\"\n          enc: x\n          fp: 85D77543B3D624B63CEA9E6DBC17301B491B3F21\n    version:";
    let text = fs::read_to_string(&file)?;
    ensure!(text.contains("\n    version:"), "{text}");
    fs::write(&file, text.replace("\n    version:", pgp))?;
    let settings = format!(
        r#"sops.secrets.token.sopsFile = ./secrets/web1.yaml;
           artifacts = {{ root = ./.; default.backend = "sops-nix"; hostKey = "{web1}"; recipients.admin = "{admin}"; }};
           artifacts.config.sops-nix.format = "yaml"; artifacts.store.token.files.token = {{ }};"#
    );
    checkout.flake(&machine("web1", OURS, &settings))?;
    let ran = checkout.run(&["import", "sops"])?.ends(3).says("unchanged");
    ran.says("85D77543B3D624B63CEA9E6DBC17301B491B3F21");
    assert_eq!(states(&checkout)?["per-machine/web1/token"], "stale (recipients)");
    let stored = "secrets/per-machine/web1/token/secrets.sops.yaml";
    assert_eq!(fs::read(checkout.path().join(stored))?, fs::read(&file)?);
    // Nobody accepted what the file claims, so it is asked about before anything is stored for it again.
    let key = checkout.key_file("admin");
    let rekey = ["-i", key.to_str().unwrap(), "rekey"];
    checkout.run(&rekey)?.ends(1).says("pgp 85D77543B3D624B63CEA9E6DBC17301B491B3F21");
    assert_eq!(fs::read(checkout.path().join(stored))?, fs::read(&file)?);
    checkout.run(&[&rekey[..], &["--accept-recipients"]].concat())?.ends(0);
    let text = fs::read_to_string(checkout.path().join(stored))?;
    assert!(text.contains("85D77543") && text.contains(&web1), "{text}");
    checkout.run(&["status"])?.ends(0);
    is_nowhere(&checkout)
}

#[test]
fn an_import_that_is_killed_goes_on() -> Result<()> {
    let values: Vec<(String, String)> = ["a", "b", "c"].map(|name| (name.to_owned(), value(name))).into();
    let values: Vec<(&str, &[u8])> = values.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let checkout = to_sops_nix("binary", &values)?;
    let mut before = 0;
    for at in ["1", "9", "20", "35"] {
        let ran = with_key(&checkout, "admin", &["--crash-at", at, "import", "agenix"])?;
        assert_eq!(ran.status, None, "{ran}");
        let found = states(&checkout)?;
        let present = found.values().filter(|state| *state == "present").count();
        assert_eq!(present + found.values().filter(|state| *state == "absent").count(), 3, "{found:?}");
        assert!(present >= before, "{found:?}");
        before = present;
        is_nowhere(&checkout)?;
        if present == 3 {
            break;
        }
    }
    with_key(&checkout, "admin", &["import", "agenix"])?.ends(0);
    checkout.run(&["status"])?.ends(0);
    for name in ["a", "b", "c"] {
        let file = format!("secrets/per-machine/web1/{name}/{name}.sops");
        assert_eq!(decrypted(&checkout, &checkout.key_file("web1"), &[], &file)?, value(name));
    }
    is_nowhere(&checkout)
}

#[test]
fn what_is_damaged_or_too_large_is_named_and_stops_no_other() -> Result<()> {
    let checkout = Checkout::new()?;
    let (web1, admin) = (checkout.key("web1")?, checkout.key("admin")?);
    let both = [web1.as_str(), &admin];
    let nested = |name: &str| format!("web:\n    {name}: {CANARY}\nother: {CANARY}\n");
    for name in ["fine", "bad", "cut"] {
        sops(&checkout, &both, &[], &nested(name), &format!("{name}.yaml"))?;
    }
    sops(&checkout, &both, &[], &format!("A={CANARY}\nB=2\n"), "mac.env")?;
    let edit = |file: &str, change: &dyn Fn(&str) -> String| -> Result<()> {
        let text = fs::read_to_string(checkout.path().join(file))?;
        checkout.write(file, &change(&text))
    };
    edit("bad.yaml", &|text| {
        let at = text.find("tag:").unwrap() + 4;
        let other = if text[at..].starts_with('A') { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    })?;
    edit("cut.yaml", &|text| text[..text.find("lastmodified").unwrap()].to_owned())?;
    edit("mac.env", &|text| text.split_inclusive('\n').filter(|line| !line.starts_with("B=")).collect())?;
    checkout
        .write("kms.json", r#"{"k": "ENC[x]", "sops": {"kms": [{"arn": "arn:aws:kms:x"}], "version": "3.9.0"}}"#)?;
    fs::write(checkout.path().join("large.age"), [b"age-encryption.org/v1\n".to_vec(), vec![b'x'; 20 << 20]].concat())?;
    fs::write(checkout.path().join("binary.yaml"), b"a: \xff\n")?;
    let settings = r#"
        sops.secrets."web/fine".sopsFile = ./fine.yaml;
        sops.secrets."web/bad".sopsFile = ./bad.yaml;
        sops.secrets."web/cut".sopsFile = ./cut.yaml;
        sops.secrets.mac = { sopsFile = ./mac.env; format = "dotenv"; };
        sops.secrets.k = { sopsFile = ./kms.json; format = "json"; };
        sops.secrets.binary.sopsFile = ./binary.yaml;
        age.secrets.large.file = ./large.age;"#;
    checkout.flake(&machine("web1", "", settings))?;
    checkout.run(&["import", "agenix"])?.says("large.age");
    let ran = checkout.run(&["import", "sops", "--write", "imported.nix"])?.ends(0).never_says(CANARY);
    ran.says("binary.yaml: not a file of sops").says("kms.json: it has no age recipient, only kms");
    let ours = format!(
        r#"artifacts.root = ./.; artifacts.default.backend = "sops-nix"; artifacts.hostKey = "{web1}"; {settings}"#
    );
    checkout.flake(&machine("web1", &format!("{OURS} ./imported.nix"), &ours))?;
    let ran = with_key(&checkout, "admin", &["import", "sops"])?.ends(1).never_says(CANARY);
    let ran = ran.says("cannot decrypt `web/bad`").says("MAC mismatch").says("`sops.version`");
    ran.says("artifacts set per-machine/web1/k");
    let found = states(&checkout)?;
    let present: Vec<&str> =
        found.iter().filter(|(_, state)| *state == "present").map(|(name, _)| name.as_str()).collect();
    assert_eq!(present, ["per-machine/web1/web-fine"], "{found:?}");
    unchanged(&checkout, &["import", "sops"], 1)?;
    is_nowhere(&checkout)
}
