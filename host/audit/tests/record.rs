//! Calls are recorded, read back, filtered and summarized.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use artifacts_audit::{
    AuditLog, Call, CallEnd, CallOutcome, CallRequest, ConsentRecord, ConsentSubject, Filter, Operation, Record,
    RecordKind, RunRecord, SyncMode, User, read, summarize,
};
use artifacts_seam::{ComponentEvent, FileCall, FileError, Usage};
use artifacts_text::Explain;
use serde_json::json;

fn file(call: FileCall, path: &str, error: Option<FileError>) -> ComponentEvent {
    ComponentEvent::File { call, path: path.into(), error, count: 1, bytes: 3 }
}

fn host(call: &str, error: Option<&str>) -> ComponentEvent {
    let denied = error.is_some_and(|error| error.contains(' '));
    ComponentEvent::Host { call: call.into(), secret: None, error: error.map(Into::into), denied }
}

fn asked(operation: Operation, instances: &[&str]) -> CallRequest {
    CallRequest {
        backend: "agenix".into(),
        version: Some("0.1.0".into()),
        bundled: Some(true),
        sha256: "00".into(),
        operation,
        instances: instances.iter().map(ToString::to_string).collect(),
        grants: json!({"plaintext": false}),
    }
}

fn events() -> Vec<ComponentEvent> {
    vec![
        file(FileCall::OpenAt, "a.age", None),
        file(FileCall::OpenAt, "b.age", None),
        file(FileCall::StatAt, "c.age", Some(FileError::NoEntry)),
        file(FileCall::OpenAt, "../../etc/passwd", Some(FileError::NotPermitted)),
        host("age.seal", None),
        host("age.open", Some("no-identity")),
        host("secrets.bytes", Some("no grant")),
        ComponentEvent::Cut(7),
    ]
}

fn call(operation: Operation, events: &[ComponentEvent]) -> Call<'_> {
    Call {
        asked: asked(operation, &["shared/ca"]),
        events,
        usage: Usage { memory: 1, micros: 2, calls: 3 },
        result: CallOutcome::Denied,
        accessed_plaintext: false,
        plugins: Vec::new(),
        decryptions: Vec::new(),
    }
}

fn run_in(checkout: &str) -> RunRecord {
    RunRecord {
        user: User { name: Some("ada".into()), uid: 1000 },
        host: Some("desk".into()),
        checkout: Some(checkout.into()),
        repository: Some("0123".into()),
        command: "generate".into(),
        selectors: vec!["web1/a".into()],
        flags: vec!["--spec".into()],
        version: "0.1.0".into(),
    }
}

fn log(path: &Path) -> AuditLog {
    log_at(path, SystemTime::now)
}

