//! Audit records, for a person: sentences first, calls for those who ask.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use artifacts_audit::{
    AccessCounts, CallEnd, CallRequest, ConsentRecord, ConsentSubject, Denial, LogContents, Operation, Record,
    RecordKind, RunRecord, Summary,
};
use artifacts_contract::limit_text;
use artifacts_text::{agreeing, counted, terminal};
use serde_json::{Value, json};

use crate::console::Console;

/// Denials of one kind that are named; `--all` has each.
const NAMED: usize = 5;

/// A component's story in a few lines: what it could access, accessed, and was denied.
pub fn in_short(summary: &Summary, console: Console) -> String {
    let mut text = format!("{}\n", title(summary));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&console.field(&format!("  {name}"), 13, &value));
        }
    };
    line("time", times(summary));
    line("granted", summary.granted.iter().map(granted).collect::<Vec<_>>().join("; "));
    line("work", work(summary));
    line("files", files(summary));
    line("plaintext", plaintext(summary));
    line("decrypted", decrypted(summary));
    line("age plugins", plugins(summary));
    line("failed", failed(summary));
    line("interrupted", interrupted(summary));
    for value in denied(&summary.denied) {
        line("denied", value);
    }
    text.trim_end().to_owned()
}

/// `agenix 0.1.0, bundled`, or the beginning of what names a third party's component.
fn title(summary: &Summary) -> String {
    let version = summary.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let sha256 = summary.sha256.get(..12).unwrap_or_default();
    let kind = match summary.bundled {
        Some(true) => "bundled".to_owned(),
        Some(false) => format!("third party, sha256 {sha256}…"),
        None => format!("sha256 {sha256}…"),
    };
    terminal(&format!("{}{version}, {kind}", summary.backend)).into_owned()
}

fn times(summary: &Summary) -> String {
    let minute = |time: &str| time.get(..16).unwrap_or(time).replace('T', " ");
    let (from, to) = (minute(&summary.from), minute(&summary.to));
    terminal(&if from == to { format!("{from} UTC") } else { format!("{from} to {to} UTC") }).into_owned()
}

/// `checked 180 artifacts, stored 12, decrypted 3, in 31 runs`.
fn work(summary: &Summary) -> String {
    let did = [
        (Operation::Check, "checked"),
        (Operation::Serialize, "stored"),
        (Operation::Retrieve, "decrypted"),
        (Operation::AskPlugins, "asked age plugins about"),
    ];
    let done =
        did.into_iter().map(|(operation, did)| (did, summary.artifacts(operation))).filter(|(_, count)| *count > 0);
    let phrase = |(at, (did, count)): (usize, (&str, usize))| match at {
        0 => format!("{did} {}", counted(count, "artifact")),
        _ => format!("{did} {count}"),
    };
    let mut phrases: Vec<String> = done.enumerate().map(phrase).collect();
    if !summary.runs.is_empty() {
        phrases.push(format!("in {}", counted(summary.runs.len(), "run")));
    }
    phrases.join(", ")
}

/// `read 4 files in the entries, wrote 1; nothing else`.
fn files(summary: &Summary) -> String {
    let AccessCounts { read, written, removed, renamed, directories } = summary.files;
    let mut phrases = vec![if read == 0 {
        "read no files".to_owned()
    } else {
        format!("read {} in the entries", counted(read, "file"))
    }];
    let more = [("wrote", written), ("removed", removed), ("renamed or linked", renamed)];
    phrases.extend(more.iter().filter(|(_, count)| *count > 0).map(|(did, count)| format!("{did} {count}")));
    if directories > 0 {
        phrases.push(format!("made {}", counted(directories, "directory")));
    }
    if phrases.len() == 1 {
        phrases.push("wrote none".to_owned());
    }
    let end = if summary.denied.is_empty() { "; nothing else" } else { "" };
    format!("{}{end}", phrases.join(", "))
}

fn plaintext(summary: &Summary) -> String {
    match summary.accessed_plaintext {
        0 => "never accessed".to_owned(),
        calls => format!("accessed in {}", counted(calls, "call")),
    }
}

/// `3 files (age 2, ssh-ed25519 1); not decrypted: no-identity 1`.
fn decrypted(summary: &Summary) -> String {
    let mut phrases = Vec::new();
    if !summary.decrypted.is_empty() {
        let files = summary.decrypted.values().sum::<u64>();
        phrases.push(format!("{} ({})", counted(files, "file"), counts(&summary.decrypted)));
    }
    if !summary.not_decrypted.is_empty() {
        if phrases.is_empty() {
            phrases.push("nothing".to_owned());
        }
        phrases.push(format!("not decrypted: {}", counts(&summary.not_decrypted)));
    }
    terminal(&phrases.join("; ")).into_owned()
}

