//! Running Nix: a flake's declarations evaluated into the spec, derivations realised, closures listed.
//!
//! Nix is a program beside this one, never a library. It is given the environment that the caller passes and nothing else;
//! its exit status is looked at before its answer is parsed, since it can leave half an answer behind.

mod cache;
mod checkout;
mod each;
mod error;
mod evaluate;
mod flake;
mod foreign;
mod known_names;
mod message;
mod metadata;
mod nix;
mod program;
mod real_store;
mod run;
mod store;

pub use error::{Error, FlakeSource};
pub use evaluate::{Evaluation, EvaluationError, TargetFailure};
pub use flake::{Flake, TargetRef};
pub use foreign::{ForeignSecrets, ForeignTarget};
pub use known_names::KnownNames;
pub use message::trim as trim_message;
pub use nix::{EvaluationObserver, EvaluationStep, Nix, NixOptions};
pub use real_store::StoreDirs;
