use serde::{Deserialize, Serialize};

use crate::{BackendFailure, EntryFiles, FileCall, FileError, Level, SecretId};

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

/// Lists for each file that a component answers for its plaintext, by handle where the host decrypted it and by bytes where the
/// component did, or why there is none.
pub type RetrieveAnswers = Vec<(String, Result<crate::PlaintextRef, BackendFailure>)>;

/// Holds a result, by kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// One entry for each instance asked about, in that order.
    Checked(Vec<Result<Checked, CallError>>),
    /// The new entry, whole.
    Serialized(#[serde(with = "crate::bytes::files")] EntryFiles),
    /// What the component answers for each file.
    Retrieved(RetrieveAnswers),
}

/// Holds what a component says of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The recipients of each file, as the component gives them.
    pub recipients: Vec<FileRecipients>,
    /// What is in the entry.
    pub state: CheckState,
}

/// Holds the recipients of one file, as a component gives them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRecipients {
    /// Name of the file.
    pub file: String,
    /// Its recipients.
    pub recipients: Vec<RecipientView>,
}

/// Describes a recipient, as a component gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecipientView {
    /// The public key.
    pub key: String,
    /// The type of key that the component takes it for.
    pub kind: KeyKind,
    /// Whose it is, by the component's word.
    pub label: Option<String>,
}

/// Names the type of a recipient's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// X25519, age's own.
    X25519,
    /// An ssh key.
    SshEd25519,
    /// An ssh key.
    SshRsa,
    /// A hardware key, `age1tag1…`.
    Tag,
    /// A hardware key with post-quantum encryption, `age1tagpq1…`.
    TagPq,
    /// Post-quantum, `age1pq1…`.
    Pq,
    /// Of an age plugin, `age1<name>1…`.
    Plugin,
    /// Not a key of age.
    Other,
}

impl KeyKind {
    /// Returns the word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X25519 => "x25519",
            Self::SshEd25519 => "ssh-ed25519",
            Self::SshRsa => "ssh-rsa",
            Self::Tag => "tag",
            Self::TagPq => "tagpq",
            Self::Pq => "pq",
            Self::Plugin => "plugin",
            Self::Other => "other",
        }
    }

    /// Returns whether age calls the key post-quantum: it mixes these with no others in a file. None where only a plugin knows, or
    /// where it is not a key of age.
    pub fn is_post_quantum(self) -> Option<bool> {
        match self {
            Self::Pq | Self::TagPq => Some(true),
            Self::X25519 | Self::SshEd25519 | Self::SshRsa | Self::Tag => Some(false),
            Self::Plugin | Self::Other => None,
        }
    }

    /// Returns the type of a key, by its beginning: whether it is sound is for whoever encrypts to find.
    pub fn of(key: &str) -> Self {
        if key.starts_with("ssh-ed25519 ") {
            return Self::SshEd25519;
        }
        if key.starts_with("ssh-rsa ") {
            return Self::SshRsa;
        }
        // The data part of a Bech32 text has no `1`, so the last one ends the name.
        match key.strip_prefix("age1").map(|rest| rest.rsplit_once('1').map(|(name, _)| name)) {
            None => Self::Other,
            Some(None) => Self::X25519,
            Some(Some("tag")) => Self::Tag,
            Some(Some("tagpq")) => Self::TagPq,
            Some(Some("pq")) => Self::Pq,
            Some(Some(_)) => Self::Plugin,
        }
    }
}

/// Says what a component found in an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CheckState {
    /// Complete and readable as far as can be told without a key.
    Present,
    /// Nothing there.
    Absent,
    /// Kind and a sentence each.
    Stale(Vec<(String, String)>),
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
        /// The path in the entry.
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

impl Usage {
    /// Returns what this call and another one took together; of memory, the more.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let Self { memory, micros, calls } = other;
        Self { memory: self.memory.max(memory), micros: self.micros + micros, calls: self.calls + calls }
    }
}
