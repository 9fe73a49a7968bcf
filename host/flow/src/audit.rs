//! Every call of a backend and every use of an identity is between two lines of the audit log.

use artifacts_audit::{AuditLog, Call, CallOutcome, CallRequest, Decryption, Operation};
use artifacts_backend::{Backend, CallFailed, Checks, Retrieved, Serialized};
use artifacts_declared::Name;
use artifacts_report::Failure;
use artifacts_seam::{CallError, Event, Usage};

use crate::Opened;

/// Who is told of every call of a backend.
#[derive(Default)]
pub struct Audit {
    /// The log.
    pub log: Option<AuditLog>,
    /// Whoever listens to what backends say.
    pub hear: Option<Hear>,
}

/// Hears what a backend said in one call.
pub type Hear = Box<dyn Fn(&Words<'_>)>;

/// What a backend said and was denied in one call.
pub struct Words<'a> {
    /// The backend's name in the registry.
    pub backend: &'a Name,
    /// What was asked of it.
    pub operation: Operation,
    /// The instances that it was asked about.
    pub instances: &'a [String],
    /// Its messages and its output, among all that happened.
    pub events: &'a [Event],
    /// How often it was denied access to something.
    pub denials: u64,
    /// Why the call gave nothing, where that is in the backend's words and kept out of the report: they may hold a secret.
    pub failure: Option<&'a CallError>,
    /// Whether it was given a plaintext, which its words may hold.
    pub saw_plaintext: bool,
}

/// What a backend is about to be asked.
pub struct Calling<'a> {
    /// The backend's name in the registry.
    pub backend: &'a Name,
    /// What is asked.
    pub operation: Operation,
    /// The instances that it is asked about.
    pub instances: Vec<String>,
    /// Whether it was given a plaintext before, of the same instances: what it says now may hold that.
    pub after_plaintext: bool,
}

/// What came of one call of a backend, as the audit log has it.
pub struct Ended<'a> {
    events: &'a [Event],
    usage: Usage,
    result: CallOutcome,
    failure: Option<&'a CallError>,
    saw_plaintext: bool,
    decryptions: Vec<Decryption>,
}

/// A call whose events, usage and end are known.
pub trait Recordable {
    /// What the log has of it.
    fn ended(&self) -> Ended<'_>;
}

impl Recordable for Checks {
    fn ended(&self) -> Ended<'_> {
        let unanswered = self.answers.iter().filter(|answer| answer.is_err()).count() as u64;
        let result = if unanswered == 0 { CallOutcome::Done } else { CallOutcome::Partly(unanswered) };
        let (events, usage) = (self.events.as_slice(), self.usage);
        Ended { events, usage, result, failure: None, saw_plaintext: false, decryptions: Vec::new() }
    }
}

impl Recordable for std::result::Result<Serialized, CallFailed> {
    fn ended(&self) -> Ended<'_> {
        match self {
            Ok(done) => Ended::done(&done.events, done.usage, done.saw_plaintext, &[]),
            Err(failed) => failed.ended(),
        }
    }
}

impl Recordable for std::result::Result<Retrieved, CallFailed> {
    fn ended(&self) -> Ended<'_> {
        match self {
            Ok(done) => Ended::done(&done.events, done.usage, done.saw_plaintext, &done.openings),
            Err(failed) => failed.ended(),
        }
    }
}

impl Recordable for CallFailed {
    fn ended(&self) -> Ended<'_> {
        Ended {
            result: CallOutcome::from(&self.error),
            failure: Some(&self.error).filter(|_| self.saw_plaintext),
            ..Ended::done(&self.events, self.usage, self.saw_plaintext, &self.openings)
        }
    }
}

/// Nothing is known of a call that was not made, because what it needs could not be read.
impl<T: Recordable> Recordable for std::result::Result<T, Failure> {
    fn ended(&self) -> Ended<'_> {
        match self {
            Ok(made) => made.ended(),
            Err(_) => Ended { result: CallOutcome::Failed, ..Ended::done(&[], Usage::default(), false, &[]) },
        }
    }
}

/// Whether age plugins decrypted something.
impl Recordable for bool {
    fn ended(&self) -> Ended<'_> {
        let result = if *self { CallOutcome::Done } else { CallOutcome::Failed };
        Ended { result, ..Ended::done(&[], Usage::default(), false, &[]) }
    }
}

impl<'a> Ended<'a> {
    fn done(
        events: &'a [Event],
        usage: Usage,
        saw_plaintext: bool,
        decryptions: &[artifacts_backend::Opening],
    ) -> Self {
        let decryptions = decryptions.iter().map(decryption).collect();
        Self { events, usage, result: CallOutcome::Done, failure: None, saw_plaintext, decryptions }
    }
}

