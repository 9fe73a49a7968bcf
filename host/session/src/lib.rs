//! The outside of the locked process: it starts workers, calls a component in one, answers its questions, and judges what it
//! reports.
//!
//! What a component may reach is one directory with one entry, and what [`artifacts_contract::effective`] leaves of its grants.

mod age_failure;
mod calls;
mod check_memo;
mod connection;
mod decrypt;
mod error;
mod evidence;
mod host_calls;
mod kept_files;
mod machine;
mod new_headers;
mod pace;
mod parent;
mod plain;
mod precompile;
mod probe;
mod recipients;
mod retrieve;
mod session;
mod share_out;
mod spawn;
mod worker_session;
mod worker_start;
mod workers;

pub use calls::{RetrieveCall, SerializeCall};
pub use check_memo::{CheckMemo, KeyTerms, MemoKey, SeenEntry};
pub use decrypt::{DecryptAttempt, Decrypted, Openable};
pub use error::Error;
pub use machine::Shortage;
pub use precompile::precompile;
pub use probe::probe;
pub use recipients::Verified;
pub use retrieve::Retrieved;
pub use session::Session;
pub use share_out::share_out;
pub use worker_session::{CallFailed, Checks, Serialized, WorkerSession, fits};
pub use worker_start::WorkerStart;
pub use workers::Workers;
