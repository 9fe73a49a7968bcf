//! The seam between the host and a component: plain data that can cross a pipe.
//!
//! A [`Request`] goes in, a [`Reply`] comes out. In between, the only way back is [`Ask`], which the host answers with an
//! [`HostReply`] while the component waits. Nothing here can reach a file, a key or a terminal, and nothing else of the host is
//! reachable from a component's store.

mod ask;
mod bytes;
mod contract;
mod ends;
mod failure_kind;
mod file_call;
mod file_name;
pub mod frame;
mod instance;
mod limits;
pub mod protocol;
mod refusals;
mod reply;
mod request;
mod sandbox;
mod shown;

pub use ask::{Ask, HostReply, Level, PlaintextRef, SealTo, SecretId};
pub use contract::CONTRACT;
pub use ends::{Disconnected, GuestEnd, GuestMessage, HostEnd};
pub use failure_kind::FailureKind;
pub use file_call::{FileCall, FileError};
pub use file_name::{check_entry, check_file_name};
pub use instance::{Attrs, CallContext, FileTarget, InstanceView, SecretFile, TargetView};
pub use limits::{
    LONGEST_KEY, LONGEST_KIND, LONGEST_LABEL, LONGEST_MESSAGE, LONGEST_NAME, Limits, MOST_HANDLES, MOST_LOGGED,
    MOST_RANDOM, MOST_REASONS, MOST_RECIPIENTS,
};
pub use refusals::{MOST_REFUSALS, too_many_refusals};
pub use reply::{
    BackendFailure, CallError, CheckState, Checked, ComponentEvent, FileRecipients, KeyKind, Outcome, RecipientView,
    Reply, RetrieveAnswers, Usage,
};
pub use request::{EntryFiles, ItemHandle, Request};
pub use sandbox::{Halfway, SandboxLayer, SandboxSetup};
pub use shown::escaped;

/// Holds plaintext. It is wiped when it is dropped, and never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(zeroize::Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// Returns the plaintext.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Returns its length, in bytes.
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// As one piece of bytes: read back, it is in one piece of memory that never moved.
impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl serde::de::Visitor<'_> for Bytes {
            type Value = Secret;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Secret, E> {
                Ok(Secret::new(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}