fn log_at(path: &Path, clock: fn() -> SystemTime) -> AuditLog {
    AuditLog::new(path, run_in("/fleet"), SyncMode::Yes, clock)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn ended(records: &[Record]) -> Vec<&CallEnd> {
    records.iter().filter_map(Record::ended).collect()
}

#[test]
fn a_batch_is_counted_and_its_failures_are_in_full() {
    let events = events();
    let files = CallEnd::new(1, call(Operation::Check, &events)).reported.files;
    let told: Vec<_> = files.iter().map(|f| (f.operation.as_str(), f.path.as_deref(), f.count, f.bytes)).collect();
    assert_eq!(
        told,
        [("open-at", None, 2, 6), ("stat-at", Some("c.age"), 1, 3), ("open-at", Some("../../etc/passwd"), 1, 3)]
    );
    let ended = CallEnd::new(1, call(Operation::Serialize, &events));
    assert_eq!(ended.reported.files.len(), 4, "one call is told with its paths: {ended:?}");
    assert_eq!(call(Operation::Serialize, &events).denials(), 2);
    assert_eq!(ended.denials(), 2, "neither what was not found nor a key that does not fit is a denial");
}

#[test]
fn denials_that_are_alike_are_one_line_and_different_ones_are_never_cut() {
    let mut events: Vec<ComponentEvent> =
        (0..20_000).map(|n| file(FileCall::OpenAt, &format!("../{n}"), Some(FileError::Access))).collect();
    let again = |path: &str, count| ComponentEvent::File {
        call: FileCall::OpenAt,
        path: path.into(),
        error: Some(FileError::Access),
        count,
        bytes: 0,
    };
    events.insert(0, ComponentEvent::Instance("shared/one".into()));
    events.push(again("../7", 1_000_000));
    events.push(ComponentEvent::Instance("shared/two".into()));
    events.push(again("../7", 1));
    // What the call is not about is not named.
    events.push(ComponentEvent::Instance("shared/forged".into()));
    events.push(again("../7", 1));
    let call =
        Call { asked: asked(Operation::Check, &["shared/one", "shared/two"]), ..call(Operation::Check, &events) };
    let ended = CallEnd::new(1, call);
    let files = &ended.reported.files;
    assert_eq!((files.len(), ended.denials()), (20_002, 1_020_002));
    let seventh: Vec<_> = files.iter().filter(|file| file.path.as_deref() == Some("../7")).collect();
    let told: Vec<_> = seventh.iter().map(|file| (file.instance.as_deref(), file.count)).collect();
    assert_eq!(told, [(None, 1), (Some("shared/one"), 1_000_001), (Some("shared/two"), 1)]);
}

#[test]
fn what_a_backend_chose_to_say_is_left_out_once_it_was_given_a_plaintext() {
    let events = [
        file(FileCall::OpenAt, "hunter2", None),
        file(FileCall::OpenAt, "../hunter2", Some(FileError::NotPermitted)),
        host("age.seal", Some("to `hunter2`, no recipient")),
    ];
    let ended =
        |accessed_plaintext| CallEnd::new(1, Call { accessed_plaintext, ..call(Operation::Serialize, &events) });
    let text = |saw| serde_json::to_string(&ended(saw)).unwrap();
    assert!(!text(true).contains("hunter2") && text(true).contains("not-permitted"));
    assert_eq!((ended(true).denials(), ended(false).denials()), (2, 2));
    assert!(text(false).contains("hunter2"));
}

#[test]
fn what_was_written_is_read_back_and_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/audit.jsonl");
    let events = events();
    for clock in [|| at(10), || at(20), || at(30)] {
        let log = log_at(&path, clock);
        let number = log.begun(vec![asked(Operation::Serialize, &["shared/ca"])]).unwrap()[0];
        log.ended(vec![(number, call(Operation::Serialize, &events))]).unwrap();
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&dir.path().join("state/audit.jsonl.head"))), (0o600, 0o600));
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let all = read(&path, &Filter::default()).unwrap();
    assert_eq!((all.records.len(), all.count, all.chain.findings.len()), (9, 9, 0), "a line a run, two a call");
    assert_eq!(ended(&all.records)[0], &CallEnd::new(1, call(Operation::Serialize, &events)));
    assert_eq!(all.records[1].run.as_deref(), Some(&run_in("/fleet")));
    let some = |filter: &Filter| ended(&read(&path, filter).unwrap().records).len();
    assert_eq!(some(&Filter { since: Some(at(20)), ..Filter::default() }), 2);
    assert_eq!(some(&Filter { until: Some(at(20)), ..Filter::default() }), 1);
    assert_eq!(some(&Filter { backend: Some("other".into()), ..Filter::default() }), 0);
    assert_eq!(some(&Filter { backend: Some("agenix".into()), ..Filter::default() }), 3);
}

#[test]
fn calls_that_begin_together_have_a_line_each_before_any_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let (log, events) = (log(&path), events());
    let begun = |count| log.begun(vec![asked(Operation::Serialize, &["shared/ca"]); count]).unwrap();
    assert_eq!((begun(1), begun(3), begun(0)), (vec![1], vec![2, 3, 4], Vec::new()));
    log.ended([2, 4].map(|number| (number, call(Operation::Serialize, &events))).into()).unwrap();
    let all = read(&path, &Filter::default()).unwrap();
    assert!(all.chain.findings.is_empty(), "{:?}", all.chain.findings);
    let interrupted: Vec<_> = all.records.iter().map(|record| record.interrupted).collect();
    assert_eq!(interrupted, [false, true, false, true, false, false, false], "{:?}", all.records);
    assert_eq!(ended(&all.records)[1], &CallEnd::new(4, call(Operation::Serialize, &events)));
}

