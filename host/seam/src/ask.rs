use serde::{Deserialize, Serialize};

use crate::{BackendFailure, Secret};

/// A secret in the host's keeping, by number; it means nothing outside its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretId(pub u32);

/// A plaintext: in the host's keeping, or made by the component itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlaintextRef {
    /// The host has it.
    Kept(SecretId),
    /// The component made it.
    Made(Secret),
}

/// What a component may ask of the host while it runs. Closed and small on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// The plaintext behind a handle; needs the grant `plaintext`.
    SecretBytes(SecretId),
    /// age encryption to declared readers; only during `serialize`.
    Seal {
        /// The plaintext.
        value: PlaintextRef,
        /// To whom.
        recipients: Vec<String>,
        /// ASCII armor or binary.
        armor: bool,
    },
    /// age decryption; only during `retrieve`, with the grant `identities`.
    Open {
        /// An age file.
        #[serde(with = "crate::bytes")]
        file: Vec<u8>,
    },
}

impl Ask {
    /// The imported function that asks this: `secrets.bytes`, `age.seal`, `age.open`.
    pub fn call(&self) -> &'static str {
        match self {
            Self::SecretBytes(_) => "secrets.bytes",
            Self::Seal { .. } => "age.seal",
            Self::Open { .. } => "age.open",
        }
    }

    /// The secret in the host's keeping that it is about, if it is about one.
    pub fn secret(&self) -> Option<SecretId> {
        match self {
            Self::SecretBytes(id) | Self::Seal { value: PlaintextRef::Kept(id), .. } => Some(*id),
            Self::Seal { .. } | Self::Open { .. } => None,
        }
    }
}

/// The host's answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostReply {
    /// To [`Ask::SecretBytes`].
    Bytes(Secret),
    /// To [`Ask::Seal`].
    Sealed(Vec<u8>),
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
    /// Why there is nothing: in a word when it failed, in a sentence when it was refused.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed(failure) => Some(failure.kind.as_str()),
            Self::Denied(why) => Some(why),
            _ => None,
        }
    }
}

/// How grave a message is.
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
