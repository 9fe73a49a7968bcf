//! The contract, generated from `wit/`, and its types turned into the seam's.
#![allow(missing_docs, clippy::pedantic, reason = "generated code")]

use artifacts_seam as seam;

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "backend-with-retrieval",
    with: { "artifacts:backend/secrets.secret": crate::plaintext::Plaintext },
    imports: { default: trappable },
});

pub(crate) use artifacts::backend::{age, log, secrets, types};
pub(crate) use exports::artifacts::backend::{retrieval, storage};

impl From<seam::InstanceView> for types::Instance {
    fn from(instance: seam::InstanceView) -> Self {
        let seam::InstanceView { name, artifact, shared, targets, files, attrs } = instance;
        let target = |seam::TargetView { kind, name, config, attrs }| types::Target { kind, name, config, attrs };
        let file = |seam::SecretFile { name, deploy, attrs }| types::File { name, deploy, attrs };
        Self {
            name,
            artifact,
            shared,
            targets: targets.into_iter().map(target).collect(),
            files: files.into_iter().map(file).collect(),
            attrs,
        }
    }
}

impl From<types::Failure> for seam::BackendFailure {
    fn from(types::Failure { kind, message, hint }: types::Failure) -> Self {
        Self { kind: kind.as_str().into(), message, hint }
    }
}

impl From<seam::BackendFailure> for types::Failure {
    fn from(seam::BackendFailure { kind, message, hint }: seam::BackendFailure) -> Self {
        Self { kind: kind.to_string(), message, hint }
    }
}

impl From<storage::State> for seam::CheckState {
    fn from(state: storage::State) -> Self {
        match state {
            storage::State::Present => Self::Present,
            storage::State::Absent => Self::Absent,
            storage::State::Stale(reasons) => Self::Stale(reasons),
        }
    }
}

impl From<log::Level> for seam::Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::Error,
            log::Level::Warn => Self::Warn,
            log::Level::Info => Self::Info,
            log::Level::Debug => Self::Debug,
        }
    }
}
