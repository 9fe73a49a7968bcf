//! Law: whatever is removed, changed, reordered or added in a log is noticed, and nothing is lost by mending.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use artifacts_audit::{AuditLog, CallRequest, Filter, Finding, Operation, RunRecord, SyncMode, read, verify};
use proptest::prelude::*;

fn run() -> RunRecord {
    RunRecord { command: "status".into(), version: "0.1.0".into(), ..RunRecord::default() }
}

fn asked(name: &str) -> CallRequest {
    CallRequest {
        backend: "agenix".into(),
        version: None,
        bundled: None,
        sha256: "00".into(),
        operation: Operation::Check,
        instances: vec![name.into()],
        grants: serde_json::json!({}),
    }
}

/// A run that writes so many lines.
fn append(path: &Path, lines: usize) {
    let log = AuditLog::new(path, run(), SyncMode::No, SystemTime::now);
    log.begin().unwrap();
    for number in 1..lines {
        log.begun(vec![asked(&format!("shared/{number}"))]).unwrap();
    }
}

fn findings(path: &Path) -> Vec<Finding> {
    verify(path).unwrap().findings
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn write(path: &Path, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn each_line_is_linked_over_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    for _ in 0..3 {
        append(&path, 2);
    }
    let chain = verify(&path).unwrap();
    assert_eq!((chain.linked, chain.begins, chain.findings), (6, Some(1), vec![]));
    assert_eq!(chain.head.unwrap().number, 6);
}

#[test]
fn runs_at_once_write_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| append(&path, 25)))));
    let chain = verify(&path).unwrap();
    assert_eq!((chain.linked, chain.findings), (200, vec![]));
}

#[test]
fn an_incomplete_line_costs_no_other_and_no_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    append(&path, 2);
    let whole = fs::read(&path).unwrap();
    // A run that was killed in the middle of a line, before it wrote the head.
    let torn = [whole.as_slice(), b"{\"schema\":2,\"num"].concat();
    fs::write(&path, &torn).unwrap();
    assert_eq!(findings(&path), [Finding::Incomplete { line: 3 }]);
    append(&path, 1);
    let now = fs::read(&path).unwrap();
    assert!(now.starts_with(&torn) && now[torn.len()] == b'\n');
    let found = read(&path, &Filter::default()).unwrap();
    assert_eq!((found.records.len(), found.chain.findings.as_slice()), (3, &[Finding::Damaged { line: 3 }][..]));
    assert!(!found.chain.is_broken());
    // The fragment is accounted for: to remove it is noticed.
    let mut kept = lines(&path);
    kept.remove(2);
    write(&path, &kept);
    assert!(verify(&path).unwrap().is_broken());
}

#[test]
fn a_line_that_was_cut_off_after_it_was_written_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    append(&path, 3);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 30).unwrap();
    assert!(verify(&path).unwrap().is_broken());
    append(&path, 1);
    let found = read(&path, &Filter::default()).unwrap();
    assert_eq!(found.records.len(), 3, "the next record is no part of what is incomplete");
    let expected = [Finding::Damaged { line: 3 }, Finding::Missing { line: 4, from: 3, to: 3 }];
    assert_eq!(found.chain.findings, expected);
    assert!(found.chain.is_broken());
}

#[test]
fn a_run_that_was_killed_before_it_wrote_the_head_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let head = dir.path().join("audit.jsonl.head");
    append(&path, 2);
    let before = fs::read(&head).unwrap();
    append(&path, 2);
    fs::write(&head, before).unwrap();
    assert_eq!(findings(&path), []);
    append(&path, 1);
    assert_eq!(findings(&path), []);
    assert_eq!(verify(&path).unwrap().linked, 5);
}

#[test]
fn a_rotated_log_goes_on_with_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    append(&path, 3);
    let moved = dir.path().join("audit.jsonl.1");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(findings(&path), [Finding::Empty { expected: 3 }]);
    assert!(!verify(&moved).unwrap().is_broken(), "what was moved away can be verified but for its end");
    assert_eq!(findings(&moved), [Finding::NoHead]);
    append(&path, 2);
    let chain = verify(&path).unwrap();
    assert_eq!((chain.begins, chain.linked, chain.findings), (Some(4), 2, vec![]));
    // Both together are one chain.
    let both = [fs::read(dir.path().join("audit.jsonl.1")).unwrap(), fs::read(&path).unwrap()].concat();
    fs::write(&path, both).unwrap();
    let chain = verify(&path).unwrap();
    assert_eq!((chain.begins, chain.linked, chain.findings), (Some(1), 5, vec![]));
    // While a run goes on, too; and emptied in its place, as logrotate's `copytruncate` does.
    let log = AuditLog::new(&path, run(), SyncMode::No, SystemTime::now);
    log.begin().unwrap();
    fs::rename(&path, dir.path().join("audit.jsonl.2")).unwrap();
    log.begun(vec![asked("shared/a")]).unwrap();
    assert_eq!((verify(&path).unwrap().begins, findings(&path)), (Some(7), vec![]));
    fs::write(&path, "").unwrap();
    log.begun(vec![asked("shared/b")]).unwrap();
    assert_eq!((verify(&path).unwrap().begins, findings(&path)), (Some(8), vec![]));
}