#[test]
fn a_call_that_began_and_did_not_end_was_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    log(&path).begun(vec![asked(Operation::Retrieve, &["shared/ca"])]).unwrap();
    let events = events();
    let second = log(&path);
    second.begin().unwrap();
    let number = second.begun(vec![asked(Operation::Check, &["shared/ca"])]).unwrap()[0];
    second.ended(vec![(number, call(Operation::Check, &events))]).unwrap();
    let found = read(&path, &Filter::default()).unwrap();
    let interrupted: Vec<_> = found.records.iter().map(|record| record.interrupted).collect();
    assert_eq!(interrupted, [false, true, false, false, false], "{:?}", found.records);
    let summary = &summarize(&found.records)[0];
    assert_eq!((summary.interrupted, summary.calls[&Operation::Retrieve], summary.runs.len()), (1, 1, 2));
}

#[test]
fn consents_are_lines_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let log = log(&path);
    log.consent(Vec::new()).unwrap();
    assert!(!path.exists());
    let subjects = [
        ConsentSubject::Recipients {
            instance: "shared/ca".into(),
            file: "key".into(),
            recipients: vec!["age1x".into()],
        },
        ConsentSubject::ReadAccess {
            instance: "shared/leaf".into(),
            dependency: "shared/ca".into(),
            generator: None,
            sha256: None,
        },
        ConsentSubject::Answers {
            instance: "shared/wg".into(),
            prompts: vec!["pin".into()],
            generator: "/g".into(),
            sha256: None,
            network: true,
            public: Vec::new(),
        },
        ConsentSubject::Removal {
            instance: "shared/old".into(),
            storage: "secrets".into(),
            trashed: "2026-11-02T13:58:40Z-00-shared+old".into(),
        },
        ConsentSubject::Grants {
            backend: "mine".into(),
            sha256: "00".into(),
            grants: json!({"plaintext": true}),
            limits: std::iter::once(("memory".into(), 1 << 30)).collect(),
        },
    ];
    let consents: Vec<_> =
        subjects.into_iter().map(|subject| ConsentRecord { by: "terminal".into(), subject }).collect();
    log.consent(consents.clone()).unwrap();
    let found = read(&path, &Filter::default()).unwrap();
    let kept: Vec<_> = found
        .records
        .iter()
        .filter_map(
            |record| if let RecordKind::Consent(consent) = &record.line.entry { Some(consent.clone()) } else { None },
        )
        .collect();
    assert_eq!((found.records.len(), kept), (6, consents));
    assert_eq!(found.records[2].instances(), ["shared/leaf"]);
    assert_eq!(found.records[3].instances(), ["shared/wg"]);
    assert_eq!(found.records[4].instances(), ["shared/old"]);
    let text = std::fs::read_to_string(&path).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["kind"], &line["about"]), (&json!("consent"), &json!("recipients")));
    let mine = read(&path, &Filter { backend: Some("mine".into()), ..Filter::default() }).unwrap();
    assert_eq!(mine.records.len(), 1);
}

#[test]
fn a_link_is_not_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    for (name, link) in [("audit.jsonl", "audit.jsonl"), ("other.jsonl", "other.jsonl.head")] {
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join(link)).unwrap();
        let error = log(&dir.path().join(name)).begin().unwrap_err();
        assert!(error.to_string().contains(name) && error.hint().is_some());
        assert!(!dir.path().join("elsewhere").exists());
    }
}

#[test]
fn the_same_instance_in_two_checkouts_is_two() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let events = events();
    for checkout in ["/fleet", "/other", "/fleet"] {
        let log = AuditLog::new(&path, run_in(checkout), SyncMode::No, SystemTime::now);
        let number = log.begun(vec![asked(Operation::Check, &["shared/ca"])]).unwrap()[0];
        log.ended(vec![(number, call(Operation::Check, &events))]).unwrap();
    }
    let found = read(&path, &Filter::default()).unwrap();
    let summary = &summarize(&found.records)[0];
    assert_eq!((summary.artifacts(Operation::Check), summary.calls[&Operation::Check]), (2, 3));
}

