//! Every call of a backend and every use of an identity is between two lines of the audit log.

use artifacts_age::{PluginRun, RecipientPlugins};
use artifacts_audit::{AuditLog, Call, CallOutcome, CallRequest, Decryption, Operation, PluginProgram};
use artifacts_declared::Name;
use artifacts_report::Failure;
use artifacts_seam::{CallContext, CallError, ComponentEvent, EntryFiles, InstanceView, Usage};
use artifacts_session::{
    CallFailed, Checks, DecryptAttempt, RetrieveCall, Retrieved, SerializeCall, Serialized, Session,
};

use super::backend_messages::BackendMessages;
use super::session::Terms;
use super::{Backends, Identities, Operator, RunEvent};

/// The one way to a session: each call is recorded before it is made and after it. Where the first line cannot be written, it is
/// not made; where the second cannot, nothing of what it gave is used: a call without its record proves nothing.
pub struct Recorded<'a> {
    backend: &'a Name,
    session: &'a mut dyn Session,
    terms: &'a Terms,
    log: Option<&'a AuditLog>,
    plugins: Option<&'a RecipientPlugins>,
    operator: &'a mut dyn Operator,
    context: CallContext,
}

impl<'a> Recorded<'a> {
    /// Opens a backend to be called in this context; none where it stores nothing on this machine.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(
        backends: &'a mut dyn Backends,
        log: Option<&'a AuditLog>,
        operator: &'a mut dyn Operator,
        backend: &'a Name,
        context: CallContext,
    ) -> Result<Option<Self>, Failure> {
        let ready = backends.open(backend)?.session();
        Ok(ready.map(|(session, terms)| Self { backend, session, terms, log, plugins: None, operator, context }))
    }

    /// Records the age plugins that these run as well.
    #[must_use]
    pub fn with_plugins(self, plugins: &'a RecipientPlugins) -> Self {
        Self { plugins: Some(plugins), ..self }
    }

    /// Returns what is known of the backend.
    pub fn terms(&self) -> &'a Terms {
        self.terms
    }

    /// Checks instances, each with the backend's files of its entry. `after_plaintext` says whether these files hold what the
    /// backend wrote after it accessed a plaintext of them.
    ///
    /// # Errors
    /// When the call cannot be recorded.
    pub fn check(
        &mut self,
        batch: Vec<(InstanceView, EntryFiles)>,
        names: &[String],
        after_plaintext: bool,
    ) -> Result<Checks, Failure> {
        let context = self.context;
        self.recorded(Operation::Check, names, after_plaintext, |session| session.check(context, batch))
    }

    /// Writes secret files of an instance.
    ///
    /// # Errors
    /// When the call cannot be recorded.
    #[allow(clippy::result_large_err, reason = "a failed call is reported completely, and is not on a hot path")]
    pub fn serialize(
        &mut self,
        name: String,
        call: SerializeCall<'_>,
    ) -> Result<Result<Serialized, CallFailed>, Failure> {
        let context = self.context;
        self.recorded(Operation::Serialize, &[name], false, |session| session.serialize(context, call))
    }

    /// Reads secret files of an instance back. No identity is read before that is on record.
    ///
    /// # Errors
    /// When the call cannot be recorded, or the identities cannot be read.
    pub fn retrieve(
        &mut self,
        name: String,
        call: RetrieveCall<'_, Identities>,
    ) -> Result<Result<Retrieved, CallFailed>, Failure> {
        let RetrieveCall { instance, files, names, openable, identities } = call;
        let context = self.context;
        self.recorded(Operation::Retrieve, &[name], false, |session| {
            let identities = identities.ring()?;
            Ok(session.retrieve(context, RetrieveCall { instance, files, names, openable, identities }))
        })?
    }

    /// Has age plugins decrypt what waits for them; false when nothing came of it.
    ///
    /// # Errors
    /// When that cannot be recorded.
    pub fn ask_plugins(&mut self, names: &[String], identities: &mut Identities) -> Result<bool, Failure> {
        self.recorded(Operation::AskPlugins, names, false, |_| {
            identities.ring().is_ok_and(artifacts_age::Keyring::ask_plugins)
        })
    }

    fn recorded<T: Recordable>(
        &mut self,
        operation: Operation,
        instances: &[String],
        after_plaintext: bool,
        act: impl FnOnce(&mut dyn Session) -> T,
    ) -> Result<T, Failure> {
        let unwritten = |e: artifacts_audit::Error| Failure::about("audit", e);
        let asked = CallRequest {
            backend: self.backend.to_string(),
            version: Some(self.terms.version.clone()),
            bundled: Some(self.terms.bundled),
            sha256: self.terms.sha256.to_string(),
            operation,
            instances: instances.to_vec(),
            grants: serde_json::json!(self.terms.grants),
        };
        let number = self.log.map(|log| log.begun(asked.clone())).transpose().map_err(unwritten)?;
        let made = act(self.session);
        let plugins = self.plugins.map(RecipientPlugins::take_runs).into_iter().flatten().map(plugin_program).collect();
        let CallResult { events, usage, result, failure, saw_plaintext, decryptions } = made.ended();
        let saw_plaintext = saw_plaintext || after_plaintext;
        let call = Call { asked, events, usage, result, accessed_plaintext: saw_plaintext, plugins, decryptions };
        let denials = call.denials();
        let written = match (self.log, number) {
            (Some(log), Some(number)) => log.ended(number, call),
            _ => Ok(()),
        };
        let backend = self.backend;
        let messages = BackendMessages { backend, operation, instances, events, denials, failure, saw_plaintext };
        self.operator.notify(&RunEvent::Backend(&messages));
        written.map_err(unwritten)?;
        Ok(made)
    }
}

