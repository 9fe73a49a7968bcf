//! The demo's flake, as a user has it: with the inputs' public addresses, and a lock file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::path::Path;

use artifacts_spec::TargetKind;
use common::{Bench, name};

#[test]
fn the_demo_evaluates() {
    let bench = Bench::new();
    bench.inputs().demo(bench.folder(), ["ssh-ed25519 AAAA1", "ssh-ed25519 AAAA2", "age1alice", "age1admin"]).unwrap();
    bench.commit();
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
    let found: Vec<_> = evaluation.spec.targets.iter().map(|target| (target.kind, target.name.as_str())).collect();
    assert_eq!(found, [(TargetKind::Nixos, "web1"), (TargetKind::Nixos, "web2"), (TargetKind::HomeManager, "alice")]);
    let web2 = &evaluation.spec.targets[1];
    assert_eq!(web2.config["agenix"]["publicHostKey"], "ssh-ed25519 AAAA2");
    assert!(web2.artifacts[&name("cluster")].shared);
    let flake = bench.flake_ref();
    assert_eq!(flake.checkout(evaluation.spec.root.as_deref()).unwrap(), bench.folder());
    assert_eq!(artifacts_tests::nix::git(bench.folder(), &["status", "--short"]).unwrap(), "");
}

/// The spec of the demo as other front ends and readers see it, but for what is different in each store.
#[test]
fn the_demos_spec_is_what_it_was() {
    let bench = Bench::new();
    bench.inputs().demo(bench.folder(), ["ssh-ed25519 AAAA1", "ssh-ed25519 AAAA2", "age1alice", "age1admin"]).unwrap();
    let spec = serde_json::to_string_pretty(&bench.evaluate().spec).unwrap();
    let store = bench.nix().store_dir().unwrap().display().to_string();
    let made = without_hashes(&spec, &store) + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/demo.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "{} differs; run this test with BLESS=1 and look at the difference", file.display());
}

fn without_hashes(text: &str, store: &str) -> String {
    let store = format!("{store}/");
    let mut parts = text.split(&store);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "/nix/store/HASH" + part.get(32..).unwrap_or(part))
}