/// `/nix/store/…/age-plugin-yubikey (run 2 times)`.
fn plugins(summary: &Summary) -> String {
    let phrase = |(program, count): (&String, &u64)| format!("{program} (run {})", counted(*count, "time"));
    terminal(&summary.plugins.iter().map(phrase).collect::<Vec<_>>().join(", ")).into_owned()
}

fn failed(summary: &Summary) -> String {
    let phrase = |(kind, count): (&String, &u64)| {
        let calls = counted(*count, "call");
        match kind.as_str() {
            "partly" => format!("{calls} failed partly"),
            "crashed" => format!("{calls} crashed"),
            "denied" => format!("{calls} ended by a denial"),
            "exceeded" => format!("{calls} exceeded a limit"),
            _ => format!("{calls} failed"),
        }
    };
    summary.failed.iter().map(phrase).collect::<Vec<_>>().join(", ")
}

fn interrupted(summary: &Summary) -> String {
    match summary.interrupted {
        0 => String::new(),
        calls => {
            format!("{} began and did not end: the run was interrupted, or is still running", counted(calls, "call"))
        }
    }
}

/// What was denied: how often, and then each kind with its first paths.
fn denied(denied: &[Denial]) -> Vec<String> {
    let sum: u64 = denied.iter().map(|denial| denial.count).sum();
    if sum == 0 {
        return vec!["nothing".to_owned()];
    }
    let mut kinds: BTreeMap<(&str, &str), (u64, Vec<&str>)> = BTreeMap::new();
    for denial in denied {
        let kind = kinds.entry((&denial.operation, &denial.error)).or_default();
        kind.0 += denial.count;
        kind.1.extend(denial.path.as_deref());
    }
    let line = |((operation, error), (count, paths)): ((&str, &str), (u64, Vec<&str>))| {
        let mut text = format!("{operation}: {error} ({})", counted(count, "time"));
        if !paths.is_empty() {
            let _ = write!(text, ": {}", paths.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "));
        }
        if let Some(more) = paths.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = write!(text, " and {more} more");
        }
        terminal(&text).into_owned()
    };
    std::iter::once(format!("{sum} {}", agreeing(sum, "access", "accesses")))
        .chain(kinds.into_iter().map(line))
        .collect()
}

/// A set of grants in words: those that are given, with what they are given for.
fn granted(grants: &Value) -> String {
    let named = |(grant, value): (&String, &Value)| match value {
        Value::Bool(true) => Some(grant.clone()),
        Value::Array(some) if !some.is_empty() => Some(format!("{grant} {}", join(some.iter().map(word)))),
        _ => None,
    };
    let given: Vec<String> = grants.as_object().into_iter().flatten().filter_map(named).collect();
    if given.is_empty() { "nothing".to_owned() } else { terminal(&given.join(", ")).into_owned() }
}

/// Where the log is, whether its chain is intact, and what to copy elsewhere.
pub fn log(found: &LogContents, path: &Path) -> String {
    let chain = &found.chain;
    let state = if chain.is_broken() { "the hash chain is broken" } else { "hash chain intact" };
    let mut text = format!("log: {}, {}, {state}", path.display(), counted(found.count, "record"));
    if let Some(first) = chain.begins.filter(|first| *first > 1) {
        let _ = write!(text, "; records 1 to {} are not in this file", first - 1);
    }
    if let Some(head) = &chain.head {
        let _ = write!(text, "\nhead: {} {}", head.number, head.sha256);
    }
    text
}

/// A record as it is in the log, with what other records say of it.
pub fn json(record: &Record) -> Value {
    let mut value = json!(record.line);
    if record.interrupted {
        value["interrupted"] = json!(true);
    }
    if let Some(checkout) = record.checkout() {
        value["checkout"] = json!(checkout);
    }
    value
}

/// One record with each of its calls.
pub fn in_full(record: &Record) -> String {
    let time = terminal(&record.line.time);
    match &record.line.entry {
        RecordKind::Run(run) => format!("{time} {}", of_run(run)),
        RecordKind::Consent(consent) => format!("{time} {}", of_consent(consent)),
        RecordKind::Begun(begun) => {
            let end = if record.interrupted { "began, and did not end" } else { "began" };
            format!("{time} {} {end}", of_call(&begun.observed))
        }
        RecordKind::Ended(ended) => format!("{time} {}", of_ended(ended)),
    }
}

fn of_run(run: &RunRecord) -> String {
    let who = run.user.name.clone().unwrap_or_else(|| format!("uid {}", run.user.uid));
    let on = run.host.as_ref().map(|host| format!("@{host}")).unwrap_or_default();
    let place = run.checkout.as_ref().map(|path| format!(" in {path}")).unwrap_or_default();
    let words = std::iter::once(&run.command).chain(&run.selectors).chain(&run.flags);
    let words: Vec<&str> = words.map(String::as_str).collect();
    terminal(&format!("{who}{on} ran artifacts {} (version {}){place}", words.join(" "), run.version))
        .replace('\n', "\\n")
}

