use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::record::UNDECRYPTED;
use crate::{CallEnd, CallOutcome, CallRequest, Operation, Record, RecordKind};

/// Holds what one component could access, accessed, and was denied.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The backend's name.
    pub backend: String,
    /// The version that its component declares, if it is known.
    pub version: Option<String>,
    /// Whether it is part of the program, if it is known.
    pub bundled: Option<bool>,
    /// Its component.
    pub sha256: String,
    /// The earliest record's time.
    pub from: String,
    /// The latest record's time.
    pub to: String,
    /// Every set of grants that it ran with.
    pub granted: Vec<Value>,
    /// The runs in which it was called.
    pub runs: BTreeSet<String>,
    /// Calls by operation.
    pub calls: BTreeMap<Operation, u64>,
    /// The instances that it was asked about, by operation: each in its checkout, none where that is unknown.
    pub instances: BTreeMap<Operation, BTreeSet<Located>>,
    /// Successful calls of the host.
    pub requested: BTreeMap<String, u64>,
    /// Calls in which it was given a plaintext.
    pub accessed_plaintext: u64,
    /// The programs of age plugins that were run for it, and how often.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, u64>,
    /// Age files that were decrypted for it, by kind of identity.
    pub decrypted: BTreeMap<String, u64>,
    /// Age files that could not be decrypted: because no identity matches, or because the file is damaged.
    pub not_decrypted: BTreeMap<String, u64>,
    /// Accesses to files, as the worker reported.
    pub files: AccessCounts,
    /// Successful file-system calls by operation, as the worker reported.
    pub operations: BTreeMap<String, u64>,
    /// What it was denied.
    pub denied: Vec<Denial>,
    /// Calls that gave nothing or not everything, by kind.
    pub failed: BTreeMap<String, u64>,
    /// Calls that began and did not end: the run was interrupted, or goes on still.
    pub interrupted: u64,
}

/// Names an instance in its checkout: the same name in two checkouts is two instances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Located {
    /// The directory that holds the storages, if it is known.
    pub checkout: Option<String>,
    /// The instance's name.
    pub instance: String,
}

/// Counts accesses to files in the entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AccessCounts {
    /// Files that were opened to be read.
    pub read: u64,
    /// Files that were opened to be written.
    pub written: u64,
    /// Files and directories that were removed.
    pub removed: u64,
    /// Files that were renamed or linked.
    pub renamed: u64,
    /// Directories that were made.
    pub directories: u64,
}

/// Counts one thing that a component was denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Denial {
    /// The file-system call, or the call of the host.
    pub operation: String,
    /// The path, where it is known.
    pub path: Option<String>,
    /// Why.
    pub error: String,
    /// How often.
    pub count: u64,
}

/// One summary a component, in the order of names.
pub fn summarize(records: &[Record]) -> Vec<Summary> {
    let mut found: BTreeMap<(&str, &str), Summary> = BTreeMap::new();
    for record in records {
        let asked = match &record.line.entry {
            RecordKind::Begun(begun) if record.interrupted => &begun.observed,
            RecordKind::Ended(ended) => &ended.observed.asked,
            RecordKind::Begun(_) | RecordKind::Run(_) | RecordKind::Consent(_) => continue,
        };
        let summary = found.entry((&asked.backend, &asked.sha256)).or_insert_with(|| Summary {
            backend: asked.backend.clone(),
            sha256: asked.sha256.clone(),
            ..Summary::default()
        });
        summary.add(record, asked);
    }
    found.into_values().collect()
}

impl Summary {
    /// How often it was denied something.
    pub fn denials(&self) -> u64 {
        self.denied.iter().map(|denial| denial.count).sum()
    }

    /// All instances that it was asked about, each counted in its checkout.
    pub fn artifacts(&self, operation: Operation) -> usize {
        self.instances.get(&operation).map_or(0, BTreeSet::len)
    }

    fn add(&mut self, record: &Record, asked: &CallRequest) {
        let time = &record.line.time;
        if self.from.is_empty() || *time < self.from {
            self.from.clone_from(time);
        }
        if *time > self.to {
            self.to.clone_from(time);
        }
        self.version = asked.version.clone().or_else(|| self.version.take());
        self.bundled = asked.bundled.or(self.bundled);
        if !self.granted.contains(&asked.grants) {
            self.granted.push(asked.grants.clone());
        }
        self.runs.extend(record.line.run.clone());
        *self.calls.entry(asked.operation).or_default() += 1;
        let checkout = || record.checkout().map(str::to_owned);
        let instances = asked.instances.iter().map(|name| Located { checkout: checkout(), instance: name.clone() });
        self.instances.entry(asked.operation).or_default().extend(instances);
        match record.ended() {
            Some(ended) => self.add_ended(ended),
            None => self.interrupted += 1,
        }
    }

    fn add_ended(&mut self, ended: &CallEnd) {
        let observed = &ended.observed;
        self.accessed_plaintext += u64::from(observed.accessed_plaintext);
        for plugin in &observed.plugins {
            *self.plugins.entry(plugin.program.clone()).or_default() += 1;
        }
        for call in &observed.calls {
            match &call.error {
                None => *self.requested.entry(call.call.clone()).or_default() += call.count,
                Some(why) if call.denied => self.deny(&call.call, None, why, call.count),
                Some(why) if UNDECRYPTED.contains(&why.as_str()) => {
                    *self.not_decrypted.entry(why.clone()).or_default() += call.count;
                }
                Some(_) => {}
            }
        }
        for identity in observed.decryptions.iter().filter_map(|one| one.identity.as_ref()) {
            *self.decrypted.entry(identity.clone()).or_default() += 1;
        }
        for file in &ended.reported.files {
            match &file.error {
                None => {
                    *self.operations.entry(file.operation.clone()).or_default() += file.count;
                    self.files.add(&file.operation, file.count);
                }
                Some(why) if file.is_denied() => {
                    self.deny(&file.operation, file.path.as_deref(), why, file.count);
                }
                Some(_) => {}
            }
        }
        let failed = match &observed.result {
            CallOutcome::Done => return,
            CallOutcome::Partly(_) => "partly",
            CallOutcome::Failed => "failed",
            CallOutcome::Crashed => "crashed",
            CallOutcome::Denied => "denied",
            CallOutcome::Exceeded => "exceeded",
            CallOutcome::Machine => "machine",
        };
        *self.failed.entry(failed.to_owned()).or_default() += 1;
    }

    fn deny(&mut self, operation: &str, path: Option<&str>, error: &str, count: u64) {
        let key = |denial: &Denial| (denial.operation.clone(), denial.path.clone(), denial.error.clone());
        let new =
            Denial { operation: operation.to_owned(), path: path.map(str::to_owned), error: error.to_owned(), count };
        match self.denied.binary_search_by_key(&key(&new), key) {
            Ok(at) => {
                if let Some(known) = self.denied.get_mut(at) {
                    known.count = known.count.saturating_add(count);
                }
            }
            Err(at) => self.denied.insert(at, new),
        }
    }
}

impl AccessCounts {
    fn add(&mut self, operation: &str, count: u64) {
        match operation {
            "open-at" => self.read += count,
            "open-at for writing" => self.written += count,
            "unlink-file-at" | "remove-directory-at" => self.removed += count,
            "rename-at" | "link-at" | "symlink-at" => self.renamed += count,
            "create-directory-at" => self.directories += count,
            _ => {}
        }
    }
}
