//! The inside of the locked process: it locks itself down, and only then reads a component's code and runs it.
//!
//! Nothing here can name an identity, an entry's place, what was accepted, or a terminal: all that a component reaches of the
//! host are the messages of `artifacts-seam`.

mod bindings;
mod call_log;
mod engine;
mod entry_calls;
mod entry_handle;
mod entry_store;
mod filesystem;
mod fits;
mod in_process;
mod kept;
mod listing;
mod lockdown;
mod piece;
mod plaintext;
mod preopen;
mod probe;
mod proven;
mod runner;
mod state;
mod stop;
mod trials;
mod worker;

pub use in_process::{InProcessError, in_process};

pub use worker::{CodeInside, worker_main};
