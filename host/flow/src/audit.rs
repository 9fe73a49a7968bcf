use artifacts_audit::{Call, Log, Opening, Operation, Record, Result};
use artifacts_backend::{CallFailed, Checks, Retrieved, Serialized};
use artifacts_report::Failure;
use artifacts_seam::{Event, Usage};
use artifacts_spec::Name;
use std::time::SystemTime;

use crate::Opened;

/// What came of one call of a backend, as its record tells it.
pub struct Ended<'a> {
    operation: Operation,
    events: &'a [Event],
    usage: Usage,
    result: Result,
    saw_plaintext: bool,
    openings: &'a [artifacts_backend::Opening],
}

impl<'a> From<&'a Checks> for Ended<'a> {
    fn from(checks: &'a Checks) -> Self {
        let unanswered = checks.answers.iter().filter(|answer| answer.is_err()).count() as u64;
        let result = if unanswered == 0 { Result::Done } else { Result::Partly(unanswered) };
        Self {
            operation: Operation::Check,
            events: &checks.events,
            usage: checks.usage,
            result,
            saw_plaintext: false,
            openings: &[],
        }
    }
}

impl<'a> From<&'a std::result::Result<Serialized, CallFailed>> for Ended<'a> {
    fn from(ended: &'a std::result::Result<Serialized, CallFailed>) -> Self {
        let (events, usage, result, saw_plaintext) = match ended {
            Ok(done) => (&done.events, done.usage, Result::Done, done.saw_plaintext),
            Err(failed) => (&failed.events, failed.usage, Result::from(&failed.error), failed.saw_plaintext),
        };
        Self { operation: Operation::Serialize, events, usage, result, saw_plaintext, openings: &[] }
    }
}

impl<'a> From<&'a std::result::Result<Retrieved, CallFailed>> for Ended<'a> {
    fn from(ended: &'a std::result::Result<Retrieved, CallFailed>) -> Self {
        let operation = Operation::Retrieve;
        match ended {
            Ok(Retrieved { events, usage, saw_plaintext, openings, .. }) => {
                Self { operation, events, usage: *usage, result: Result::Done, saw_plaintext: *saw_plaintext, openings }
            }
            Err(CallFailed { error, events, usage, saw_plaintext, openings }) => Self {
                operation,
                events,
                usage: *usage,
                result: Result::from(error),
                saw_plaintext: *saw_plaintext,
                openings,
            },
        }
    }
}

/// Writes a call into the record. What cannot be recorded is a failure: a run without its record proves nothing.
pub fn note(
    log: &mut Option<Log>,
    backend: &Name,
    opened: &Opened,
    instances: Vec<String>,
    ended: Ended<'_>,
    now: SystemTime,
) -> Option<Failure> {
    let log = log.as_mut()?;
    let grants = opened.backend.as_ref().map(|running| serde_json::json!(running.grants())).unwrap_or_default();
    let call = Call {
        backend: backend.as_str(),
        sha256: opened.component.sha256(),
        operation: ended.operation,
        instances,
        grants,
        events: ended.events,
        usage: ended.usage,
        result: ended.result,
        saw_plaintext: ended.saw_plaintext,
        openings: ended.openings.iter().map(opening).collect(),
    };
    let failed = log.append(&Record::of(call, now)).err()?;
    Some(Failure::new("audit", failed.to_string()).help(failed.help()))
}

fn opening(opening: &artifacts_backend::Opening) -> Opening {
    let artifacts_backend::Opening { header, file, identity, error } = opening.clone();
    Opening { header, file, identity, error: error.map(str::to_owned) }
}
