//! Private folders on RAM-backed file systems: the only place outside of memory where plaintext may lie.
//!
//! [`Ram::find`] takes a place by the *type* of its file system, never by its name. A [`PrivateDir`] is wiped and removed when
//! it is dropped; [`remove_all`] does that for every live one when the program ends by a signal, and [`Ram::sweep`] for those
//! of a run that was killed outright.

mod cleanup;
mod error;
mod file;
mod private_dir;
mod process;
mod ram_dir;

pub use cleanup::clear;
pub use error::{Error, IrregularFile};
pub use file::{make_dir, open_dir, read, unlock, write_new};
pub use private_dir::{PrivateDir, remove_all};
pub use process::no_core_dumps;
pub use ram_dir::Ram;