/// What came of one call of a backend, as the audit log has it.
struct CallResult<'a> {
    events: &'a [ComponentEvent],
    usage: Usage,
    result: CallOutcome,
    failure: Option<&'a CallError>,
    saw_plaintext: bool,
    decryptions: Vec<Decryption>,
}

/// A call whose events, usage and end are known.
trait Recordable {
    /// What the log has of it.
    fn ended(&self) -> CallResult<'_>;
}

impl Recordable for Checks {
    fn ended(&self) -> CallResult<'_> {
        let unanswered = self.answers.iter().filter(|answer| answer.is_err()).count() as u64;
        let result = if unanswered == 0 { CallOutcome::Done } else { CallOutcome::Partly(unanswered) };
        let (events, usage) = (self.events.as_slice(), self.usage);
        CallResult { events, usage, result, failure: None, saw_plaintext: false, decryptions: Vec::new() }
    }
}

impl Recordable for Result<Serialized, CallFailed> {
    fn ended(&self) -> CallResult<'_> {
        match self {
            Ok(done) => CallResult::done(&done.events, done.usage, done.saw_plaintext, &[]),
            Err(failed) => failed.ended(),
        }
    }
}

impl Recordable for Result<Retrieved, CallFailed> {
    fn ended(&self) -> CallResult<'_> {
        match self {
            Ok(done) => CallResult::done(&done.events, done.usage, done.saw_plaintext, &done.openings),
            Err(failed) => failed.ended(),
        }
    }
}

impl Recordable for CallFailed {
    fn ended(&self) -> CallResult<'_> {
        CallResult {
            result: CallOutcome::from(&self.error),
            failure: Some(&self.error).filter(|_| self.saw_plaintext),
            ..CallResult::done(&self.events, self.usage, self.saw_plaintext, &self.openings)
        }
    }
}

/// Nothing is known of a call that was not made, because what it needs could not be read.
impl<T: Recordable> Recordable for Result<T, Failure> {
    fn ended(&self) -> CallResult<'_> {
        match self {
            Ok(made) => made.ended(),
            Err(_) => CallResult { result: CallOutcome::Failed, ..CallResult::done(&[], Usage::default(), false, &[]) },
        }
    }
}

/// Whether age plugins decrypted something.
impl Recordable for bool {
    fn ended(&self) -> CallResult<'_> {
        let result = if *self { CallOutcome::Done } else { CallOutcome::Failed };
        CallResult { result, ..CallResult::done(&[], Usage::default(), false, &[]) }
    }
}

impl<'a> CallResult<'a> {
    fn done(events: &'a [ComponentEvent], usage: Usage, saw_plaintext: bool, decryptions: &[DecryptAttempt]) -> Self {
        let decryptions = decryptions.iter().map(decryption).collect();
        Self { events, usage, result: CallOutcome::Done, failure: None, saw_plaintext, decryptions }
    }
}

fn plugin_program(PluginRun { plugin, program }: PluginRun) -> PluginProgram {
    PluginProgram { plugin, program: program.to_string_lossy().into_owned() }
}

fn decryption(opening: &DecryptAttempt) -> Decryption {
    let DecryptAttempt { header, file, identity, error } = opening.clone();
    Decryption { header, file, identity, error: error.map(str::to_owned) }
}
