//! The spec: the JSON that Nix evaluates from the declarations, typed and checked. Pure.
//!
//! Reading is strict: an unknown schema version, an unknown field (unless it begins with `x-`) or a name that could leave
//! its directory refuses the whole spec and names its place.

mod absolute;
mod alike;
mod artifact;
mod dependencies;
mod instance;
mod join;
mod label;
mod lines;
mod name;
mod parse;
mod public_key;
mod recipient_name;
mod recipients;
mod schema;
mod shared;
mod twice;
mod typed;
mod types;

pub use alike::SharedArtifacts;
pub use artifact::Disagreement;
pub use dependencies::Dependencies;
pub use instance::InstanceName;
pub use join::{Conflict, ConflictSubject, join};
pub use label::{Label, bare_or_quoted};
pub use lines::{LinesError, from_text};
pub use name::{Name, NameError};
pub use parse::{Error, backends_from_value, from_value, parse};
pub use public_key::{comment, without_comment};
pub use recipient_name::{RecipientName, RecipientNameError};
pub use recipients::Recipients;
pub use schema::schema;
pub use shared::{Equals, Shared};
pub use types::{
    Artifact, ComponentSource, DEFAULT_STORAGE, DeclaredFile, Generator, Prompt, PromptKind, Registration, Rotation,
    SCHEMA, Seconds, Spec, Target, TargetId, TargetKind, UnevaluatedTarget,
};
