use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use artifacts_audit::{Filter, Record, Summary, read, summarise};
use artifacts_plan::Selector;
use artifacts_report::{Failure, counted, escaped};
use artifacts_spec::InstanceName;
use clap::Args;
use serde_json::{Value, json};

use super::Status;
use crate::args::Global;
use crate::environment::Environment;
use crate::output::Output;
use crate::record;

#[derive(Debug, Args)]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Only of this backend
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Only from this moment on, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<SystemTime>,
    /// Only before this moment
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<SystemTime>,
    /// Every record instead of a summary
    #[arg(long)]
    all: bool,
}

fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(text).map_err(|e| format!("{e}; expected a time as 2026-01-31T12:00:00Z"))
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let path = record::place(global, &Environment::read())?;
        let filter = Filter { backend: self.backend.clone(), since: self.since, until: self.until };
        let found = read(&path, &filter).map_err(|e| Failure::new("audit", e.to_string()).help(e.help()))?;
        for line in &found.damaged {
            output.warning(&format!("line {line} of {} is no record", path.display()), None);
        }
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let records: Vec<Record> = found.records.into_iter().filter(|record| about(record, &selectors)).collect();
        let summaries = summarise(&records);
        if output.json() {
            let value = if self.all { json!({"records": records}) } else { json!({"backends": summaries}) };
            output.object(value, &[]);
        } else if self.all {
            for record in &records {
                output.line(&in_full(record));
            }
        } else {
            for summary in &summaries {
                output.line(&in_short(summary, *output));
            }
        }
        if !output.json() {
            self.tell_what_is_not(&records, &path, output);
        }
        Ok(Status::DONE)
    }

    /// Says of what nothing is recorded: of a selector, of what was filtered out, or at all.
    fn tell_what_is_not(&self, records: &[Record], path: &Path, output: &Output) {
        let idle = |text: &&String| !records.iter().any(|record| about(record, &[Selector::new(text.as_str())]));
        for selector in self.selectors.iter().filter(idle) {
            output.note(&format!("nothing is recorded of `{selector}`"));
        }
        if records.is_empty() && self.selectors.is_empty() {
            let filtered = self.backend.is_some() || self.since.is_some() || self.until.is_some();
            let of_that = if filtered { " of that" } else { "" };
            output.note(&format!("nothing is recorded{of_that} in {}", path.display()));
        }
    }
}

fn about(record: &Record, selectors: &[Selector]) -> bool {
    let names = || record.host.instances.iter().filter_map(|name| name.parse::<InstanceName>().ok());
    selectors.is_empty() || names().any(|name| selectors.iter().any(|selector| selector.matches(&name)))
}

/// A component's story in a few lines: what it was allowed, what it used, what it was refused.
fn in_short(summary: &Summary, output: Output) -> String {
    let mut text = format!("{} ({}…)\n", escaped(&summary.backend), summary.sha256.get(..12).unwrap_or_default());
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&output.field(&format!("  {name}"), 12, &value));
        }
    };
    line("time", format!("{} to {}", summary.from, summary.to));
    line("granted", summary.granted.iter().map(granted).collect::<Vec<_>>().join("; "));
    let operations = summary.operations.iter().map(|(operation, count)| format!("{count} {}", word(operation)));
    line("calls", format!("{} of {}", words(operations), counted(summary.instances.len(), "instance")));
    line("used", counts(&summary.used));
    line(
        "plaintext",
        if summary.saw_plaintext == 0 {
            "never given".into()
        } else {
            format!("given in {}", counted(summary.saw_plaintext, "call"))
        },
    );
    line("opened", counts(&summary.opened));
    line("unopened", counts(&summary.unopened));
    line("files", counts(&summary.files));
    line("failed", counts(&summary.failed));
    if summary.refused.is_empty() {
        line("refused", "nothing".to_owned());
    }
    for (what, count) in &summary.refused {
        line("refused", format!("{what} ({})", counted(usize::try_from(*count).unwrap_or(usize::MAX), "time")));
    }
    text.trim_end().to_owned()
}

/// A set of grants in words: those that are given, with what they are given for.
fn granted(grants: &Value) -> String {
    let named = |(grant, value): (&String, &Value)| match value {
        Value::Bool(true) => Some(grant.clone()),
        Value::Array(some) if !some.is_empty() => Some(format!("{grant} {}", words(some.iter().map(word)))),
        _ => None,
    };
    let given: Vec<String> = grants.as_object().into_iter().flatten().filter_map(named).collect();
    if given.is_empty() { "nothing".to_owned() } else { given.join(", ") }
}

fn in_full(record: &Record) -> String {
    let host = &record.host;
    let mut text = format!(
        "{} {} {} {} {}",
        record.time,
        escaped(&host.backend),
        word(&host.operation),
        word(&host.result),
        escaped(&words(host.instances.iter().cloned()))
    );
    for call in &host.calls {
        let _ = write!(text, "\n  host    {} x{}{}", escaped(&call.call), call.count, error(call.error.as_deref()));
    }
    for opening in &host.openings {
        let header = opening.header.as_deref().and_then(|header| header.get(..12)).unwrap_or("?");
        let file = opening.file.as_deref().unwrap_or("a part of a file");
        let how = opening.identity.as_ref().map(|identity| format!(" with {identity}")).unwrap_or_default();
        let _ = write!(
            text,
            "\n  opened  {} ({header}…){}{}",
            escaped(file),
            escaped(&how),
            error(opening.error.as_deref())
        );
    }
    for file in &record.worker.files {
        let path = file.path.as_deref().unwrap_or("*");
        let about = file.instance.as_deref().map_or_else(String::new, |name| format!(" for {}", escaped(name)));
        let _ = write!(
            text,
            "\n  worker  {} {}{about} x{} {} bytes{}",
            escaped(&file.operation),
            escaped(path),
            file.count,
            file.bytes,
            error(file.error.as_deref())
        );
    }
    text
}

fn error(why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| format!(" REFUSED: {}", escaped(why)))
}

fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn counts(counts: &std::collections::BTreeMap<String, u64>) -> String {
    words(counts.iter().map(|(what, count)| format!("{what} {count}")))
}

fn words(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_told_in_words() {
        let some = json!({"plaintext": false, "identities": true, "recipient-plugins": ["tpm", "yubikey"]});
        assert_eq!(granted(&some), "identities, recipient-plugins tpm, yubikey");
        let none = json!({"plaintext": false, "identities": false, "recipient-plugins": []});
        assert_eq!((granted(&none), granted(&Value::Null)), ("nothing".to_owned(), "nothing".to_owned()));
    }
}
