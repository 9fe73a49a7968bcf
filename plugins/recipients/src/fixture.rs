//! What tests of backends share.

use artifacts_backend_sdk::{Context, File, Instance, Recipients, Target, TargetId};

/// Key of a machine.
pub const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";
/// Key of another machine.
pub const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqEQ74chaQpRW2tpLDVdr5yIdco+G1mRv6YBAZuR0RS";
/// Key of an admin.
pub const ALICE: &str = "age1aaaaahjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdzdrkpsqszqsqq";
/// Key of another admin.
pub const BOB: &str = "age1bbbbbhjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdzdrkpsqszqsqq";

/// Creates a target with its configuration as JSON.
pub fn target(kind: &str, name: &str, config: &str) -> Target {
    let id = TargetId { kind: kind.into(), name: name.into(), attrs: Vec::new() };
    Target { id, config: config.into(), attrs: Vec::new() }
}

/// Returns what a call is told of the run.
pub fn context() -> Context {
    Context { now: 1_700_000_000, attrs: Vec::new() }
}

/// Returns the keys of each file.
pub fn keys(recipients: Recipients) -> Vec<(String, Vec<String>)> {
    let keys = |(file, recipients): (String, Vec<_>)| {
        (file, recipients.into_iter().map(|recipient: artifacts_backend_sdk::Recipient| recipient.key).collect())
    };
    recipients.into_iter().map(keys).collect()
}

/// Creates an instance with files by name, and whether they are deployed to all targets.
pub fn instance(targets: Vec<Target>, files: &[(&str, bool)]) -> Instance {
    let all: Vec<TargetId> = targets.iter().map(|target| target.id.clone()).collect();
    let file = |(name, deploy): &(&str, bool)| File {
        name: (*name).into(),
        targets: if *deploy { all.clone() } else { Vec::new() },
        attrs: Vec::new(),
    };
    let files: Vec<File> = files.iter().map(file).collect();
    Instance {
        name: "per-machine/web1/attic".into(),
        artifact: "attic".into(),
        shared: targets.len() > 1,
        targets,
        files,
        attrs: Vec::new(),
    }
}
