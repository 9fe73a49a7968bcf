//! The one way that data goes: plan, check, prompts, generator, serialize, commit.
//!
//! This room knows no outside thing; it hands what one room made to the next. [`survey`] tells what every instance is,
//! [`make`] makes some of them. One instance that fails never stops the others.

mod adopt;
mod certain;
mod changes;
mod consent;
mod dependents;
mod elsewhere;
mod extras;
mod facts;
mod failure;
mod hints;
mod index;
mod inputs;
mod make;
mod prune;
mod reading;
mod receipt;
mod rekey;
mod retrieve;
mod set;
mod steps;
mod storing;
mod survey;
mod tools;

pub use adopt::{Adoption, adopt, adoptions};
pub use artifacts_audit::{AuditLog, Operation};
pub use certain::{unmakeable, unreadable};
pub use changes::{Writing, changes};
pub use consent::{Asked, Consent, Plaintext};
pub use dependents::dependents;
pub use failure::{declared, not_serialized};
pub use hints::{Everything, helped, hints};
pub use index::{Indexed, compare_index, deleted, index_fault, is_stageable, is_unstaged};
pub use inputs::Inputs;
pub use make::{Answers, Event, Work, make};
pub use prune::{Orphan, Orphans, orphans, prune};
pub use reading::{Allowed, Readings};
pub use rekey::{Rekeyed, rekey, stored_readers, unopenable, unretrievable, wants_rekey};
pub use retrieve::{Read, retrieve, retrieve_file, retrieve_one};
pub use set::{Others, others, set, unsettable};
pub use steps::{Step, Wanted, admit, steps, waiting};
pub use survey::{Found, Survey, survey};
pub use tools::storages::Writers;
pub use tools::{
    Accept, Answer, BackendMessages, Backends, BundledBackends, Cancel, ConfirmClone, Declared, Evaluate, FormerValue,
    GeneratorFailure, Generators, HeaderMemory, Identities, Operator, PromptRequest, PromptValues, Question,
    ReadyBackend, Recorded, Registry, Retrieval, RetrieveCall, Rights, RunEvent, SandboxedGenerators, SerializeCall,
    Session, Terms, Tools,
};
