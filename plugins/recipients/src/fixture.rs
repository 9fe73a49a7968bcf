//! What tests of backends share.

use artifacts_backend_sdk::{File, Instance, Target};

/// A machine's key.
pub const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";
/// Another machine's.
pub const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqEQ74chaQpRW2tpLDVdr5yIdco+G1mRv6YBAZuR0RS";
/// An admin's key.
pub const ALICE: &str = "age1aaaaahjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdzdrkpsqszqsqq";
/// Another admin's.
pub const BOB: &str = "age1bbbbbhjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdzdrkpsqszqsqq";

/// A target with its configuration as JSON.
pub fn target(kind: &str, name: &str, config: &str) -> Target {
    Target { kind: kind.into(), name: name.into(), config: config.into(), attrs: Vec::new() }
}

/// An instance with its files by name and whether they are deployed.
pub fn instance(targets: Vec<Target>, files: &[(&str, bool)]) -> Instance {
    let files = files.iter().map(|(name, deploy)| File { name: (*name).into(), deploy: *deploy, attrs: Vec::new() });
    Instance {
        name: "per-machine/web1/attic".into(),
        artifact: "attic".into(),
        shared: targets.len() > 1,
        targets,
        files: files.collect(),
        attrs: Vec::new(),
    }
}
