//! The tests of the chain, with fakes of everything around it, in one program: what they have in common is compiled once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod access;
mod across;
mod cells;
mod chain;
mod emptying;
mod fakes;
mod importing;
mod laws;
mod lock;
mod moving;
mod names;
mod older;
mod prompts;
mod record;
mod refused;
mod renaming;
mod restoring;
mod rotating;
mod storages;
mod stored;
mod typed;