fn of_consent(ConsentRecord { by, subject }: &ConsentRecord) -> String {
    let what = match subject {
        ConsentSubject::Recipients { instance, file, recipients } => {
            format!("the recipients of {instance} {file}: {}", recipients.join(", "))
        }
        ConsentSubject::ReadAccess { instance, dependency, generator, .. } => {
            let generator = generator.as_deref().unwrap_or("none");
            format!("that the generator of {instance} reads {dependency}; it is {generator}")
        }
        ConsentSubject::Answers { instance, prompts, generator, network, public, .. } => {
            let network = network.then(|| "has network access".to_owned());
            let public = (!public.is_empty()).then(|| format!("publishes {}", public.join(", ")));
            let can: Vec<String> = network.into_iter().chain(public).collect();
            let prompts = prompts.join(", ");
            format!("that the generator of {instance} uses {prompts}; it is {generator}, and {}", can.join(" and "))
        }
        ConsentSubject::Grants { backend, sha256, grants, limits } => {
            let limits = limits.iter().map(|(name, value)| format!("{name} up to {}", limit_text(name, *value)));
            let all: Vec<String> = std::iter::once(granted(grants)).chain(limits).collect();
            format!("the grants of {backend}, sha256 {sha256}: {}", all.join("; "))
        }
        ConsentSubject::Removal { instance, storage, trashed } => {
            format!("that {instance} goes from the trash for good: {storage}/.artifacts/trash/{trashed}")
        }
        ConsentSubject::Clone { checkout, other } => {
            format!("that {checkout} and {other} are clones of one repository")
        }
    };
    terminal(&format!("accepted ({by}): {what}")).replace('\n', "\\n")
}

fn of_call(asked: &CallRequest) -> String {
    let CallRequest { backend, operation, instances, .. } = asked;
    terminal(&format!("{backend} {} {}", word(operation), instances.join(", "))).into_owned()
}

fn of_ended(ended: &CallEnd) -> String {
    let observed = &ended.observed;
    let mut text = format!("{} {}", of_call(&observed.asked), word(&observed.result));
    for call in &observed.calls {
        let error = error(call.error.as_deref(), call.denied);
        let _ = write!(text, "\n  observed  {} x{}{error}", terminal(&call.call), call.count);
    }
    for plugin in &observed.plugins {
        let _ = write!(text, "\n  ran       {}", terminal(&plugin.program));
    }
    for decryption in &observed.decryptions {
        let header = decryption.header.map_or_else(|| "?".to_owned(), |header| header.to_string()[..12].to_owned());
        let file = terminal(decryption.file.as_deref().unwrap_or("a part of a file"));
        let how = decryption.identity.as_ref().map(|identity| format!(" with {identity}")).unwrap_or_default();
        let why = decryption.error.as_deref();
        let _ = write!(text, "\n  decrypted {file} ({header}…){}{}", terminal(&how), error(why, why == Some("denied")));
    }
    for file in &ended.reported.files {
        let path = terminal(file.path.as_deref().unwrap_or("*"));
        let about = file.instance.as_deref().map_or_else(String::new, |name| format!(" for {}", terminal(name)));
        let _ = write!(
            text,
            "\n  reported  {} {path}{about} x{} {} bytes{}",
            terminal(&file.operation),
            file.count,
            file.bytes,
            error(file.error.as_deref(), file.is_denied())
        );
    }
    text
}

fn error(why: Option<&str>, denied: bool) -> String {
    let what = if denied { "DENIED" } else { "failed" };
    why.map_or_else(String::new, |why| format!(" {what}: {}", terminal(why)))
}

fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    join(counts.iter().map(|(what, count)| format!("{what} {count}")))
}

fn join(words: impl Iterator<Item = String>) -> String {
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

    #[test]
    fn accesses_are_told_in_a_sentence() {
        let mut summary =
            Summary { files: AccessCounts { read: 4, written: 1, ..AccessCounts::default() }, ..Summary::default() };
        assert_eq!(files(&summary), "read 4 files in the entries, wrote 1; nothing else");
        summary.files = AccessCounts { read: 1, removed: 2, directories: 1, ..AccessCounts::default() };
        assert_eq!(files(&summary), "read 1 file in the entries, removed 2, made 1 directory; nothing else");
        let denial = |path: &str| Denial {
            operation: "open-at".to_owned(),
            path: Some(path.to_owned()),
            error: "not-permitted".to_owned(),
            count: 2,
        };
        summary.denied = ["a", "b", "c", "d", "e", "f"].map(denial).to_vec();
        assert!(!files(&summary).contains("nothing else"));
        assert_eq!(
            denied(&summary.denied),
            ["12 accesses", "open-at: not-permitted (12 times): a, b, c, d, e and 1 more"]
        );
        assert_eq!(denied(&[]), ["nothing"]);
        assert_eq!(files(&Summary::default()), "read no files, wrote none; nothing else");
    }
}
