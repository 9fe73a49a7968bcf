//! Records are written, read back, filtered and summarised.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use artifacts_audit::{Call, Filter, Log, Operation, Record, Result, read, summarise};
use artifacts_seam::{Event, Usage};
use serde_json::json;

fn file(operation: &str, path: &str, error: Option<&str>) -> Event {
    Event::File { operation: operation.into(), path: path.into(), error: error.map(Into::into), count: 1, bytes: 3 }
}

fn record(operation: Operation, seconds: u64) -> Record {
    let events = [
        file("open-at", "a.age", None),
        file("open-at", "b.age", None),
        file("open-at", "../../etc/passwd", Some("not-permitted")),
        Event::Host { call: "age.seal".into(), secret: None, error: None },
        Event::Host { call: "secrets.bytes".into(), secret: None, error: Some("no grant".into()) },
        Event::Cut(7),
    ];
    let call = Call {
        backend: "agenix",
        sha256: "00",
        operation,
        instances: vec!["shared/ca".into()],
        grants: json!({"plaintext": false}),
        events: &events,
        usage: Usage { memory: 1, micros: 2, calls: 3 },
        result: Result::Refused,
        saw_plaintext: false,
        openings: Vec::new(),
    };
    Record::of(call, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[test]
fn a_batch_is_counted_and_its_refusals_are_in_full() {
    let files = record(Operation::Check, 0).worker.files;
    let told: Vec<_> = files.iter().map(|f| (f.operation.as_str(), f.path.as_deref(), f.count, f.bytes)).collect();
    assert_eq!(told, [("open-at", None, 2, 6), ("open-at", Some("../../etc/passwd"), 1, 3)]);
    let files = record(Operation::Serialize, 0).worker.files;
    assert_eq!(files.len(), 3, "one call is told with its paths: {files:?}");
}

#[test]
fn refusals_that_are_alike_are_one_line_and_different_ones_are_never_cut() {
    let mut events: Vec<Event> = (0..20_000).map(|n| file("open-at", &format!("../{n}"), Some("access"))).collect();
    let again = |path: &str, count| Event::File {
        operation: "open-at".into(),
        path: path.into(),
        error: Some("access".into()),
        count,
        bytes: 0,
    };
    events.insert(0, Event::Instance("shared/one".into()));
    events.push(again("../7", 1_000_000));
    events.push(Event::Instance("shared/two".into()));
    events.push(again("../7", 1));
    let call = Call {
        backend: "mine",
        sha256: "00",
        operation: Operation::Check,
        instances: vec![],
        grants: json!({}),
        events: &events,
        usage: Usage::default(),
        result: Result::Done,
        saw_plaintext: false,
        openings: vec![],
    };
    let files = Record::of(call, SystemTime::UNIX_EPOCH).worker.files;
    assert_eq!(files.len(), 20_001);
    let seventh: Vec<_> = files.iter().filter(|file| file.path.as_deref() == Some("../7")).collect();
    let told: Vec<_> = seventh.iter().map(|file| (file.instance.as_deref().unwrap(), file.count)).collect();
    assert_eq!(told, [("shared/one", 1_000_001), ("shared/two", 1)]);
}

#[test]
fn what_a_backend_chose_to_say_is_left_out_once_it_was_given_a_plaintext() {
    let events = [
        file("open-at", "hunter2", None),
        file("open-at", "../hunter2", Some("not-permitted")),
        Event::Host { call: "age.seal".into(), secret: None, error: Some("to `hunter2`".into()) },
    ];
    let call = |saw_plaintext| Call {
        backend: "mine",
        sha256: "00",
        operation: Operation::Serialize,
        instances: vec![],
        grants: json!({}),
        events: &events,
        usage: Usage::default(),
        result: Result::Done,
        saw_plaintext,
        openings: Vec::new(),
    };
    let text = |saw| serde_json::to_string(&Record::of(call(saw), SystemTime::UNIX_EPOCH)).unwrap();
    assert!(!text(true).contains("hunter2") && text(true).contains("not-permitted"));
    assert!(text(false).contains("hunter2"));
}

#[test]
fn what_was_written_is_read_back_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/audit.jsonl");
    for seconds in [10, 20, 30] {
        Log::open(&path).unwrap().append(&record(Operation::Serialize, seconds)).unwrap();
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let all = read(&path, &Filter::default()).unwrap();
    assert_eq!(all.records.len(), 3);
    assert_eq!(all.records[0], record(Operation::Serialize, 10));
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let some = |filter: &Filter| read(&path, filter).unwrap().records.len();
    assert_eq!(some(&Filter { since: at(20), ..Filter::default() }), 2);
    assert_eq!(some(&Filter { until: at(20), ..Filter::default() }), 1);
    assert_eq!(some(&Filter { backend: Some("other".into()), ..Filter::default() }), 0);
}

#[test]
fn a_damaged_line_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    Log::open(&path).unwrap().append(&record(Operation::Check, 1)).unwrap();
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"schema\":1,\n\xff\xfe\n");
    std::fs::write(&path, text).unwrap();
    Log::open(&path).unwrap().append(&record(Operation::Check, 2)).unwrap();
    let found = read(&path, &Filter::default()).unwrap();
    assert_eq!((found.records.len(), found.damaged), (2, vec![2, 3]));
    assert_eq!(read(&folder.path().join("none"), &Filter::default()).unwrap().records.len(), 0);
}

#[test]
fn a_link_is_not_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    let error = Log::open(&path).unwrap_err();
    assert!(error.to_string().contains("audit.jsonl") && error.help().is_some());
}

#[test]
fn the_summary_tells_granted_used_and_refused() {
    let summaries = summarise(&[record(Operation::Check, 1), record(Operation::Serialize, 2)]);
    let summary = &summaries[0];
    assert_eq!((summary.from.as_str(), summary.to.as_str()), ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"));
    assert_eq!(summary.used["age.seal"], 2);
    assert_eq!(summary.files["open-at"], 4);
    assert_eq!(summary.refused["open-at ../../etc/passwd: not-permitted"], 2);
    assert_eq!(summary.refused["secrets.bytes: no grant"], 2);
    assert_eq!(summary.failed["refused"], 2);
    assert_eq!(summary.granted, [json!({"plaintext": false})]);
}

proptest::proptest! {
    #[test]
    fn no_line_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, bytes).unwrap();
        read(&path, &Filter::default()).unwrap();
    }
}