impl Audit {
    /// Calls a backend between two lines of the log. Where the first cannot be written, it is not called; where the second
    /// cannot, nothing of what it gave is used: a call without its record proves nothing.
    ///
    /// # Errors
    /// When a line cannot be written, or the backend is not open here.
    pub fn call<T: Recordable>(
        &self,
        opened: &mut Opened,
        calling: Calling<'_>,
        act: impl FnOnce(&mut Backend) -> T,
    ) -> std::result::Result<T, Failure> {
        let (version, sha256) = (opened.component.manifest().version.clone(), opened.component.sha256().to_owned());
        let bundled = opened.bundled;
        let name = calling.backend;
        let running =
            opened.backend.as_mut().ok_or_else(|| Failure::new(name.to_string(), "its backend is not open"))?;
        let asked = CallRequest {
            backend: name.to_string(),
            version: Some(version),
            bundled: Some(bundled),
            sha256,
            operation: calling.operation,
            instances: calling.instances,
            grants: serde_json::json!(running.grants()),
        };
        self.recorded(name, asked, calling.after_plaintext, || act(running))
    }

    fn recorded<T: Recordable>(
        &self,
        backend: &Name,
        asked: CallRequest,
        after_plaintext: bool,
        act: impl FnOnce() -> T,
    ) -> std::result::Result<T, Failure> {
        let unwritten = |e: artifacts_audit::Error| Failure::new("audit", e.to_string()).help(e.help());
        let number = self.log.as_ref().map(|log| log.begun(asked.clone())).transpose().map_err(unwritten)?;
        let made = act();
        let Ended { events, usage, result, failure, saw_plaintext, decryptions } = made.ended();
        let saw_plaintext = saw_plaintext || after_plaintext;
        let (operation, instances) = (asked.operation, asked.instances.clone());
        let call = Call { asked, events, usage, result, accessed_plaintext: saw_plaintext, decryptions };
        let denials = call.denials();
        let written = match (&self.log, number) {
            (Some(log), Some(number)) => log.ended(number, call),
            _ => Ok(()),
        };
        if let Some(hear) = &self.hear {
            let instances = &instances;
            hear(&Words { backend, operation, instances, events, denials, failure, saw_plaintext });
        }
        written.map_err(unwritten)?;
        Ok(made)
    }
}

fn decryption(opening: &artifacts_backend::Opening) -> Decryption {
    let artifacts_backend::Opening { header, file, identity, error } = opening.clone();
    Decryption { header, file, identity, error: error.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::result_large_err)]
    use std::cell::{Cell, RefCell};
    use std::path::Path;
    use std::rc::Rc;

    use artifacts_audit::{Filter, RunRecord, SyncMode};

    use super::*;

    fn asked() -> CallRequest {
        CallRequest {
            backend: "mine".to_owned(),
            version: None,
            bundled: Some(false),
            sha256: "00".to_owned(),
            operation: Operation::Retrieve,
            instances: vec!["shared/ca".to_owned()],
            grants: serde_json::json!({}),
        }
    }

    fn audit(path: &Path) -> Audit {
        Audit { log: Some(AuditLog::new(path, RunRecord::default(), SyncMode::No)), hear: None }
    }

    fn failed(saw_plaintext: bool, events: Vec<Event>) -> std::result::Result<Retrieved, CallFailed> {
        let error = CallError::Broken("hunter2".to_owned());
        Err(CallFailed { events, saw_plaintext, ..CallFailed::from(error) })
    }

    #[test]
    fn without_its_first_line_no_call_is_made() {
        let called = Cell::new(false);
        let act = || {
            called.set(true);
            failed(false, Vec::new())
        };
        let backend = Name::new("mine").unwrap();
        let failure = audit(Path::new("/dev/full")).recorded(&backend, asked(), false, act).unwrap_err();
        assert!(!called.get() && failure.message.contains("/dev/full"), "{failure:?}");
    }

    #[test]
    fn a_call_is_made_after_its_first_line_and_gives_nothing_without_its_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let backend = Name::new("mine").unwrap();
        let act = || {
            let found = artifacts_audit::read(&path, &Filter::default()).unwrap();
            assert!(found.records.last().unwrap().interrupted);
            // From here on the log cannot be written.
            std::fs::remove_file(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
            failed(false, Vec::new())
        };
        assert!(audit(&path).recorded(&backend, asked(), false, act).is_err());
    }

    #[test]
    fn a_denial_is_heard_and_what_is_not_found_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let listener = Rc::clone(&heard);
        let mut audit = audit(&folder.path().join("audit.jsonl"));
        audit.hear = Some(Box::new(move |words| {
            listener.borrow_mut().push((words.denials, words.failure.is_some(), words.instances.to_vec()));
        }));
        let file = |error: &str| Event::File {
            operation: "open-at".to_owned(),
            path: "x".to_owned(),
            error: Some(error.to_owned()),
            count: 3,
            bytes: 0,
        };
        let backend = Name::new("mine").unwrap();
        for (error, saw_plaintext) in [("no-entry", false), ("not-permitted", true)] {
            audit.recorded(&backend, asked(), false, || failed(saw_plaintext, vec![file(error)])).unwrap().unwrap_err();
        }
        let instances = vec!["shared/ca".to_owned()];
        assert_eq!(*heard.borrow(), [(0, false, instances.clone()), (3, true, instances)]);
    }
}
