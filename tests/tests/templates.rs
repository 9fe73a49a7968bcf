//! The flake's templates: `nix flake init` gives a fleet that works, and a backend that stores.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::fleet::{Fleet, guest};
use artifacts_tests::nix::{Inputs, git, nix};
use serde_json::json;

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nix/templates/backend");
const GUIDE: &str = include_str!("../../BACKEND_GUIDE.md");

/// `nix flake init -t artifacts#NAME`, as far as that goes without the network: from a flake that passes the templates on.
fn init(name: &str, into: &Path) -> Result<()> {
    let passing = tempfile::tempdir()?;
    Inputs::new()?.flake(passing.path(), "inputs: { inherit (inputs.artifacts) templates; }")?;
    let template = format!("path:{}#{name}", passing.path().canonicalize()?.display());
    nix(into, &["flake", "init", "-t", &template]).map(drop)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}

#[test]
fn the_default_one_is_a_fleet_that_works() -> Result<()> {
    let checkout = Checkout::new()?;
    init("default", &checkout.path())?;
    Inputs::new()?.lock(&checkout.path())?;
    // What is to be done by hand: one's own keys. Nothing is sealed to anybody before that.
    checkout.commit()?;
    for command in ["status", "generate"] {
        checkout.run(&[command])?.ends(1).says("is `<put the key of web1 into keys.nix>`; expected a public key");
    }
    assert!(!checkout.path().join("secrets").exists());
    let own = ["web1", "web2", "alice", "admin"].map(|name| format!("{name} = \"{}\"; ", checkout.key(name).unwrap()));
    checkout.write("keys.nix", &format!("{{ {}}}\n", own.concat()))?;
    checkout.commit()?;
    checkout.run(&["status"])?.ends(3).says("6 artifacts: 6 absent");
    let answers = "[\"per-machine/web1/test\"]\ntest = \"one\"\n[\"per-machine/web2/test\"]\ntest = \"two\"\n";
    checkout.write("../answers.toml", answers)?;
    checkout
        .run(&["generate", "--accept-recipients", "--answers", "../answers.toml"])?
        .ends(0)
        .says("6 artifacts: 6 generated");
    checkout.run(&["status"])?.ends(0).says("6 present");
    for (reader, file, text) in [
        ("web1", "per-machine/web1/test/secret.age", Some("one")),
        ("admin", "per-machine/web2/test/secret.age", Some("two")),
        ("web2", "shared/cluster/token.age", None),
        ("alice", "per-user/alice/mail/password.age", None),
    ] {
        let plain = checkout.decrypt(reader, &format!("secrets/{file}"))?;
        assert!(!plain.is_empty() && text.is_none_or(|text| text == plain), "{file}");
    }
    assert!(checkout.decrypt("web2", "secrets/per-machine/web1/test/secret.age").is_err());
    // With the files there the machines know where each lies.
    checkout.commit()?;
    let file = ".#nixosConfigurations.web1.config.age.secrets.\"cluster/token\".file";
    assert!(nix(&checkout.path(), &["eval", "--raw", file])?.ends_with("-token.age"));
    assert_eq!(git(&checkout.path(), &["status", "--porcelain"])?, "");
    Ok(())
}

#[test]
fn that_of_a_backend_is_the_guides() -> Result<()> {
    let checkout = Checkout::new()?;
    init("backend", &checkout.path())?;
    let names = |dir: &Path| -> Vec<PathBuf> {
        files(dir).iter().map(|file| file.strip_prefix(dir).unwrap().to_owned()).collect()
    };
    assert_eq!(names(&checkout.path()), names(Path::new(TEMPLATE)));
    for (file, language) in [("Cargo.toml", "toml"), ("manifest.json", "json"), ("src/lib.rs", "rust")] {
        let shown = GUIDE.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let given = fs::read_to_string(checkout.path().join(file))?;
        // The template has the sdk from where it is published, the guide from a checkout.
        let sdk = |line: &&str| !line.starts_with("artifacts-backend-sdk");
        assert_eq!(given.lines().filter(sdk).collect::<Vec<_>>(), shown.lines().filter(sdk).collect::<Vec<_>>());
    }
    Ok(())
}

/// `cargo xtask guests` builds it.
#[test]
fn that_of_a_backend_stores_what_age_reads() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/sh\nprintf hello > \"$out/token\"\n")?;
    let token = json!({"backend": "mine", "files": {"token": {}}, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"token": token}))?;
    let key = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.backend("mine", json!({"component": guest("mine")?}));
    fleet.configure("web1", "mine", json!({"recipients": [key]}));
    fleet.run(["generate", "--accept-recipients", "--no-input"])?.ends(0).says("generated web1/token");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/token/token.age")?, b"hello");
    fleet.run(["status", "--all"])?.ends(0).says("present web1/token");
    fleet.configure("web1", "mine", json!({"recipient": [key]}));
    fleet.run(["status"])?.ends(1).says("`artifacts.config.mine.recipients` of nixos web1 does not fit");
    Ok(())
}
