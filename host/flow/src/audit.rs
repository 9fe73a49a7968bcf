use artifacts_audit::{Call, Log, Opening, Operation, Record, Result};
use artifacts_backend::{CallFailed, Checks, Retrieved, Serialized};
use artifacts_report::Failure;
use artifacts_seam::{CallError, Event, Usage};
use artifacts_spec::Name;
use std::time::SystemTime;

use crate::Opened;

/// Who is told of every call of a backend.
#[derive(Default)]
pub struct Audit {
    /// The record.
    pub log: Option<Log>,
    /// Whoever listens to what backends say.
    pub hear: Option<Hear>,
}

/// Hears what a backend said in one call.
pub type Hear = Box<dyn Fn(&Words<'_>)>;

/// What a backend said in one call.
pub struct Words<'a> {
    /// The backend's name in the registry.
    pub backend: &'a Name,
    /// Its messages and its output, among all that happened.
    pub events: &'a [Event],
    /// Why the call gave nothing, where that is in the backend's words and kept out of the report: they may hold a secret.
    pub failure: Option<&'a CallError>,
    /// Whether it was given a plaintext, which its words may hold.
    pub saw_plaintext: bool,
}

/// What came of one call of a backend, as its record tells it.
pub struct Ended<'a> {
    operation: Operation,
    events: &'a [Event],
    usage: Usage,
    result: Result,
    failure: Option<&'a CallError>,
    saw_plaintext: bool,
    openings: &'a [artifacts_backend::Opening],
}

impl<'a> From<&'a Checks> for Ended<'a> {
    fn from(checks: &'a Checks) -> Self {
        let unanswered = checks.answers.iter().filter(|answer| answer.is_err()).count() as u64;
        let result = if unanswered == 0 { Result::Done } else { Result::Partly(unanswered) };
        let (events, usage) = (&checks.events, checks.usage);
        Self { operation: Operation::Check, events, usage, result, failure: None, saw_plaintext: false, openings: &[] }
    }
}

impl<'a> From<&'a std::result::Result<Serialized, CallFailed>> for Ended<'a> {
    fn from(ended: &'a std::result::Result<Serialized, CallFailed>) -> Self {
        let (events, usage, saw_plaintext) = match ended {
            Ok(done) => (&done.events, done.usage, done.saw_plaintext),
            Err(failed) => (&failed.events, failed.usage, failed.saw_plaintext),
        };
        let failure = ended.as_ref().err().map(|failed| &failed.error);
        let result = failure.map_or(Result::Done, Result::from);
        let failure = failure.filter(|_| saw_plaintext);
        Self { operation: Operation::Serialize, events, usage, result, failure, saw_plaintext, openings: &[] }
    }
}

impl<'a> From<&'a std::result::Result<Retrieved, CallFailed>> for Ended<'a> {
    fn from(ended: &'a std::result::Result<Retrieved, CallFailed>) -> Self {
        let (events, usage, saw_plaintext, openings) = match ended {
            Ok(done) => (&done.events, done.usage, done.saw_plaintext, &done.openings),
            Err(failed) => (&failed.events, failed.usage, failed.saw_plaintext, &failed.openings),
        };
        let failure = ended.as_ref().err().map(|failed| &failed.error);
        let result = failure.map_or(Result::Done, Result::from);
        let failure = failure.filter(|_| saw_plaintext);
        Self { operation: Operation::Retrieve, events, usage, result, failure, saw_plaintext, openings }
    }
}

impl Ended<'_> {
    /// The same of a check of what a backend stored just now: the names may hold a secret that it was given for that.
    #[must_use]
    pub fn after_plaintext(mut self, saw_plaintext: bool) -> Self {
        self.saw_plaintext |= saw_plaintext;
        self
    }
}

/// Writes a call into the record, and tells who listens. What cannot be recorded is a failure: a run without its record
/// proves nothing.
pub fn note(
    audit: &mut Audit,
    backend: &Name,
    opened: &Opened,
    instances: Vec<String>,
    ended: Ended<'_>,
    now: SystemTime,
) -> Option<Failure> {
    let Ended { operation, events, usage, result, failure, saw_plaintext, openings } = ended;
    if let Some(hear) = &audit.hear {
        hear(&Words { backend, events, failure, saw_plaintext });
    }
    let log = audit.log.as_mut()?;
    let grants = opened.backend.as_ref().map(|running| serde_json::json!(running.grants())).unwrap_or_default();
    let (backend, sha256) = (backend.as_str(), opened.component.sha256());
    let openings = openings.iter().map(opening).collect();
    let call = Call { backend, sha256, operation, instances, grants, events, usage, result, saw_plaintext, openings };
    let failed = log.append(&Record::of(call, now)).err()?;
    Some(Failure::new("audit", failed.to_string()).help(failed.help()))
}

fn opening(opening: &artifacts_backend::Opening) -> Opening {
    let artifacts_backend::Opening { header, file, identity, error } = opening.clone();
    Opening { header, file, identity, error: error.map(str::to_owned) }
}
