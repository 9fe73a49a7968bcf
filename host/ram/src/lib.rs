//! Private folders on RAM-backed file systems: the only place outside of memory where plaintext may lie.
//!
//! [`Ram::find`] takes a place by the *type* of its file system, never by its name. A [`Folder`] is wiped and removed when
//! it is dropped; [`remove_all`] does that for every live one when the program ends by a signal, and [`Ram::sweep`] for those
//! of a run that was killed outright.

mod clear;
mod error;
mod file;
mod folder;
mod place;
mod process;

pub use clear::clear;
pub use error::{Error, Fault};
pub use file::{make_folder, open_folder, read, unlock, write_new};
pub use folder::{Folder, remove_all};
pub use place::Ram;
pub use process::no_core_dumps;
