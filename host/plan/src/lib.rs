//! From a spec and the states of its instances to ordered steps. Pure: no file, no clock, no process.
//!
//! [`instances`] turns declarations into instances and finds where shared ones disagree; [`state`] decides what an instance
//! is from what its backend said and what the host found; [`order`] puts instances behind what they depend on;
//! [`Selector`] picks some of them.

mod admins;
mod dependencies;
mod draw;
mod elsewhere;
mod glob;
mod instance;
mod order;
mod owners;
mod problem;
mod reason;
mod resolve;
mod select;
mod selector;
mod short_names;
mod state;
mod suggestion;

pub use draw::{dot, mermaid};
pub use elsewhere::Elsewhere;
pub use instance::{Instance, UnitChanges};
pub use order::order;
pub use owners::{EntryOwners, Owner, TargetName};
pub use problem::Problem;
pub use reason::{Cause, Reason, ReasonKind, RecipientDelta};
pub use resolve::{Resolved, instances};
pub use select::{reach, select, select_strictly};
pub use selector::{Selector, SelectorError, SelectorForm, SelectorKind, SelectorMeaning};
pub use short_names::ShortNames;
pub use state::{Facts, InstanceState, RECIPIENTS, Said, state, validation_hash};
pub use suggestion::suggestion;
