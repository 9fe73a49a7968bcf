use serde::{Deserialize, Serialize};

use crate::{EntryFiles, FailureKind, FileCall, FileError, Level, SecretId};

/// Holds what came of a [`crate::Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The result, or why there is none.
    pub outcome: Result<Outcome, CallError>,
    /// What happened on the way, in order.
    pub events: Vec<ComponentEvent>,
    /// What it took.
    pub usage: Usage,
}

/// Holds a result, by kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// One entry for each instance asked about, in that order.
    Checked(Vec<Result<Checked, CallError>>),
    /// The new slice, whole.
    Serialized(#[serde(with = "crate::bytes::files")] EntryFiles),
    /// The plaintexts: by handle when the host opened them (`Value` in the ask), by bytes when the component did.
    Retrieved(Vec<(String, crate::PlaintextRef)>),
}

/// Holds what a component says of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// For each file the public recipients it is to be encrypted to, sorted.
    pub readers: Vec<(String, Vec<String>)>,
    /// What lies in the slice.
    pub state: CheckState,
}

/// Says what a component found in an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CheckState {
    /// Complete and readable as far as can be told without a key.
    Present,
    /// Nothing there.
    Absent,
    /// Kind and a sentence each.
    Stale(Vec<(String, String)>),
}

/// Describes a failure that the component itself reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Says why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallError {
    /// The component said no, in its own words.
    Failed(BackendFailure),
    /// The host does not call it for this, in the host's words.
    NotCalled {
        /// Why not.
        why: String,
        /// What a person can do about it.
        help: Option<String>,
    },
    /// It trapped, exited or broke the contract: a bug of the backend.
    Broken(String),
    /// It asked for what it may not have.
    Refused(String),
    /// It overran a limit: which one.
    Overrun(String),
    /// The machine has too little memory for it, which is no fault of the component's.
    Machine {
        /// What limits it.
        limit: String,
        /// What a person can do about it.
        help: String,
    },
}

/// Describes something that a component did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ComponentEvent {
    /// What follows was done for this instance.
    Instance(String),
    /// So many events and messages of the call were left out.
    Cut(u64),
    /// A message through the `log` import.
    Log {
        /// How grave.
        level: Level,
        /// Escaped and cut.
        message: String,
    },
    /// A file-system call, or several that are alike.
    File {
        /// The operation.
        call: FileCall,
        /// The path below `/slice`.
        path: String,
        /// `None` when it went well.
        error: Option<FileError>,
        /// How many.
        count: u64,
        /// Bytes read or written.
        bytes: u64,
    },
    /// A call to the host, as the host saw it.
    Host {
        /// `secrets.bytes`, `age.seal`, …
        call: String,
        /// The secret it was about, if any.
        secret: Option<SecretId>,
        /// `None` when it went well, otherwise why not.
        error: Option<String>,
        /// Whether it was denied: the component may not ask for it.
        denied: bool,
    },
    /// What the component wrote to its standard streams; kept for failures.
    Output(String),
}

/// Holds what a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Peak linear memory in bytes.
    pub memory: u64,
    /// Wall time in microseconds.
    pub micros: u64,
    /// Calls of exported functions.
    pub calls: u64,
}