/// A line that versions before the chain wrote.
const UNLINKED: &str = r#"{"schema":1,"time":"1970-01-01T00:00:01Z","host":{"backend":"agenix","sha256":"00","operation":"retrieve","instances":["shared/ca"],"grants":{"plaintext":false},"calls":[{"call":"age.open","count":1},{"call":"age.open","count":1,"error":"no-identity"},{"call":"secrets.bytes","count":1,"error":"no grant"}],"openings":[{"header":"abababababababababababababababababababababababababababababababab","file":"key.age","identity":"age"}],"result":"refused","saw_plaintext":true},"worker":{"files":[{"operation":"open-at","path":"../x","count":2,"bytes":0,"error":"not-permitted"},{"operation":"stat-at","path":"x","count":1,"bytes":0,"error":"no-entry"}],"cut":0,"memory":1,"micros":2,"calls":1}}"#;

#[test]
fn lines_of_schema_1_are_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    std::fs::write(&path, format!("{UNLINKED}\n{UNLINKED}\n")).unwrap();
    let found = read(&path, &Filter::default()).unwrap();
    assert_eq!((found.records.len(), found.chain.unlinked, found.chain.findings.len()), (2, 2, 0));
    let summary = &summarize(&found.records)[0];
    assert_eq!((summary.denials(), summary.decrypted["age"], summary.not_decrypted["no-identity"]), (6, 2, 2));
    assert_eq!((summary.accessed_plaintext, summary.failed["denied"]), (2, 2));
    // What is written from now on accounts for them.
    log(&path).begin().unwrap();
    let found = read(&path, &Filter::default()).unwrap();
    assert_eq!((found.records.len(), found.chain.unlinked, found.chain.linked), (3, 2, 1));
    assert!(found.chain.findings.is_empty(), "{:?}", found.chain.findings);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("shared/ca", "shared/cb", 1)).unwrap();
    assert!(read(&path, &Filter::default()).unwrap().chain.is_broken());
}

#[test]
fn the_summary_tells_what_was_accessed_and_denied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let events = events();
    // The clock jumps back in between.
    let clocks: [(fn() -> SystemTime, Operation); 2] = [(|| at(2), Operation::Check), (|| at(1), Operation::Serialize)];
    for (clock, operation) in clocks {
        let log = log_at(&path, clock);
        let number = log.begun(vec![asked(operation, &["shared/ca"])]).unwrap()[0];
        log.ended(vec![(number, call(operation, &events))]).unwrap();
    }
    let found = read(&path, &Filter::default()).unwrap();
    let summaries = summarize(&found.records);
    let summary = &summaries[0];
    assert_eq!((summary.from.as_str(), summary.to.as_str()), ("1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"));
    assert_eq!((summary.requested["age.seal"], summary.not_decrypted["no-identity"]), (2, 2));
    assert_eq!((summary.operations["open-at"], summary.files.read, summary.files.written), (4, 4, 0));
    let denied: Vec<_> =
        summary.denied.iter().map(|one| (one.operation.as_str(), one.path.as_deref(), one.count)).collect();
    assert_eq!(denied, [("open-at", Some("../../etc/passwd"), 2), ("secrets.bytes", None, 2)]);
    assert_eq!((summary.failed["denied"], summary.denials(), summary.interrupted), (2, 4, 0));
    assert_eq!(summary.granted, [json!({"plaintext": false})]);
}

#[test]
fn a_clock_at_a_time_that_cannot_be_written_breaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let clocks: [fn() -> SystemTime; 2] = [|| SystemTime::UNIX_EPOCH - Duration::from_secs(9), || at(400_000_000_000)];
    for clock in clocks {
        log_at(&path, clock).begin().unwrap();
    }
    let found = read(&path, &Filter { since: Some(at(1)), ..Filter::default() }).unwrap();
    assert_eq!(found.records.len(), 1);
    assert_eq!(found.records[0].line.time, "9999-12-31T23:59:59Z");
}

proptest::proptest! {
    #[test]
    fn no_line_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        std::fs::write(&path, &bytes).unwrap();
        read(&path, &Filter::default()).unwrap();
        std::fs::write(dir.path().join("audit.jsonl.head"), &bytes).unwrap();
        read(&path, &Filter::default()).unwrap();
        log(&path).begin().unwrap();
        read(&path, &Filter::default()).unwrap();
        let now = std::fs::read(&path).unwrap();
        proptest::prop_assert!(now.starts_with(&bytes));
    }
}
