//! Guests, instances and folders for the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, dead_code)]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use artifacts_contract::{Component, Grants, effective};
use artifacts_declared::{Name, Recipients};
use artifacts_seam::Limits;
use artifacts_seam::{
    CallContext, CallError, CheckState, EntryFiles, FileTarget, InstanceView, Secret, SecretFile, TargetView,
};
use artifacts_session::{Checks, Verified, WorkerSession};
use artifacts_worker::in_process;
use tempfile::TempDir;

/// The time of every call.
pub const NOW: CallContext = CallContext { now: 1_700_000_000 };

pub fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` makes it", path.display()))
}

pub fn plugin(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` makes it", path.display()))
}

/// Short enough for tests, long enough for a busy machine; an emulated one says how many times slower it is.
pub fn limits() -> Limits {
    let slowness = std::env::var("ARTIFACTS_TEST_SLOWNESS").map_or(1, |times| times.parse().unwrap());
    Limits { time: 2 * slowness, memory: 128 << 20, output: 8 << 20, files: 100 }
}

/// A backend and the folder that it runs in.
pub struct Opened {
    pub backend: WorkerSession,
    _scratch: TempDir,
}

pub fn open(component: &Component, granted: &Grants) -> Opened {
    open_within(limits(), component, granted)
}

pub fn open_within(limits: Limits, component: &Component, granted: &Grants) -> Opened {
    let scratch = TempDir::new_in("/dev/shm").unwrap();
    let scratch_dir = File::open(scratch.path()).unwrap().into();
    let end = in_process(component.bytes(), limits, scratch_dir).unwrap();
    let grants = effective(&component.manifest().requests, granted);
    Opened { backend: WorkerSession::over(component, grants, limits, end), _scratch: scratch }
}

pub fn everything() -> Grants {
    Grants { plaintext: true, identities: true }
}

pub struct Key {
    pub identity: age::x25519::Identity,
    pub public: String,
}

pub fn key() -> Key {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    Key { identity, public }
}

pub fn unsealed(file: &[u8], key: &Key) -> Vec<u8> {
    let decryptor = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(file)).unwrap();
    let mut reader = decryptor.decrypt(std::iter::once(&key.identity as &dyn age::Identity)).unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut plain).unwrap();
    plain
}

/// An instance of one machine whose backend has this configuration.
pub fn instance(artifact: &str, files: &[&str], config: &serde_json::Value) -> InstanceView {
    let target = FileTarget { kind: "nixos".to_owned(), name: "web1".to_owned() };
    let file = |name: &&str| SecretFile { name: (*name).to_owned(), targets: vec![target.clone()], attrs: Vec::new() };
    InstanceView {
        name: format!("per-machine/web1/{artifact}"),
        artifact: artifact.to_owned(),
        shared: false,
        targets: vec![TargetView {
            kind: "nixos".to_owned(),
            name: "web1".to_owned(),
            config: config.to_string().into(),
            attrs: Vec::new(),
        }],
        files: files.iter().map(file).collect(),
        attrs: Vec::new(),
    }
}

/// The hostile guest's configuration: behaviours by operation.
pub fn behaving(recipients: &[&str], modes: &[(&str, &str)]) -> serde_json::Value {
    let mut config = serde_json::json!({ "recipients": recipients });
    for (operation, mode) in modes {
        config[operation] = (*mode).into();
    }
    config
}

pub fn secrets(items: &[(&str, &str)]) -> Vec<(String, Secret)> {
    items.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(value.as_bytes().to_vec()))).collect()
}

pub fn files(files: &[(&str, &str)]) -> EntryFiles {
    files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec())).collect()
}

pub fn check_one(
    backend: &mut WorkerSession,
    instance: &InstanceView,
    entry: EntryFiles,
) -> Result<Verified, CallError> {
    let Checks { mut answers, .. } = backend.check(NOW, vec![(instance.clone(), entry)]);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

pub fn same(instance: &InstanceView, recipients: &[&str]) -> Recipients {
    instance.files.iter().map(|file| of_file(&file.name, recipients)).collect()
}

pub fn of_file(file: &str, recipients: &[&str]) -> (Name, BTreeSet<String>) {
    (file.parse().unwrap(), recipients.iter().map(ToString::to_string).collect())
}

pub fn present(answer: &Result<Verified, CallError>) -> bool {
    matches!(answer, Ok(Verified { state: CheckState::Present, .. }))
}
