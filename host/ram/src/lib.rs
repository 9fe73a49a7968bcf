//! Provides private directories on RAM-backed file systems: the only place outside of memory for plaintext.
//!
//! [`Ram::find`] chooses by the *type* of the file system, not by its name. A [`PrivateDir`] is wiped and removed when
//! it is dropped; [`remove_all`] does that for all of them when a signal ends the program, and [`Ram::sweep`] for
//! those of a run that was killed.

mod cleanup;
mod error;
mod file;
mod file_system;
mod private_dir;
mod process;
mod ram;
mod ram_dir;
mod rights;

pub use cleanup::clear;
pub use error::{Error, IrregularFile};
pub use file::{make_dir, make_or_open_dir, open_dir, read, unlock, write_new};
pub use private_dir::{PrivateDir, remove_all};
pub use process::no_core_dumps;
pub use ram::Ram;
