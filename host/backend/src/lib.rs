//! Backends: their manifests, grants, and running them as WebAssembly components.
//!
//! [`Component::read`] takes bytes and runs nothing. [`Backend`] runs a component behind the seam: what it may reach is one folder
//! that holds one slice, and what [`effective`] leaves of its grants.

mod backend;
mod bundled;
mod decrypt;
mod error;
mod host_calls;
mod lockdown;
mod machine;
mod plain;
mod proven;
mod recipients;
mod retrieve;
mod session;
mod worker;

pub use backend::{Backend, CallFailed, Checks, Place, Serialized};
pub use bundled::{BUNDLED, bundled, bundled_component};
pub use decrypt::{DecryptAttempt, Openable};
pub use error::Error;
pub use machine::Shortage;
pub use recipients::Readers;
pub use retrieve::Retrieved;
pub use worker::{WorkerStart, precompile, probe, worker_main};
