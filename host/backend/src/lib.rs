//! Backends: their manifests, grants, and running them as WebAssembly components.
//!
//! [`Component::read`] takes bytes and runs nothing. [`Backend`] runs a component behind the seam: what it may reach is one folder
//! that holds one slice, and what [`effective`] leaves of its grants.

mod backend;
mod bundled;
mod component;
mod decrypt;
mod error;
mod grants;
mod host_calls;
mod limits;
mod lockdown;
mod machine;
mod plain;
mod proven;
mod recipients;
mod retrieve;
mod session;
mod worker;

pub use artifacts_seam::{Limits, SandboxLayer};
pub use backend::{Backend, CallFailed, Checks, Place, Serialized};
pub use bundled::{BUNDLED, bundled, bundled_component};
pub use component::{
    Component, Inspection, LARGEST, Manifest, ManifestError, Meaning, Persists, Refusal, SECTION, Scope, annotate,
    inspect, meaning, read_file,
};
pub use decrypt::{DecryptAttempt, Openable};
pub use error::Error;
pub use grants::{GrantError, Grants, effective};
pub use limits::limits_from_json;
pub use machine::Shortage;
pub use recipients::Readers;
pub use retrieve::Retrieved;
pub use worker::{WorkerStart, precompile, probe, worker_main};
