use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::record::UNOPENED;
use crate::{Operation, Record, Result};

/// What one component could do, did, and was refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The backend's name.
    pub backend: String,
    /// Its component.
    pub sha256: String,
    /// The first and the last record.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// Every set of grants that it ran with.
    pub granted: Vec<Value>,
    /// Records by operation.
    pub operations: BTreeMap<Operation, u64>,
    /// Instances that it was asked about.
    pub instances: BTreeSet<String>,
    /// Calls of the host that went well.
    pub used: BTreeMap<String, u64>,
    /// Records in which it was given a plaintext.
    pub saw_plaintext: u64,
    /// Age files that were opened with a person's private keys, by kind of key.
    pub opened: BTreeMap<String, u64>,
    /// File-system calls that went well, as the worker reported.
    pub files: BTreeMap<String, u64>,
    /// Openings that came to nothing, though it may ask for them: for want of a key, or since the file is damaged.
    pub unopened: BTreeMap<String, u64>,
    /// Whatever it tried and was refused: what, why, and how often.
    pub refused: BTreeMap<String, u64>,
    /// Calls that did not end well, by kind.
    pub failed: BTreeMap<String, u64>,
}

/// One summary a component, in the order of names.
pub fn summarise(records: &[Record]) -> Vec<Summary> {
    let mut found: BTreeMap<(&str, &str), Summary> = BTreeMap::new();
    for record in records {
        let summary = found.entry((&record.host.backend, &record.host.sha256)).or_insert_with(|| Summary {
            backend: record.host.backend.clone(),
            sha256: record.host.sha256.clone(),
            from: record.time.clone(),
            ..Summary::default()
        });
        summary.add(record);
    }
    found.into_values().collect()
}

impl Summary {
    fn add(&mut self, record: &Record) {
        let host = &record.host;
        self.to.clone_from(&record.time);
        if !self.granted.contains(&host.grants) {
            self.granted.push(host.grants.clone());
        }
        *self.operations.entry(host.operation).or_default() += 1;
        self.instances.extend(host.instances.iter().cloned());
        self.saw_plaintext += u64::from(host.saw_plaintext);
        for call in &host.calls {
            match &call.error {
                None => *self.used.entry(call.call.clone()).or_default() += call.count,
                Some(why) if UNOPENED.contains(&why.as_str()) => {
                    *self.unopened.entry(why.clone()).or_default() += call.count;
                }
                Some(why) => *self.refused.entry(format!("{}: {why}", call.call)).or_default() += call.count,
            }
        }
        for identity in host.openings.iter().filter_map(|opening| opening.identity.as_ref()) {
            *self.opened.entry(identity.clone()).or_default() += 1;
        }
        for file in &record.worker.files {
            match &file.error {
                None => *self.files.entry(file.operation.clone()).or_default() += file.count,
                Some(why) => {
                    let path = file.path.as_deref().unwrap_or("?");
                    *self.refused.entry(format!("{} {path}: {why}", file.operation)).or_default() += file.count;
                }
            }
        }
        let failed = match &host.result {
            Result::Done => return,
            Result::Partly(_) => "partly",
            Result::Failed => "failed",
            Result::Broken => "broken",
            Result::Refused => "refused",
            Result::Overrun => "overrun",
            Result::Machine => "machine",
        };
        *self.failed.entry(failed.to_owned()).or_default() += 1;
    }
}
