//! The demo's flake, as a user has it: with the inputs' public addresses, and a lock file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::common::{Bench, name};
use artifacts_declared::TargetKind;

#[test]
fn the_demo_evaluates() {
    let bench = Bench::new();
    bench.inputs().demo(bench.dir(), ["ssh-ed25519 AAAA1", "ssh-ed25519 AAAA2", "age1alice", "age1admin"]).unwrap();
    bench.commit();
    let evaluation = bench.evaluate();
    assert_eq!(evaluation.failures.len(), 0, "{:?}", evaluation.failures);
    let found: Vec<_> = evaluation.spec.targets.iter().map(|target| (target.kind, target.name.as_str())).collect();
    assert_eq!(found, [(TargetKind::Nixos, "web1"), (TargetKind::Nixos, "web2"), (TargetKind::HomeManager, "alice")]);
    let web2 = &evaluation.spec.targets[1];
    assert_eq!(web2.config["agenix"]["publicHostKey"], "ssh-ed25519 AAAA2");
    assert!(web2.artifacts[&name("cluster")].shared);
    let flake = bench.flake_ref();
    assert_eq!(flake.checkout(evaluation.spec.root.as_deref()).unwrap(), bench.dir());
    assert_eq!(artifacts_tests::nix::git(bench.dir(), &["status", "--short"]).unwrap(), "");
}
