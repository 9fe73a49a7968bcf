//! The record of what backends did: one JSON line a call, appended outside of repository and storage; read back, filtered
//! and summarised. Names and sizes, never contents.
//!
//! What the host saw itself and what the worker reported are kept apart in every record: a worker that was taken over can
//! lie about the second, and not about the first.

mod log;
mod record;
mod summary;

pub use log::{Error, Filter, Log, Read, read};
pub use record::{Call, FileCall, HostCall, Opening, Operation, Record, Reported, Result, Seen};
pub use summary::{Summary, summarise};
