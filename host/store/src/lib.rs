//! Slices on disk: reading, committing, receipts, locks, trash and git's index.
//!
//! The repository is not trusted. Every path is resolved below a held folder without following a link, a slice is taken
//! only when it is made of regular files, and a receipt is parsed as hostile input. A slice is replaced as a whole: it is
//! staged beside the storage's slices, synced, and put in place by one rename.

mod area;
mod attributes;
mod digest;
mod disk;
mod error;
mod folder;
mod git;
mod names;
mod receipt;
mod repository;
mod root;
mod slice;
mod time;
mod trash;
mod trashed;
mod unique;
mod writer;

pub use digest::{Generation, Hex, Sha256};
pub use disk::{Durability, Hooks, Rename, Step};
pub use error::Error;
pub use folder::Kind;
pub use git::{Git, IndexReport, Staged, Warning};
pub use receipt::{BackendId, MAX_RECEIPT, Receipt, ReceiptError, Schema, Stored, TargetId};
pub use repository::Repository;
pub use root::{Listing, Oddity, Root, Storage};
pub use slice::{Difference, Fingerprint, MAX_FILE, MAX_FILES, MAX_TOTAL, ReceiptState, Slice};
pub use time::Time;
pub use trash::Keep;
pub use trashed::{TrashRecord, Trashed};
pub use writer::{Committed, NewSlice, Options, Writer};
