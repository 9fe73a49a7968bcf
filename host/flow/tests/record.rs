//! No call of a session without two lines of the audit log.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::fakes::{BACKEND, Desk, FakeBackends, Fleet, generated};
use artifacts_age::{NoPrompter, Opener, Plugins};
use artifacts_declared::Name;
use artifacts_flow::{Answer, AuditLog, Identities, Recorded, Rekey, Run};
use artifacts_seam::{CallContext, ComponentEvent, FileCall, FileError};

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

#[test]
fn no_identity_is_read_before_a_line_says_what_it_decrypts() {
    for (answer, read) in [
        (Answer::No, Vec::new()),
        (Answer::NoOne, Vec::new()),
        (Answer::Yes { by: "test" }, vec!["retrieve".to_owned()]),
    ] {
        let desk = Desk::new();
        let fleet = Fleet::new().machine("web1").secret("a").secret("b");
        desk.world.borrow_mut().uses_identities = true;
        generated(&desk, &fleet);
        desk.world.borrow_mut().recipients(&["admin", "host", "new"]);
        let declared = desk.declared(&fleet);
        let mut tools = desk.tools(vec![declared.clone()]);
        // The call that began and did not end when identities were read.
        let (reads, path) = (Rc::new(RefCell::new(Vec::new())), desk.audit_log());
        let seen = Rc::clone(&reads);
        tools.identities = Identities::new(
            || Ok(None),
            move || {
                let found = artifacts_audit::read(&path, &artifacts_audit::Filter::default()).unwrap();
                let begun = found.records.into_iter().rfind(|record| record.interrupted);
                let line = serde_json::to_value(begun.unwrap().line).unwrap();
                seen.borrow_mut().push(line["observed"]["operation"].as_str().unwrap().to_owned());
                Ok(Opener::new(Arc::new(NoPrompter), Plugins::default()))
            },
        );
        desk.answer([answer]);
        let mut run = Run::open(declared, tools);
        let selection = run.select(&[]);
        run.survey(&selection).lock(Rekey { all: false }).agree().rekey().finish();
        assert_eq!(*reads.borrow(), read);
    }
}
