//! Write a backend for artifacts in Rust: one trait, one macro.
//!
//! ```text
//! use artifacts_backend_sdk::{Backend, Context, Entry, Failure, Instance, Item, Recipients, SerializeError, State};
//!
//! /// What it does.
//! pub struct Mine;
//!
//! impl Backend for Mine {
//!     fn recipients(instance: &Instance) -> Result<Recipients, Failure> { … }
//!     fn check(context: &Context, instance: &Instance, entry: &Entry) -> Result<State, Failure> { … }
//!     fn serialize(context: &Context, instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), SerializeError> { … }
//! }
//!
//! artifacts_backend_sdk::export!(Mine, manifest = "../manifest.json");
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2`; the file is a component, ready to be registered.

mod adapter;
mod backend;
#[doc(hidden)]
pub mod bindings;
mod config;
mod encryption;
mod entry;
mod export;
mod failure;
mod folder;
pub mod log;
mod recipient;
mod state;

#[doc(hidden)]
pub use adapter::Adapter;
pub use backend::{Answer, Backend, Item, Recipients, Retrieve};
pub use bindings::artifacts::backend::age::Form;
pub use bindings::artifacts::backend::secrets::Secret;
pub use bindings::artifacts::backend::types::{Context, Failure, File, Instance, OpenError, Target, TargetId};
pub use bindings::exports::artifacts::backend::storage::{KeyKind, SerializeError};
pub use config::config;
pub use encryption::{open, seal, seal_key};
pub use entry::Entry;
#[doc(hidden)]
pub use export::manifest_fault;
pub use recipient::Recipient;
pub use state::{Reason, ReasonKind, Stale, State};
