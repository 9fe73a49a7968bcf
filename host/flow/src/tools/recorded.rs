//! Every call of a backend and every use of an identity is between two lines of the audit log.

use artifacts_age::{Keyring, PluginRun, RecipientPlugins};
use artifacts_audit::{AuditLog, Call, CallOutcome, CallRequest, Decryption, Operation, PluginProgram};
use artifacts_declared::Name;
use artifacts_report::Failure;
use artifacts_seam::{CallContext, CallError, ComponentEvent, EntryFiles, InstanceView, KeyKind, Usage};
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
        let ready = backends.open(backend)?.session()?;
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
        let check = |session: &mut dyn Session| session.check(context, batch);
        self.recorded(Operation::Check, names.to_vec(), after_plaintext, check)
    }

    /// Writes secret files of instances, each of the name beside it. The answers are in their order.
    ///
    /// # Errors
    /// When one of the calls cannot be recorded: then nothing of the others counts either.
    pub fn serialize(
        &mut self,
        calls: Vec<(String, SerializeCall<'_>)>,
    ) -> Result<Vec<Result<Serialized, CallFailed>>, Failure> {
        let context = self.context;
        // Which call a plugin ran in is known where the calls are made one by one.
        let is_plugin = |key: &String| KeyKind::of(key) == KeyKind::Plugin;
        let size =
            if calls.iter().any(|(_, call)| call.recipients.of_all_files().any(is_plugin)) { 1 } else { usize::MAX };
        let (mut rest, mut answers) = (calls.into_iter().peekable(), Vec::new());
        while rest.peek().is_some() {
            let (names, calls): (Vec<_>, Vec<_>) =
                rest.by_ref().take(size).map(|(name, call)| (vec![name], call)).unzip();
            let made = |session: &mut dyn Session| session.serialize(context, calls);
            answers.extend(self.recorded_each(Operation::Serialize, names, false, made)?);
        }
        Ok(answers)
    }

    /// Reads secret files of instances back, each of the name beside it. No identity is read before that is on record.
    ///
    /// # Errors
    /// When one of the calls cannot be recorded, or the identities cannot be read.
    pub fn retrieve(
        &mut self,
        calls: Vec<(String, RetrieveCall<'_>)>,
        identities: &mut Identities,
    ) -> Result<Vec<Result<Retrieved, CallFailed>>, Failure> {
        let context = self.context;
        let (names, calls): (Vec<_>, Vec<_>) = calls.into_iter().map(|(name, call)| (vec![name], call)).unzip();
        let made = self.recorded_each(Operation::Retrieve, names, false, |session| match identities.ring() {
            Ok(ring) => session.retrieve(context, calls, ring).into_iter().map(Ok).collect(),
            Err(failure) => calls.iter().map(|_| Err(failure.clone())).collect(),
        })?;
        made.into_iter().collect()
    }

    /// Has age plugins decrypt what waits for them; false when nothing came of it.
    ///
    /// # Errors
    /// When that cannot be recorded.
    pub fn ask_plugins(&mut self, names: &[String], identities: &mut Identities) -> Result<bool, Failure> {
        self.recorded(Operation::AskPlugins, names.to_vec(), false, |_| {
            identities.ring().is_ok_and(Keyring::ask_plugins)
        })
    }

    fn recorded<T: Recordable>(
        &mut self,
        operation: Operation,
        instances: Vec<String>,
        after_plaintext: bool,
        act: impl FnOnce(&mut dyn Session) -> T,
    ) -> Result<T, Failure> {
        let made = self.recorded_each(operation, vec![instances], after_plaintext, |session| vec![act(session)])?.pop();
        made.ok_or_else(|| Failure::new(self.backend.to_string(), "the call gave no answer"))
    }

    /// Makes calls about these instances, which may run at once: each has its line before the first is made. A run that is killed meanwhile
    /// leaves lines of calls that were not made yet.
    fn recorded_each<T: Recordable>(
        &mut self,
        operation: Operation,
        calls: Vec<Vec<String>>,
        after_plaintext: bool,
        act: impl FnOnce(&mut dyn Session) -> Vec<T>,
    ) -> Result<Vec<T>, Failure> {
        let asked: Vec<CallRequest> = calls.into_iter().map(|instances| self.request(operation, instances)).collect();
        let numbers = self.log.map(|log| log.begun(asked.clone())).transpose().map_err(unwritten)?;
        let made = act(self.session);
        let ended = asked.into_iter().zip(made.iter().map(Recordable::ended)).collect();
        self.end(ended, numbers, after_plaintext)?;
        Ok(made)
    }

    /// What the line before a call says.
    fn request(&self, operation: Operation, instances: Vec<String>) -> CallRequest {
        CallRequest {
            backend: self.backend.to_string(),
            version: Some(self.terms.version.clone()),
            bundled: Some(self.terms.bundled),
            sha256: self.terms.sha256.to_string(),
            operation,
            instances,
            grants: serde_json::json!(self.terms.grants),
        }
    }

    /// Writes the lines after calls. A plugin ran in the first of them: where one may run, there is no other.
    fn end(
        &mut self,
        ended: Vec<(CallRequest, CallResult<'_>)>,
        numbers: Option<Vec<u64>>,
        after_plaintext: bool,
    ) -> Result<(), Failure> {
        let plugins = self.plugins.map(RecipientPlugins::take_runs).into_iter().flatten();
        let (mut plugins, mut calls) = (plugins.map(plugin_program).collect(), Vec::new());
        for (asked, CallResult { events, usage, result, failure, saw_plaintext, decryptions }) in ended {
            let saw_plaintext = saw_plaintext || after_plaintext;
            let plugins = std::mem::take(&mut plugins);
            let call = Call { asked, events, usage, result, accessed_plaintext: saw_plaintext, plugins, decryptions };
            let (backend, denials) = (self.backend, call.denials());
            let (operation, instances) = (call.asked.operation, call.asked.instances.as_slice());
            let messages = BackendMessages { backend, operation, instances, events, denials, failure, saw_plaintext };
            self.operator.notify(&RunEvent::Backend(&messages));
            calls.push(call);
        }
        match self.log.zip(numbers) {
            Some((log, numbers)) => log.ended(numbers.into_iter().zip(calls).collect()).map_err(unwritten),
            None => Ok(()),
        }
    }
}

fn unwritten(error: artifacts_audit::Error) -> Failure {
    Failure::about("audit", error)
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
            Err(_) => CallResult::not_made(),
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
    fn not_made() -> Self {
        Self { result: CallOutcome::Failed, ..Self::done(&[], Usage::default(), false, &[]) }
    }

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
