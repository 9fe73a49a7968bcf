//! What `audit` answers: the records that are asked for, or their summary, and what is wrong with the log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifacts_audit::{Filter, LogContents, Record, Summary, read, summarize};
use artifacts_declared::InstanceName;
use artifacts_plan::{Selector, SelectorError, select};
use artifacts_report::Failure;
use artifacts_text::shell_word;
use serde_json::{Value, json};

use crate::console::Console;
use crate::{audit_log, audit_text};

/// Holds the records of a log that are asked for.
pub struct AuditAnswer {
    path: PathBuf,
    found: LogContents,
    summaries: Vec<Summary>,
    /// Selectors that no record matches.
    idle: Vec<String>,
    /// Whether anything was asked for but all records.
    is_filtered: bool,
}

impl AuditAnswer {
    /// Reads the records that the filter and one of the selectors match; without selectors, all that the filter matches.
    pub fn read(path: &Path, filter: &Filter, selectors: &[Selector]) -> Result<Self, Failure> {
        let mut found = read(path, filter).map_err(|e| audit_log::failure(&e))?;
        let known: BTreeSet<InstanceName> = found.records.iter().flat_map(instances).collect();
        let (chosen, unclear) = select(&known.iter().collect(), selectors);
        if let Some(ambiguous) = unclear.iter().find(|error| matches!(error, SelectorError::Ambiguous { .. })) {
            return Err(artifacts_flow::selector(ambiguous));
        }
        found.records.retain(|record| selectors.is_empty() || instances(record).any(|name| chosen.contains(&name)));
        let idle = unclear.iter().map(|error| error.selector().to_string()).collect();
        let is_filtered = filter.backend.is_some() || filter.since.is_some() || filter.until.is_some();
        Ok(Self { path: path.to_owned(), summaries: summarize(&found.records), found, idle, is_filtered })
    }

    /// Returns whether a backend was denied access, or the chain is broken.
    pub fn is_alarming(&self) -> bool {
        self.denied().next().is_some() || self.found.chain.is_broken()
    }

    /// Returns the answer as `--json` has it: every record, or a summary for each backend.
    pub fn json(&self, all: bool) -> Value {
        let chain = &self.found.chain;
        let finding = |one: &artifacts_audit::Finding| json!({"finding": one, "message": one.to_string()});
        let log = json!({
            "path": self.path,
            "records": self.found.count,
            "first": chain.begins,
            "chain": if chain.is_broken() { "broken" } else { "intact" },
            "head": chain.head.as_ref().map(|head| json!({"number": head.number, "sha256": head.sha256})),
            "findings": chain.findings.iter().map(finding).collect::<Vec<_>>(),
        });
        if all {
            json!({"log": log, "records": self.found.records.iter().map(audit_text::json).collect::<Vec<_>>()})
        } else {
            let denials: u64 = self.summaries.iter().map(Summary::denials).sum();
            json!({"log": log, "denials": denials, "backends": self.summaries})
        }
    }

    /// Prints the answer.
    pub fn print(&self, all: bool, console: &Console) {
        self.print_warnings(console);
        if all {
            self.found.records.iter().for_each(|record| console.line(&audit_text::in_full(record)));
        } else {
            self.summaries.iter().for_each(|summary| console.line(&audit_text::in_short(summary, *console)));
            self.print_denials(console);
        }
        for selector in &self.idle {
            console.message(&format!("no audit records match `{selector}`"));
        }
        if self.found.records.is_empty() && self.idle.is_empty() {
            let matching = if self.is_filtered { "matching " } else { "" };
            console.message(&format!("no {matching}audit records in {}", self.path.display()));
        }
        if self.found.count > 0 || self.found.chain.head.is_some() {
            console.message(&audit_text::log(&self.found, &self.path));
        }
    }

    fn print_warnings(&self, console: &Console) {
        let path = self.path.display();
        for line in &self.found.unknown {
            console.warning(&format!("{path}: line {line} is a record that this version cannot read"), None);
        }
        for finding in &self.found.chain.findings {
            console.warning(&format!("{path}: {finding}"), None);
        }
    }

    fn print_denials(&self, console: &Console) {
        let Some(first) = self.denied().next() else { return };
        let who = match self.denied().count() {
            1 => "1 backend was".to_owned(),
            more => format!("{more} backends were"),
        };
        let details = format!("artifacts audit --backend {} --all", shell_word(&first.backend));
        console.warning(&format!("{who} denied access"), Some(&details));
    }

    fn denied(&self) -> impl Iterator<Item = &Summary> {
        self.summaries.iter().filter(|summary| summary.denials() > 0)
    }
}

fn instances(record: &Record) -> impl Iterator<Item = InstanceName> {
    record.instances().into_iter().filter_map(|name| name.parse().ok())
}
