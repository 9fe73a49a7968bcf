//! No call of a session without two lines of the audit log.
#![allow(clippy::unwrap_used)]

mod fakes;

use artifacts_declared::Name;
use artifacts_flow::{AuditLog, Recorded};
use artifacts_seam::{CallContext, ComponentEvent, FileCall, FileError};
use fakes::{BACKEND, Desk, FakeBackends};

fn check(desk: &Desk, log: &AuditLog) -> Result<(), artifacts_report::Failure> {
    let mut tools = desk.tools(Vec::new());
    let backend = Name::new(BACKEND).unwrap();
    let mut backends = FakeBackends::new(&desk.world, &[]);
    let mut session = Recorded::open(&mut backends, Some(log), &mut *tools.operator, &backend, CallContext::default())
        .unwrap()
        .unwrap();
    session.check(Vec::new(), &["shared/ca".to_owned()], false).map(drop)
}

fn log(path: &std::path::Path) -> AuditLog {
    AuditLog::new(
        path,
        artifacts_audit::RunRecord::default(),
        artifacts_audit::SyncMode::No,
        std::time::SystemTime::now,
    )
}

#[test]
fn without_its_first_line_no_call_is_made() {
    let desk = Desk::new();
    let failure = check(&desk, &log("/dev/full".as_ref())).unwrap_err();
    assert!(failure.message.contains("/dev/full"), "{failure:?}");
    assert!(desk.world.borrow().calls.is_empty());
}

#[test]
fn a_recorded_call_is_between_two_lines() {
    let desk = Desk::new();
    check(&desk, &log(&desk.audit_log())).unwrap();
    let read = artifacts_audit::read(&desk.audit_log(), &artifacts_audit::Filter::default()).unwrap();
    assert!(!read.records.last().unwrap().interrupted);
    assert!(read.records.iter().all(|record| !record.interrupted));
}

#[test]
fn a_call_gives_nothing_without_its_second_line() {
    let desk = Desk::new();
    let path = desk.audit_log();
    desk.world.borrow_mut().hook = Some(Box::new(move || {
        let found = artifacts_audit::read(&path, &artifacts_audit::Filter::default()).unwrap();
        assert!(found.records.last().unwrap().interrupted);
        // From here on the log cannot be written.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }));
    assert!(check(&desk, &log(&desk.audit_log())).is_err());
    assert_eq!(desk.world.borrow().calls.len(), 1);
}

#[test]
fn a_denial_is_reported_and_a_file_that_does_not_exist_is_none() {
    let desk = Desk::new();
    for (error, denials) in [(FileError::NoEntry, 0), (FileError::NotPermitted, 3)] {
        let file = ComponentEvent::File {
            call: FileCall::OpenAt,
            path: "x".to_owned(),
            error: Some(error),
            count: 3,
            bytes: 0,
        };
        desk.world.borrow_mut().events = vec![file];
        check(&desk, &log(&desk.audit_log())).unwrap();
        let reported = format!("{denials} denials, failed: false");
        assert_eq!(desk.take_said(), if denials > 0 { vec![reported] } else { Vec::new() });
    }
}
