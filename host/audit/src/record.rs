use std::collections::BTreeMap;
use std::time::SystemTime;

use artifacts_seam::{CallError, Event, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of records.
const SCHEMA: u64 = 1;

/// One call of a backend, or one batch of checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format.
    pub schema: u64,
    /// When, in RFC 3339, whole seconds, UTC.
    pub time: String,
    /// What the host saw itself.
    pub host: Seen,
    /// What the worker said.
    pub worker: Reported,
}

/// What the host saw itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The backend's name in the registry.
    pub backend: String,
    /// SHA-256 of the component.
    pub sha256: String,
    /// What was asked of it.
    pub operation: Operation,
    /// The instances it was asked about.
    pub instances: Vec<String>,
    /// The effective grants.
    pub grants: Value,
    /// What it asked of the host, by call; refusals each on their own.
    pub calls: Vec<HostCall>,
    /// The age files that a person's private keys opened for it, and those that it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openings: Vec<Opening>,
    /// How it ended.
    pub result: Result,
    /// Whether a plaintext was given out.
    pub saw_plaintext: bool,
}

/// An age file that was opened, or was to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// SHA-256 of its header, as in the receipt. None where there is no header, or where a backend that was given a plaintext
    /// chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The stored file that it is, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The kind of identity that opened it: `age`, `ssh-ed25519`, `ssh-rsa` or `plugin NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Why it was not opened: `denied`, `no-identity` or `corrupt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was asked of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Readers and states.
    Check,
    /// A new slice.
    Serialize,
    /// Secrets back.
    Retrieve,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// It gave what was asked for.
    Done,
    /// Of a batch: so many gave no answer.
    Partly(u64),
    /// The backend said no.
    Failed,
    /// It trapped, exited or broke the contract.
    Broken,
    /// It asked for what it may not have.
    Refused,
    /// It overran a limit.
    Overrun,
    /// The machine had too little memory for it.
    Machine,
}

impl From<&CallError> for Result {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Failed(_) => Self::Failed,
            CallError::Broken(_) => Self::Broken,
            CallError::Refused(_) => Self::Refused,
            CallError::Overrun(_) => Self::Overrun,
            CallError::Machine { .. } => Self::Machine,
        }
    }
}

/// Calls of the host of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCall {
    /// `age.seal`, `secrets.bytes`, …
    pub call: String,
    /// How many.
    pub count: u64,
    /// Why it was refused or failed; a refusal is always one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the worker said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The guest's file-system calls, alike ones counted. Of a batch the ones that went well are counted by operation;
    /// refusals are in full.
    pub files: Vec<FileCall>,
    /// Messages and calls that went well, as many as were counted and not kept.
    #[serde(default)]
    pub cut: u64,
    /// Peak linear memory, in bytes.
    pub memory: u64,
    /// Wall time, in microseconds.
    pub micros: u64,
    /// Calls of exported functions.
    pub calls: u64,
}

/// File-system calls of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCall {
    /// Of a batch, the instance that it was refused for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// As WASI names it.
    pub operation: String,
    /// Below `/slice`; none where several paths are counted together, or the guest was given a plaintext, which the
    /// path could hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many.
    pub count: u64,
    /// Bytes read or written.
    #[serde(default)]
    pub bytes: u64,
    /// The error code, when it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A call as it is handed to the record.
pub struct Call<'a> {
    /// The backend's name in the registry.
    pub backend: &'a str,
    /// SHA-256 of the component.
    pub sha256: &'a str,
    /// What was asked.
    pub operation: Operation,
    /// About what.
    pub instances: Vec<String>,
    /// The effective grants.
    pub grants: Value,
    /// What happened.
    pub events: &'a [Event],
    /// What it took.
    pub usage: Usage,
    /// How it ended.
    pub result: Result,
    /// Whether a plaintext was given out.
    pub saw_plaintext: bool,
    /// What was opened with a person's private keys.
    pub openings: Vec<Opening>,
}

impl Record {
    /// The record of a call.
    pub fn of(call: Call<'_>, now: SystemTime) -> Self {
        let batch = call.operation == Operation::Check;
        Self {
            schema: SCHEMA,
            time: humantime::format_rfc3339_seconds(now).to_string(),
            host: Seen {
                backend: call.backend.to_owned(),
                sha256: call.sha256.to_owned(),
                operation: call.operation,
                instances: call.instances,
                grants: call.grants,
                calls: host_calls(call.events, call.saw_plaintext),
                openings: call.openings,
                result: call.result,
                saw_plaintext: call.saw_plaintext,
            },
            worker: Reported {
                files: file_calls(call.events, batch, call.saw_plaintext),
                cut: call.events.iter().map(|event| if let Event::Cut(count) = event { *count } else { 0 }).sum(),
                memory: call.usage.memory,
                micros: call.usage.micros,
                calls: call.usage.calls,
            },
        }
    }
}

/// Why an opening comes to nothing that is no refusal, in the host's own words; see the contract's `failure`.
pub(crate) const UNOPENED: [&str; 2] = ["no-identity", "corrupt"];

/// What a backend that was given a plaintext chose to say, a path or a recipient, may hold it, and is left out.
const UNSAID: &str = "its words are left out, since it was given a plaintext";

fn host_calls(events: &[Event], saw_plaintext: bool) -> Vec<HostCall> {
    let own = |why: &String| !saw_plaintext || UNOPENED.contains(&why.as_str());
    let said = |why: &String| if own(why) { why.clone() } else { UNSAID.to_owned() };
    let mut well: BTreeMap<&str, u64> = BTreeMap::new();
    let mut refused = Vec::new();
    for event in events {
        match event {
            Event::Host { call, error: None, .. } => *well.entry(call).or_default() += 1,
            Event::Host { call, error, .. } => {
                refused.push(HostCall { call: call.clone(), count: 1, error: error.as_ref().map(said) });
            }
            _ => {}
        }
    }
    let well = well.into_iter().map(|(call, count)| HostCall { call: call.to_owned(), count, error: None });
    well.chain(refused).collect()
}

/// What makes file-system calls alike: error, instance, operation and path.
type Alike<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<&'a str>);

/// One line for all that are alike: what went well first, then each refusal.
fn file_calls(events: &[Event], batch: bool, saw_plaintext: bool) -> Vec<FileCall> {
    let mut sums: BTreeMap<Alike<'_>, (u64, u64)> = BTreeMap::new();
    let mut asked_about = None;
    for event in events {
        match event {
            Event::Instance(name) => asked_about = Some(name.as_str()),
            Event::File { operation, path, error, count, bytes } => {
                let told = error.is_some() || !batch;
                let instance = asked_about.filter(|_| batch && error.is_some());
                let path = (told && !saw_plaintext).then_some(path.as_str());
                let sum = sums.entry((error.as_deref(), instance, operation, path)).or_default();
                *sum = (sum.0 + count, sum.1 + bytes);
            }
            _ => {}
        }
    }
    sums.into_iter()
        .map(|((error, instance, operation, path), (count, bytes))| FileCall {
            instance: instance.map(str::to_owned),
            operation: operation.to_owned(),
            path: path.map(str::to_owned),
            count,
            bytes,
            error: error.map(str::to_owned),
        })
        .collect()
}
