//! What each change writes.

pub(crate) mod adopt;
mod again;
pub(crate) mod commit;
pub(crate) mod compare;
pub(crate) mod empty;
pub(crate) mod generate;
pub(crate) mod generation;
pub(crate) mod import;
mod moving;
pub(crate) mod prompts;
pub(crate) mod prune;
pub(crate) mod receipt;
pub(crate) mod rekey;
pub(crate) mod rename;
pub(crate) mod replace;
pub(crate) mod restore;
pub(crate) mod set;
mod taking;
