//! Backends: their manifests, grants, and running them as WebAssembly components.
//!
//! [`Component::read`] takes bytes and runs nothing. [`Backend`] runs a component behind the seam: what it may reach is one folder
//! that holds one slice, and what [`effective`] leaves of its grants.

mod backend;
mod broker;
mod bundled;
mod component;
mod error;
mod grants;
mod limits;
mod lockdown;
mod machine;
mod opening;
mod plain;
mod proven;
mod readers;
mod retrieve;
mod session;
mod slice;
mod words;
mod worker;

pub use backend::{Backend, CallFailed, Checks, Place, Serialized};
pub use bundled::{BUNDLED, bundled, bundled_component};
pub use component::{
    Component, Inspection, LARGEST, Manifest, ManifestError, Meaning, Persists, Refusal, SECTION, Scope, annotate,
    inspect, meaning, read_file,
};
pub use error::Error;
pub use grants::{GrantError, Grants, effective};
pub use limits::Limits;
pub use lockdown::Protection;
pub use machine::Shortage;
pub use opening::{Openable, Opening};
pub use readers::Readers;
pub use retrieve::Retrieved;
#[doc(hidden)]
pub use worker::take_anything;
pub use worker::{Worker, precompile, probe, worker_main};
