//! The seam between the host and a component: plain data that can cross a pipe.
//!
//! A [`Request`] goes in, a [`Reply`] comes out. In between, the only way back is [`Ask`], which the host answers with an
//! [`HostReply`] while the component waits. Nothing here can reach a file, a key or a terminal, and nothing else of the host is
//! reachable from a component's store.

mod ask;
mod bytes;
mod contract;
mod ends;
mod entry_files;
mod failure;
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
mod secret;
mod shown;

pub use ask::{Ask, HostReply, Level, PlaintextRef, SecretId};
pub use contract::CONTRACT;
pub use ends::{Disconnected, GuestEnd, GuestMessage, HostEnd};
pub use entry_files::EntryFiles;
pub use failure::BackendFailure;
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
    CallError, CheckState, Checked, ComponentEvent, FileRecipients, KeyKind, Outcome, RecipientView, Reply,
    RetrieveAnswers, Usage,
};
pub use request::{ItemHandle, Request};
pub use sandbox::{Halfway, SandboxLayer, SandboxSetup};
pub use secret::Secret;
pub use shown::escaped;
