//! The one way that data goes: survey, lock, agree, generate, serialize, commit, report.
//!
//! [`Run`] begins it, and each stage of [`chain`] is made from the one before. One instance that fails never stops the others.

mod agree;
pub mod chain;
mod declared_keys;
mod failure;
mod look;
mod naming;
mod progress;
mod read;
mod rotation;
mod rounds;
mod run;
mod run_state;
mod through;
mod tools;
mod work;

pub use artifacts_audit::{AuditLog, Operation};
pub use artifacts_report::Report;

pub use chain::{Agreed, Change, Locked, Surveyed, Written};
pub use declared_keys::DeclaredKeys;
pub use failure::{declared, not_serialized, selector};
pub use look::adoptable::Adoption;
pub use look::configured::check_config;
pub use look::import_source::{ImportSource, SopsFormat, SopsTextFormat, SourceForm};
pub use look::steps::Replaces;
pub use look::survey::{Survey, SurveyedInstance};
pub use progress::Tally;
pub use read::RetrievedFiles;
pub use rotation::RotateReadable;
pub use rounds::{generate, preview};
pub use run::{FileSelection, Run, Selection};
pub use tools::{
    Accept, Answer, BackendMessages, Backends, BundledBackends, Cancel, ConfirmClone, Declared, DeclaredPrompt,
    Decrypted, EffectiveGrants, Evaluate, FormerValue, GenerationFailure, Generators, HeaderMemory, Identities,
    Operator, Phase, PromptValues, Question, ReadyBackend, Recorded, Registry, RequestedPrompt, RetrieveCall, RunEvent,
    SandboxedGenerators, SerializeCall, Session, StartSession, Terms, Tools, store_of,
};
pub use work::adopt::Adopt;
pub use work::empty::EmptyTrash;
pub use work::generate::Generate;
pub use work::import::Import;
pub use work::prune::Prune;
pub use work::rekey::Rekey;
pub use work::rename::Rename;
pub use work::restore::Restore;
pub use work::set::Set;
