//! The one way that data goes: plan, check, prompts, generator, serialize, commit.
//!
//! This room knows no outside thing; it hands what one room made to the next. [`survey`] tells what every instance is,
//! [`make`] makes some of them. One instance that fails never stops the others.

mod adopt;
mod audit;
mod certain;
mod changes;
mod consent;
mod dependents;
mod elsewhere;
mod extras;
mod facts;
mod failure;
mod headers;
mod hints;
mod index;
mod inputs;
mod keys;
mod make;
mod owners;
mod program;
mod prune;
mod reading;
mod receipt;
mod registry;
mod rekey;
mod retrieve;
mod rooms;
mod set;
mod steps;
mod store;
mod storing;
mod survey;

pub use adopt::{Adoption, adopt, adoptions};
pub use artifacts_audit::Operation;
pub use audit::{Audit, Calling, Ended, Hear, Recordable, Words};
pub use certain::{unmakeable, unreadable};
pub use changes::{Writing, changes};
pub use consent::{Asked, Consent, Plaintext};
pub use dependents::dependents;
pub use failure::{declared, not_serialized};
pub use headers::{ConfirmClone, HeaderMemory};
pub use hints::{Declared, helped, hints};
pub use index::{Indexed, compare_index, is_staged_by_runs, is_unstaged};
pub use inputs::Inputs;
pub use keys::Keys;
pub use make::{Answers, Event, Work, make};
pub use prune::{Orphan, Orphans, orphans, prune};
pub use reading::{Allowed, Readings};
pub use registry::{Accept, Opened, Registry, Rights};
pub use rekey::{Rekeyed, rekey, stored_readers, unopenable, unretrievable, wants_rekey};
pub use retrieve::{Read, retrieve, retrieve_file, retrieve_one};
pub use rooms::Rooms;
pub use set::{Others, others, set, unsettable};
pub use steps::{Step, Wanted, admit, steps, waiting};
pub use store::Writers;
pub use survey::{Found, Survey, survey};
