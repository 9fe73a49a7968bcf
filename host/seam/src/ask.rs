use serde::{Deserialize, Serialize};

use crate::{BackendFailure, Secret};

/// Names a secret that the host keeps, by number. It means nothing outside its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretId(pub u32);

/// Refers to a plaintext that the host keeps, or holds one that the component made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaintextRef {
    /// The host has it.
    Kept(SecretId),
    /// The component made it.
    Made(Secret),
}

/// Holds what a component may ask of the host while it runs. Closed and small on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The plaintext behind a handle; needs the grant `plaintext`.
    SecretBytes(SecretId),
    /// age encryption for declared files, to all their recipients; only during `serialize`.
    Seal {
        /// The declared files that it is stored for: the host knows who reads them.
        files: Vec<String>,
        /// The plaintext.
        value: PlaintextRef,
        /// ASCII armor or binary.
        armor: bool,
    },
    /// The same to some of their recipients, a file each.
    SealEach {
        /// As in [`Ask::Seal`].
        files: Vec<String>,
        /// The plaintext.
        value: PlaintextRef,
        /// The keys of these recipients.
        to: Vec<String>,
        /// ASCII armor or binary.
        armor: bool,
    },
    /// age decryption; only during `retrieve`, with the grant `identities`, and again for what is written again.
    Open {
        /// An age file.
        #[serde(with = "crate::bytes")]
        file: Vec<u8>,
    },
}

impl Ask {
    /// Returns the imported function that asks this: `secrets.bytes`, `age.seal`, `age.seal-each`, `age.open`.
    pub fn call(&self) -> &'static str {
        match self {
            Self::SecretBytes(_) => "secrets.bytes",
            Self::Seal { .. } => "age.seal",
            Self::SealEach { .. } => "age.seal-each",
            Self::Open { .. } => "age.open",
        }
    }

    /// Returns the secret kept by the host that it is about, if it is about one.
    pub fn secret(&self) -> Option<SecretId> {
        match self {
            Self::SecretBytes(id)
            | Self::Seal { value: PlaintextRef::Kept(id), .. }
            | Self::SealEach { value: PlaintextRef::Kept(id), .. } => Some(*id),
            Self::Seal { .. } | Self::SealEach { .. } | Self::Open { .. } => None,
        }
    }
}

/// Answers an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostReply {
    /// To [`Ask::SecretBytes`].
    Bytes(Secret),
    /// To [`Ask::Seal`].
    Sealed(Vec<u8>),
    /// To [`Ask::SealEach`], in its order.
    SealedEach(Vec<Vec<u8>>),
    /// To [`Ask::Open`]: the plaintext stays with the host.
    Opened {
        /// Its handle.
        secret: crate::SecretId,
        /// Its length in bytes.
        size: u64,
    },
    /// An expected failure, for the component to pass on.
    Failed(BackendFailure),
    /// Not allowed; the call ends here.
    Denied(String),
}

impl HostReply {
    /// Returns why there is no result: a word if it failed, a sentence if it was denied.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed(failure) => Some(failure.kind.as_str()),
            Self::Denied(why) => Some(why),
            _ => None,
        }
    }
}

/// Says how grave a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// For the curious.
    Info,
    /// For authors.
    Debug,
}
