//! What was seen of a call of a backend, or a batch of checks, as the log has it.

use artifacts_digest::HeaderHash;
use artifacts_seam::CallError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::request::CallRequest;

/// Holds what `artifacts` observed itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Observed {
    /// What was asked.
    #[serde(flatten)]
    pub asked: CallRequest,
    /// What the component requested of the host, by call; each failure on its own.
    pub calls: Vec<HostCall>,
    /// The age plugins that were run for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginProgram>,
    /// The age files that an identity decrypted for it, and those that were not decrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "openings")]
    pub decryptions: Vec<Decryption>,
    /// How the call ended.
    pub result: CallOutcome,
    /// Whether the component was given a plaintext.
    #[serde(alias = "saw_plaintext")]
    pub accessed_plaintext: bool,
}

/// Describes an age plugin that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PluginProgram {
    /// Its name, `yubikey` for `age-plugin-yubikey`.
    pub plugin: String,
    /// The program, without symbolic links.
    pub program: String,
}

/// Why a decryption fails that is not denied, in the host's own words; see the contract's `failure`.
pub(crate) const UNDECRYPTED: [&str; 2] = ["no-identity", "corrupt"];

/// Describes an age file that was decrypted, or was to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Decryption {
    /// SHA-256 of its header, as in the receipt. None where there is no header, or where a backend that was given a plaintext
    /// chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub header: Option<HeaderHash>,
    /// The stored file that it is, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The kind of identity that decrypted it: `age`, `age-pq`, `ssh-ed25519`, `ssh-rsa` or `plugin NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Why it was not decrypted: `denied`, `no-identity` or `corrupt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Names how a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// The backend gave what was asked for.
    Done,
    /// Of a batch: so many gave no answer.
    Partly(u64),
    /// The backend reported a failure.
    Failed,
    /// It trapped, exited or broke the contract.
    #[serde(alias = "broken")]
    Crashed,
    /// It requested what it may not have.
    #[serde(alias = "refused")]
    Denied,
    /// It exceeded a limit.
    #[serde(alias = "overrun")]
    Exceeded,
    /// The machine had too little memory for it.
    Machine,
}

impl From<&CallError> for CallOutcome {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Failed(_) | CallError::NotCalled { .. } => Self::Failed,
            CallError::Broken(_) => Self::Crashed,
            CallError::Refused(_) => Self::Denied,
            CallError::Overrun(_) => Self::Exceeded,
            CallError::Machine { .. } => Self::Machine,
        }
    }
}

/// Counts calls of the host of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HostCall {
    /// `age.seal`, `secrets.bytes`, …
    pub call: String,
    /// How many.
    pub count: u64,
    /// Why it was denied or failed; each is one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it was denied: the component may not request it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denied: bool,
}

impl HostCall {
    /// Records of schema 1 have no word for it.
    pub(crate) fn mark_denial_of_schema_1(&mut self) {
        self.denied = self.error.as_ref().is_some_and(|why| !UNDECRYPTED.contains(&why.as_str()));
    }
}

/// Holds what the worker reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WorkerReport {
    /// The component's file-system calls, alike ones counted. Of a batch the successful ones are counted by operation;
    /// failures are in full.
    pub files: Vec<FileAccess>,
    /// Messages and successful calls that were counted and not kept.
    #[serde(default)]
    pub cut: u64,
    /// Peak linear memory, in bytes.
    pub memory: u64,
    /// Wall time, in microseconds.
    pub micros: u64,
    /// Calls of exported functions.
    pub calls: u64,
}

/// Counts file-system calls of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FileAccess {
    /// Of a batch, the instance that it failed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// As WASI names it.
    pub operation: String,
    /// Below the preopened directory; none where several paths are counted together, or the component was given a plaintext,
    /// which the path could hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many.
    pub count: u64,
    /// Bytes read or written.
    #[serde(default)]
    pub bytes: u64,
    /// The error code, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Error codes of WASI that say that a call is not allowed. All others, `no-entry` first, are what any program meets.
const DENIALS: [&str; 4] = ["access", "not-permitted", "read-only", "cross-device"];

/// Returns whether an error code of a file-system call says that it is not allowed.
pub fn is_denial(error: &str) -> bool {
    DENIALS.contains(&error)
}

impl FileAccess {
    /// Returns whether the call was denied. "Not found" is no denial.
    pub fn is_denied(&self) -> bool {
        self.error.as_deref().is_some_and(is_denial)
    }
}
