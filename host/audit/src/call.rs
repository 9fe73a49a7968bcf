//! A call of a backend, or a batch of checks: its two lines, and what they are counted from.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_seam::{ComponentEvent, FileError, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{
    CallOutcome, Decryption, FileAccess, HostCall, Observed, PluginProgram, UNDECRYPTED, WorkerReport, is_denial,
};
use crate::request::{CallRequest, Operation};

/// Describes a call before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CallStart {
    /// Number of the call in its run, from 1.
    pub call: u64,
    /// What is asked of the backend.
    pub observed: CallRequest,
}

/// Describes a call after it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallEnd {
    /// Number of the call in its run, from 1; 0 in records of schema 1.
    #[serde(default)]
    pub call: u64,
    /// What `artifacts` observed itself.
    #[serde(alias = "host")]
    pub observed: Observed,
    /// What the worker reported.
    #[serde(alias = "worker")]
    pub reported: WorkerReport,
}

/// Holds a call as it is handed to the log.
pub struct Call<'a> {
    /// What was asked.
    pub asked: CallRequest,
    /// What happened.
    pub events: &'a [ComponentEvent],
    /// What it took.
    pub usage: Usage,
    /// How it ended.
    pub result: CallOutcome,
    /// Whether a plaintext was given out.
    pub accessed_plaintext: bool,
    /// The age plugins that were run for it.
    pub plugins: Vec<PluginProgram>,
    /// What an identity decrypted.
    pub decryptions: Vec<Decryption>,
}

impl Call<'_> {
    /// Counts what the component was denied: calls of the host and of the file system. "Not found" is no denial.
    pub fn denials(&self) -> u64 {
        let count = |event: &ComponentEvent| match event {
            ComponentEvent::Host { denied: true, .. } => 1,
            ComponentEvent::File { error: Some(error), count, .. } if is_denial(error.name()) => *count,
            _ => 0,
        };
        self.events.iter().map(count).fold(0, u64::saturating_add)
    }
}

impl CallEnd {
    /// Returns what the log has of a call of that number.
    pub fn new(number: u64, call: Call<'_>) -> Self {
        let batch = call.asked.operation == Operation::Check;
        let instances: BTreeSet<&str> = call.asked.instances.iter().map(String::as_str).collect();
        let files = file_accesses(call.events, batch, call.accessed_plaintext, &instances);
        Self {
            call: number,
            reported: WorkerReport {
                files,
                cut: call
                    .events
                    .iter()
                    .map(|event| if let ComponentEvent::Cut(count) = event { *count } else { 0 })
                    .sum(),
                memory: call.usage.memory,
                micros: call.usage.micros,
                calls: call.usage.calls,
            },
            observed: Observed {
                calls: host_calls(call.events, call.accessed_plaintext),
                plugins: call.plugins,
                decryptions: call.decryptions,
                result: call.result,
                accessed_plaintext: call.accessed_plaintext,
                asked: call.asked,
            },
        }
    }

    /// Counts what the component was denied: calls of the host and of the file system.
    pub fn denials(&self) -> u64 {
        let calls = self.observed.calls.iter().filter(|call| call.denied).map(|call| call.count);
        calls
            .chain(self.reported.files.iter().filter(|file| file.is_denied()).map(|file| file.count))
            .fold(0, u64::saturating_add)
    }
}

/// What a backend that was given a plaintext chose to say, a path or a recipient, may hold it, and is left out.
const LEFT_OUT: &str = "message omitted: the backend had access to plaintext";

fn host_calls(events: &[ComponentEvent], accessed_plaintext: bool) -> Vec<HostCall> {
    let own = |why: &String| !accessed_plaintext || UNDECRYPTED.contains(&why.as_str());
    let shown = |why: &String| if own(why) { why.clone() } else { LEFT_OUT.to_owned() };
    let mut well: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failed = Vec::new();
    for event in events {
        match event {
            ComponentEvent::Host { call, error: None, .. } => *well.entry(call).or_default() += 1,
            ComponentEvent::Host { call, error: Some(why), denied, .. } => {
                failed.push(HostCall { call: call.clone(), count: 1, error: Some(shown(why)), denied: *denied });
            }
            _ => {}
        }
    }
    let well =
        well.into_iter().map(|(call, count)| HostCall { call: call.to_owned(), count, error: None, denied: false });
    well.chain(failed).collect()
}

/// What makes file-system calls alike: error, instance, operation and path.
type AccessKey<'a> = (Option<&'a str>, Option<&'a str>, &'a str, Option<&'a str>);

/// Counts those that are alike: successful ones first, then each failure. An instance that the call is not about is named
/// in none.
fn file_accesses(
    events: &[ComponentEvent],
    batch: bool,
    accessed_plaintext: bool,
    instances: &BTreeSet<&str>,
) -> Vec<FileAccess> {
    let mut sums: BTreeMap<AccessKey<'_>, (u64, u64)> = BTreeMap::new();
    let mut asked_about = None;
    for event in events {
        match event {
            ComponentEvent::Instance(name) => asked_about = Some(name.as_str()).filter(|name| instances.contains(name)),
            ComponentEvent::File { call, path, error, count, bytes } => {
                let in_full = error.is_some() || !batch;
                let instance = asked_about.filter(|_| batch && error.is_some());
                let path = (in_full && !accessed_plaintext).then_some(path.as_str());
                let sum = sums.entry((error.map(FileError::name), instance, call.name(), path)).or_default();
                *sum = (sum.0.saturating_add(*count), sum.1.saturating_add(*bytes));
            }
            _ => {}
        }
    }
    sums.into_iter()
        .map(|((error, instance, operation, path), (count, bytes))| FileAccess {
            instance: instance.map(str::to_owned),
            operation: operation.to_owned(),
            path: path.map(str::to_owned),
            count,
            bytes,
            error: error.map(str::to_owned),
        })
        .collect()
}
