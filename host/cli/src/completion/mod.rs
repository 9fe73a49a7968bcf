//! Completion of a command line: what is typed so far in, words out. The newest kept names answer; neither Nix nor git nor a
//! worker is run.

mod candidates;
mod complete;
mod script;
mod typed;

pub use complete::{CompletedShell, complete};
pub use script::script;
#[cfg(test)]
pub use typed::words;
