//! Write a backend for artifacts in Rust: one trait, one macro.
//!
//! ```text
//! use artifacts_backend_sdk::{Backend, Entry, Failure, Instance, Item, Recipients, State};
//!
//! /// What it does.
//! pub struct Mine;
//!
//! impl Backend for Mine {
//!     fn recipients(instance: &Instance) -> Result<Recipients, Failure> { … }
//!     fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure> { … }
//!     fn serialize(instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), Failure> { … }
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
mod entry;
mod export;
mod failure;
pub mod log;
mod state;

#[doc(hidden)]
pub use adapter::Adapter;
pub use backend::{Backend, Item, Recipients, Retrieve, open, seal};
pub use bindings::artifacts::backend::secrets::Secret;
pub use bindings::artifacts::backend::types::{Failure, File, Instance, Target};
pub use config::config;
pub use entry::Entry;
#[doc(hidden)]
pub use export::manifest_fault;
pub use state::State;
