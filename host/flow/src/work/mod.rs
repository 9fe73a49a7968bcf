//! What each change writes.

pub(crate) mod adopt;
mod again;
pub(crate) mod commit;
pub(crate) mod empty;
pub(crate) mod generate;
pub(crate) mod generation;
mod moving;
pub(crate) mod prompts;
pub(crate) mod prune;
pub(crate) mod receipt;
pub(crate) mod rekey;
pub(crate) mod rename;
pub(crate) mod restore;
pub(crate) mod set;
