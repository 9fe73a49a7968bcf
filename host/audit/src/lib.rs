//! The audit log: what was run, what was accepted and what backends accessed. JSON lines, appended outside of repository
//! and storage; verified, read back, filtered and summarized. Names and sizes, never contents.
//!
//! Each line holds the SHA-256 of the line before it, and a head file beside the log holds number and SHA-256 of the last
//! line. So lines that an accident or a naive edit removed, changed or reordered are noticed. Anyone who can write the files
//! of this account can compute the hashes again: forward the log, or copy the head elsewhere, where you need evidence.
//!
//! What `artifacts` observed itself and what the worker reported are kept apart in every record: a worker that was taken over
//! can lie about the second, and not about the first.

mod entry;
mod head;
mod line;
mod log;
mod moment;
mod read;
mod record;
mod summary;
mod verify;

pub use entry::{Asked, Begun, Consent, Ended, Entry, Operation, Run, Subject, User};
pub use head::{Head, head_path};
pub use line::{Line, Link, Skipped};
pub use log::{Error, Log, Sync};
pub use moment::parse as parse_moment;
pub use read::{Filter, LogContents, Record, read};
pub use record::{Call, Decryption, FileAccess, HostCall, Observed, Result, WorkerReport, is_denial};
pub use summary::{Access, Denial, Located, Summary, summarize};
pub use verify::{Chain, Finding, verify};
