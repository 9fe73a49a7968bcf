//! What is declared and stored: found without a lock and without an identity.

pub(crate) mod adoptable;
pub(crate) mod blocked;
pub(crate) mod changes;
pub(crate) mod configured;
pub(crate) mod dependents;
pub(crate) mod elsewhere;
pub(crate) mod encryptable;
pub(crate) mod extras;
pub(crate) mod facts;
pub(crate) mod foreseeable;
pub(crate) mod hints;
pub(crate) mod index;
pub(crate) mod mixed;
mod named;
pub(crate) mod names;
pub(crate) mod notes;
pub(crate) mod orphans;
pub(crate) mod preview;
pub(crate) mod rekeyable;
pub(crate) mod settable;
pub(crate) mod staged;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod survey;
pub(crate) mod trash;
pub(crate) mod undo;
