//! Runs a generator in its sandbox and collects its files.
//!
//! A generator is any executable. It sees its closure, the system's programs read-only, its prompts and inputs, and
//! nothing else of the caller: no environment, home, network, working directory, descriptor, terminal, host name or
//! key ring. When [`Sandbox::run`] returns, all its processes have ended and all its plaintext on the RAM-backed file
//! system is removed.

mod arguments;
mod collect;
mod elf;
mod error;
mod filter;
mod job;
mod out;
mod output;
mod program;
mod running;
mod sandbox;
mod spawn;
mod store_path;
mod wait;

pub use error::{Error, GeneratorFailure};
pub use job::{Job, OutputLimits};
pub use program::{ExecutableFile, executable};
pub use sandbox::Sandbox;
pub use store_path::{StorePath, follow, real};
