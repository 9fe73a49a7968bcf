//! The audit log: what was run, what was accepted and what backends accessed. JSON lines, appended outside of repository
//! and storage; verified, read back, filtered and summarized. Names and sizes, never contents.
//!
//! Each line holds the SHA-256 of the line before it, and a head file beside the log holds number and SHA-256 of the last
//! line. So lines that an accident or a naive edit removed, changed or reordered are noticed. Anyone who can write the files
//! of this account can compute the hashes again: forward the log, or copy the head elsewhere, where you need evidence.
//!
//! What `artifacts` observed itself and what the worker reported are kept apart in every record: a worker that was taken over
//! can be about the second, and not about the first.

mod call;
mod chain;
mod error;
mod head;
mod line;
mod link;
mod log;
mod moment;
mod read;
mod record;
mod record_kind;
mod request;
mod summary;
mod verify;
mod walk;

pub use call::{Call, CallEnd, CallStart};
pub use chain::{Chain, Finding};
pub use error::Error;
pub use head::{Head, head_path};
pub use line::{Line, LineLink, Skipped, line_schema};
pub use log::{AuditLog, SyncMode};
pub use moment::{length as parse_length, parse as parse_moment};
pub use read::{Filter, LogContents, Record, read};
pub use record::{CallOutcome, Decryption, FileAccess, HostCall, Observed, PluginProgram, WorkerReport, is_denial};
pub use record_kind::{ConsentRecord, ConsentSubject, RecordKind, RunRecord, User};
pub use request::{CallRequest, Operation};
pub use summary::{AccessCounts, Denial, Located, Summary, summarize};
pub use verify::verify;