#[test]
fn a_lost_head_is_noticed_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let head = dir.path().join("audit.jsonl.head");
    append(&path, 3);
    fs::remove_file(&head).unwrap();
    assert_eq!(findings(&path), [Finding::NoHead]);
    append(&path, 1);
    assert_eq!(findings(&path), [Finding::Head { line: Some(4) }]);
    assert!(verify(&path).unwrap().is_broken());
    fs::write(&head, "{\"schema\":1").unwrap();
    assert!(verify(&path).unwrap().is_broken());
    append(&path, 1);
    assert_eq!(verify(&path).unwrap().linked, 5, "a torn head costs no record");
    assert_eq!(findings(&path).len(), 2);
}

#[test]
fn a_lost_last_line_feed_is_noticed_and_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    append(&path, 2);
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 1]).unwrap();
    assert!(verify(&path).unwrap().is_broken());
    append(&path, 1);
    assert!(fs::read(&path).unwrap().starts_with(&text));
    assert_eq!(findings(&path), []);
}

#[test]
fn what_cannot_be_written_is_an_error_before_the_call() {
    let log = AuditLog::new("/dev/full", run(), SyncMode::Yes, SystemTime::now);
    assert!(log.begin().is_err());
    let error = log.begun(vec![asked("shared/a")]).unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
    assert!(!Path::new("/dev/full.head").exists());
    AuditLog::new("/dev/null", run(), SyncMode::Yes, SystemTime::now).begun(vec![asked("shared/a")]).unwrap();
}

#[derive(Debug, Clone)]
enum Change {
    Remove(usize),
    Swap(usize, usize),
    Double(usize),
    Edit(usize, usize, u8),
    Insert(usize, String),
    Cut(usize),
    RemoveFront(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..1000_usize;
    prop_oneof![
        at.clone().prop_map(Change::Remove),
        (at.clone(), at.clone()).prop_map(|(one, other)| Change::Swap(one, other)),
        at.clone().prop_map(Change::Double),
        (at.clone(), at.clone(), any::<u8>()).prop_map(|(line, byte, new)| Change::Edit(line, byte, new)),
        (at.clone(), "[a-z{}\":1 ]{0,20}").prop_map(|(line, text)| Change::Insert(line, text)),
        (1..5000_usize).prop_map(Change::Cut),
        (1..1000_usize).prop_map(Change::RemoveFront),
    ]
}

fn changed(lines: &[Vec<u8>], change: Change) -> Vec<u8> {
    let mut lines = lines.to_vec();
    let count = lines.len();
    match change {
        Change::Remove(at) => drop(lines.remove(at % count)),
        Change::Swap(one, other) => lines.swap(one % count, other % count),
        Change::Double(at) => lines.insert(at % count, lines[at % count].clone()),
        Change::Edit(at, byte, new) => {
            let line = &mut lines[at % count];
            let byte = byte % line.len();
            line[byte] = new;
        }
        Change::Insert(at, text) => lines.insert(at % (count + 1), format!("{text}\n").into_bytes()),
        Change::Cut(bytes) => {
            let mut all = lines.concat();
            all.truncate(all.len().saturating_sub(bytes));
            return all;
        }
        Change::RemoveFront(some) => drop(lines.drain(..=(some % count))),
    }
    lines.concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn no_change_goes_unnoticed(runs in prop::collection::vec(1..4_usize, 1..4), change in change(), later in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        for lines in runs {
            append(&path, lines);
        }
        prop_assert_eq!(findings(&path), vec![]);
        let text = fs::read(&path).unwrap();
        let lines: Vec<Vec<u8>> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let new = changed(&lines, change);
        prop_assume!(new != text);
        fs::write(&path, &new).unwrap();
        prop_assert!(verify(&path).unwrap().is_broken());
        // A run that comes after it hides nothing. Only a log that was emptied cannot be distinguished from one that was rotated, and
        // text added at the end from a line whose writing was interrupted.
        if later && !new.is_empty() {
            append(&path, 1);
            let chain = verify(&path).unwrap();
            let now = fs::read(&path).unwrap();
            // Where the last line feed alone was cut off, the next record is preceded by it, and the log is as if it had been there.
            let is_whole_again = [&new[..], b"\n"].concat() == text && now.starts_with(&text);
            prop_assert!(is_whole_again || !chain.findings.is_empty());
            prop_assert!(is_whole_again || chain.is_broken() || new.starts_with(&text));
            prop_assert!(now.starts_with(&new));
        }
    }
}
