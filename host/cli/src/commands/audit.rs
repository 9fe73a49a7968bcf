use std::path::Path;
use std::time::SystemTime;

use artifacts_audit::{Filter, LogContents, Record, Summary, parse_moment, read, summarize};
use artifacts_declared::InstanceName;
use artifacts_plan::Selector;
use artifacts_report::Failure;
use artifacts_text::shell_word;
use clap::Args;
use serde_json::{Value, json};

use crate::audit_log;
use crate::audit_text;
use crate::console::Console;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Instance, artifact, or prefix that ends at a slash [default: all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Only calls of this backend
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Only calls since TIME: `2026-01-31T12:00:00Z`, `2026-01-31` (in UTC), `today`, `yesterday`, `3d` or `12h`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<SystemTime>,
    /// Only calls before TIME
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<SystemTime>,
    /// Print every record instead of a summary
    #[arg(long)]
    all: bool,
    /// Exit with 1 if a backend was denied access or the chain is broken
    #[arg(long)]
    check: bool,
}

fn moment(text: &str) -> Result<SystemTime, String> {
    parse_moment(text, SystemTime::now())
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let path = audit_log::place(global, &Environment::read())?;
        if let Err(unsafe_place) = audit_log::check(&path, global.audit_log.is_some()) {
            console.warning(&unsafe_place.message, unsafe_place.hint.as_deref());
        }
        let filter = Filter { backend: self.backend.clone(), since: self.since, until: self.until };
        let mut found = read(&path, &filter).map_err(|e| audit_log::failure(&e))?;
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        found.records.retain(|record| is_about(record, &selectors));
        let summaries = summarize(&found.records);
        let denied = summaries.iter().any(|summary| summary.denials() > 0);
        if console.json() {
            console.object(self.json(&found, &summaries, &path), &[]);
        } else {
            self.print(&found, &summaries, &path, console);
        }
        let fails = self.check && (denied || found.chain.is_broken());
        Ok(if fails { Exit::FAILED } else { Exit::DONE })
    }

    fn json(&self, found: &LogContents, summaries: &[Summary], path: &Path) -> Value {
        let chain = &found.chain;
        let log = json!({
            "path": path,
            "records": found.count,
            "first": chain.begins,
            "chain": if chain.is_broken() { "broken" } else { "intact" },
            "head": chain.head.as_ref().map(|head| json!({"number": head.number, "sha256": head.sha256})),
            "findings": chain.findings.iter().map(|one| json!({"finding": one, "message": one.to_string()})).collect::<Vec<_>>(),
        });
        if self.all {
            json!({"log": log, "records": found.records.iter().map(audit_text::json).collect::<Vec<_>>()})
        } else {
            let denials: u64 = summaries.iter().map(Summary::denials).sum();
            json!({"log": log, "denials": denials, "backends": summaries})
        }
    }

    fn print(&self, found: &LogContents, summaries: &[Summary], path: &Path, console: &Console) {
        for line in &found.unknown {
            let text = format!("{}: line {line} is a record that this version cannot read", path.display());
            console.warning(&text, None);
        }
        for finding in &found.chain.findings {
            console.warning(&format!("{}: {finding}", path.display()), None);
        }
        if self.all {
            for record in &found.records {
                console.line(&audit_text::in_full(record));
            }
        } else {
            for summary in summaries {
                console.line(&audit_text::in_short(summary, *console));
            }
            let denied: Vec<&Summary> = summaries.iter().filter(|summary| summary.denials() > 0).collect();
            if let [first, more @ ..] = denied.as_slice() {
                let who = if more.is_empty() {
                    "1 backend was".to_owned()
                } else {
                    format!("{} backends were", more.len() + 1)
                };
                let details = format!("artifacts audit --backend {} --all", shell_word(&first.backend));
                console.warning(&format!("{who} denied access"), Some(&details));
            }
        }
        self.print_what_matches_nothing(&found.records, path, console);
        if found.count > 0 || found.chain.head.is_some() {
            console.message(&audit_text::log(found, path));
        }
    }

    /// Says which selectors match nothing, and where there are no records at all.
    fn print_what_matches_nothing(&self, records: &[Record], path: &Path, console: &Console) {
        let idle = |text: &&String| !records.iter().any(|record| is_about(record, &[Selector::new(text.as_str())]));
        for selector in self.selectors.iter().filter(idle) {
            console.message(&format!("no audit records match `{selector}`"));
        }
        if records.is_empty() && self.selectors.is_empty() {
            let filtered = self.backend.is_some() || self.since.is_some() || self.until.is_some();
            let matching = if filtered { "matching " } else { "" };
            console.message(&format!("no {matching}audit records in {}", path.display()));
        }
    }
}

fn is_about(record: &Record, selectors: &[Selector]) -> bool {
    let names = || record.instances().into_iter().filter_map(|name| name.parse::<InstanceName>().ok());
    selectors.is_empty() || names().any(|name| selectors.iter().any(|selector| selector.matches(&name)))
}
