//! Keeps entries on disk: reading, committing, receipts, locks, trash and git's index.
//!
//! The repository is not trusted. Every path is resolved below an open directory without following a symbolic link, an
//! entry is read only if it consists of regular files, and a receipt is parsed as hostile input. An entry is replaced
//! as a whole: it is written beside the storage's entries, synced, and put in place by one rename.

mod attributes;
mod disk;
mod entry;
mod error;
mod few;
mod file_kind;
mod file_look;
mod git;
mod glance;
mod hex_digits;
mod lock;
mod look;
mod names;
mod receipt;
mod repository;
mod root;
mod store_dir;
mod time;
mod trash;
mod trashed;
mod unique;
mod work_dir;
mod writer;

pub use artifacts_digest::{Generation, HeaderHash, Hex, Sha256};
pub use disk::{Durability, FaultHook, Hooks, RenameCall};
pub use entry::{Difference, Entry, Fingerprint, MAX_FILES, MAX_PUBLIC, MAX_STRAY_FILE, MAX_TOTAL, ReceiptState};
pub use error::Error;
pub use few::Few;
pub use file_kind::FileKind;
pub use git::{Choice, EntryNote, EntryNotes, Git, HistoryGaps, IndexReport, MergeSide, Settlement, Staged, Warning};
pub use glance::{EntryStamp, Glance, Resting};
pub use look::EntryLook;
pub use receipt::{BackendId, HeaderSet, MAX_RECEIPT, Receipt, ReceiptError, Schema, StoredFile, receipt_schema};
pub use repository::Repository;
pub use root::{Listing, Root, Storage, StrayFile};
pub use time::Time;
pub use trash::{TrashPolicy, time_of};
pub use trashed::{TrashRecord, Trashed};
pub use writer::{Committed, InTrash, NewEntry, PlacedEntry, Restored, StagedEntry, Writer, WriterOptions};
