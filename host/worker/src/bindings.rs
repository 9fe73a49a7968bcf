//! The contract, generated from `wit/`, and its types turned into the seam's.
#![allow(missing_docs, clippy::pedantic, reason = "generated code")]

use artifacts_seam as seam;

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package artifacts:host;
        world everything {
            include artifacts:backend/backend@0.2.0;
            export artifacts:backend/retrieval@0.2.0;
        }
    ",
    world: "artifacts:host/everything",
    with: {
        "artifacts:backend/secrets.secret": crate::plaintext::Plaintext,
        "artifacts:backend/entries.entry": crate::entry_handle::ReadHandle,
        "artifacts:backend/entries.entry-writer": crate::entry_handle::WriteHandle,
    },
    imports: { default: trappable },
});

pub(crate) use artifacts::backend::{age, entries, log, secrets, types};
pub(crate) use exports::artifacts::backend::{retrieval, storage};

impl From<seam::CallContext> for types::Context {
    fn from(seam::CallContext { now }: seam::CallContext) -> Self {
        Self { now, attrs: Vec::new() }
    }
}

impl From<seam::InstanceView> for types::Instance {
    fn from(instance: seam::InstanceView) -> Self {
        let seam::InstanceView { name, artifact, shared, targets, files, attrs } = instance;
        let id = |kind, name| types::TargetId { kind, name, attrs: Vec::new() };
        let target = |seam::TargetView { kind, name, config, attrs }| types::Target {
            id: id(kind, name),
            config: config.to_string(),
            attrs,
        };
        let file = |seam::SecretFile { name, targets, attrs }| types::File {
            name,
            targets: targets.into_iter().map(|seam::FileTarget { kind, name }| id(kind, name)).collect(),
            attrs,
        };
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
    fn from(types::Failure { kind, message, hint, attrs: _ }: types::Failure) -> Self {
        Self { kind: kind.as_str().into(), message, hint }.escaped()
    }
}

impl From<seam::BackendFailure> for types::Failure {
    fn from(seam::BackendFailure { kind, message, hint }: seam::BackendFailure) -> Self {
        Self { kind: kind.to_string(), message, hint, attrs: Vec::new() }
    }
}

/// Returns a failure whose kind alone says it: the host acts on it, and has its own words.
fn typed(kind: seam::FailureKind) -> seam::BackendFailure {
    seam::BackendFailure { kind, message: String::new(), hint: None }
}

impl From<types::OpenError> for seam::BackendFailure {
    fn from(error: types::OpenError) -> Self {
        match error {
            types::OpenError::NoIdentity => typed(seam::FailureKind::NoIdentity),
            types::OpenError::Failed(failure) => failure.into(),
        }
    }
}

impl From<seam::BackendFailure> for types::OpenError {
    fn from(failure: seam::BackendFailure) -> Self {
        match failure.kind {
            seam::FailureKind::NoIdentity => Self::NoIdentity,
            _ => Self::Failed(failure.into()),
        }
    }
}

impl From<storage::SerializeError> for seam::BackendFailure {
    fn from(error: storage::SerializeError) -> Self {
        match error {
            storage::SerializeError::NeedsAll => typed(seam::FailureKind::NeedsAll),
            storage::SerializeError::Failed(failure) => failure.into(),
        }
    }
}

impl From<storage::FileRecipients> for seam::FileRecipients {
    fn from(storage::FileRecipients { file, recipients, attrs: _ }: storage::FileRecipients) -> Self {
        let view =
            |storage::Recipient { key, kind, label, attrs: _ }| seam::RecipientView { key, kind: kind.into(), label };
        Self { file, recipients: recipients.into_iter().map(view).collect() }
    }
}

impl From<storage::KeyKind> for seam::KeyKind {
    fn from(kind: storage::KeyKind) -> Self {
        match kind {
            storage::KeyKind::X25519 => Self::X25519,
            storage::KeyKind::SshEd25519 => Self::SshEd25519,
            storage::KeyKind::SshRsa => Self::SshRsa,
            storage::KeyKind::Tag => Self::Tag,
            storage::KeyKind::Tagpq => Self::TagPq,
            storage::KeyKind::Pq => Self::Pq,
            storage::KeyKind::Plugin => Self::Plugin,
            storage::KeyKind::Other => Self::Other,
        }
    }
}

impl From<storage::State> for seam::CheckState {
    fn from(state: storage::State) -> Self {
        match state {
            storage::State::Present => Self::Present,
            storage::State::Absent => Self::Absent,
            storage::State::Stale(storage::Stale { first, rest, attrs: _ }) => {
                Self::Stale(std::iter::once(first).chain(rest).map(reason).collect())
            }
        }
    }
}

fn reason(storage::Reason { kind, message, attrs: _ }: storage::Reason) -> (String, String) {
    let kind = match kind {
        storage::ReasonKind::Files => "files",
        storage::ReasonKind::Format => "format",
        storage::ReasonKind::Recipients => "recipients",
    };
    (kind.to_owned(), message)
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
