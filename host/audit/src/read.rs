//! Reading the log back.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::call::{CallEnd, CallStart};
use crate::chain::Chain;
use crate::error::Error;
use crate::line::Line;
use crate::record_kind::{ConsentSubject, RecordKind, RunRecord};
use crate::verify::walk_locked;

/// Selects records; what is not set selects all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this backend.
    pub backend: Option<String>,
    /// At or after this moment.
    pub since: Option<SystemTime>,
    /// Before this moment.
    pub until: Option<SystemTime>,
}

impl Filter {
    /// Returns whether a record is selected. One whose time cannot be read is.
    pub fn wants(&self, record: &Record) -> bool {
        let time = humantime::parse_rfc3339(&record.line.time).ok();
        self.backend.as_ref().is_none_or(|backend| record.backend() == Some(backend.as_str()))
            && self.since.zip(time).is_none_or(|(since, time)| time >= since)
            && self.until.zip(time).is_none_or(|(until, time)| time < until)
    }
}

/// Holds one line with what other lines say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The line.
    pub line: Line,
    /// The run that wrote it, where its line is in this log.
    pub run: Option<Arc<RunRecord>>,
    /// Whether it begins a call that no line ends: the run was interrupted, or goes on still.
    pub interrupted: bool,
}

impl Record {
    /// The backend that it is about.
    pub fn backend(&self) -> Option<&str> {
        match &self.line.entry {
            RecordKind::Begun(CallStart { observed, .. }) => Some(&observed.backend),
            RecordKind::Ended(ended) => Some(&ended.observed.asked.backend),
            RecordKind::Consent(consent) => match &consent.subject {
                ConsentSubject::Grants { backend, .. } => Some(backend),
                ConsentSubject::Recipients { .. }
                | ConsentSubject::ReadAccess { .. }
                | ConsentSubject::Answers { .. }
                | ConsentSubject::Removal { .. }
                | ConsentSubject::Clone { .. } => None,
            },
            RecordKind::Run(_) => None,
        }
    }

    /// The instances that it is about.
    pub fn instances(&self) -> Vec<&str> {
        match &self.line.entry {
            RecordKind::Begun(CallStart { observed, .. }) => observed.instances.iter().map(String::as_str).collect(),
            RecordKind::Ended(ended) => ended.observed.asked.instances.iter().map(String::as_str).collect(),
            RecordKind::Consent(consent) => match &consent.subject {
                ConsentSubject::Recipients { instance, .. }
                | ConsentSubject::ReadAccess { instance, .. }
                | ConsentSubject::Answers { instance, .. }
                | ConsentSubject::Removal { instance, .. } => vec![instance],
                ConsentSubject::Grants { .. } | ConsentSubject::Clone { .. } => Vec::new(),
            },
            RecordKind::Run(_) => Vec::new(),
        }
    }

    /// The call that it ends.
    pub fn ended(&self) -> Option<&CallEnd> {
        if let RecordKind::Ended(ended) = &self.line.entry { Some(ended) } else { None }
    }

    /// The checkout of its run.
    pub fn checkout(&self) -> Option<&str> {
        self.run.as_ref()?.checkout.as_deref()
    }
}

/// Holds what was read.
#[derive(Debug, Default)]
pub struct LogContents {
    /// The records that were selected, in the order of the log.
    pub records: Vec<Record>,
    /// How many records there are, selected or not.
    pub count: u64,
    /// Lines that are part of the chain and that this version cannot read: their numbers, from 1.
    pub unknown: Vec<u64>,
    /// What verification found.
    pub chain: Chain,
}

/// Reads a log back, and verifies it. A line that cannot be read is reported, and costs no other.
///
/// # Errors
/// When the file cannot be read. One that does not exist is empty.
pub fn read(path: &Path, filter: &Filter) -> Result<LogContents, Error> {
    let mut found = LogContents::default();
    let mut runs: HashMap<String, Arc<RunRecord>> = HashMap::new();
    let mut ended: HashSet<(String, u64)> = HashSet::new();
    let mut number = 0;
    let chain = walk_locked(path, |met| {
        number += 1;
        let Some(line) = Line::parse(met.bytes) else {
            if met.is_linked() {
                found.unknown.push(number);
            }
            return;
        };
        found.count += 1;
        match (&line.run, &line.entry) {
            (Some(run), RecordKind::Run(about)) => {
                runs.insert(run.clone(), Arc::new(about.clone()));
            }
            (Some(run), RecordKind::Ended(one)) => {
                ended.insert((run.clone(), one.call));
            }
            _ => {}
        }
        let run = line.run.as_ref().and_then(|run| runs.get(run)).cloned();
        let record = Record { line, run, interrupted: false };
        if filter.wants(&record) {
            found.records.push(record);
        }
    })?;
    for record in &mut found.records {
        if let (Some(run), RecordKind::Begun(begun)) = (&record.line.run, &record.line.entry) {
            record.interrupted = !ended.contains(&(run.clone(), begun.call));
        }
    }
    found.chain = chain;
    Ok(found)
}
