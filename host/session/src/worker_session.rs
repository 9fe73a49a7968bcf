use std::collections::{BTreeMap, BTreeSet};

use artifacts_age::{RecipientPlugins, Sealer};
use artifacts_declared::Recipients;
use artifacts_digest::HeaderHash;
use artifacts_seam::{
    BackendFailure, CallContext, CallError, CheckState, ComponentEvent, EntryFiles, FailureKind, InstanceView,
    ItemHandle, LONGEST_KIND, LONGEST_MESSAGE, MOST_REASONS, Outcome, Request, Secret, SecretId, Usage, check_entry,
    escaped,
};

use crate::connection::Connection;
use crate::host_calls::{HostCalls, Phase};
use crate::new_headers::{StoredHeaders, stored_headers};
use crate::plain::stored_in_plain;
use crate::recipients::verified;
use crate::{DecryptAttempt, Decrypted, Error, SerializeCall, Verified, WorkerStart};
use artifacts_contract::{Component, Grants, Persists, Scope};
use artifacts_seam::{HostEnd, Limits, SandboxLayer};

/// One request carries at most so many instances, and about so many bytes of entries.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 4 << 20;

/// Holds a component, ready to be called, with what it may do.
pub struct WorkerSession {
    pub(crate) component: Component,
    pub(crate) grants: Grants,
    limits: Limits,
    pub(crate) connection: Connection,
    pub(crate) sealer: Sealer,
}

/// Holds the answers for a batch.
#[derive(Debug, Default)]
pub struct Checks {
    /// One for each instance, in the order of the batch.
    pub answers: Vec<Result<Verified, CallError>>,
    /// What happened.
    pub events: Vec<ComponentEvent>,
    /// What it took.
    pub usage: Usage,
}

impl Checks {
    /// Returns these with those for the rest of the batch.
    pub(crate) fn and(mut self, rest: Self) -> Self {
        self.answers.extend(rest.answers);
        self.events.extend(rest.events);
        self.usage = self.usage.and(rest.usage);
        self
    }
}

/// Holds an entry that was written.
#[derive(Debug)]
pub struct Serialized {
    /// The backend's files, whole.
    pub files: EntryFiles,
    /// The hash of each age header that the host encrypted on the way and that is in the files, with the declared files that
    /// it is for.
    pub sealed: BTreeMap<HeaderHash, BTreeSet<String>>,
    /// What happened.
    pub events: Vec<ComponentEvent>,
    /// What it took.
    pub usage: Usage,
    /// Whether the component was given a plaintext: its words may hold it.
    pub saw_plaintext: bool,
}

/// Holds a call that gave nothing.
#[derive(Debug)]
pub struct CallFailed {
    /// Why.
    pub error: CallError,
    /// Whether the host found the fault itself, after the call: nothing in the error is of the component's making.
    pub by_host: bool,
    /// What happened until then.
    pub events: Vec<ComponentEvent>,
    /// What it took.
    pub usage: Usage,
    /// Whether the component was given a plaintext: its words, the error's among them, may hold it.
    pub saw_plaintext: bool,
    /// What it had opened, or asked to.
    pub openings: Vec<DecryptAttempt>,
}

impl From<CallError> for CallFailed {
    /// A call that was not even made.
    fn from(error: CallError) -> Self {
        Self {
            error,
            by_host: true,
            events: Vec::new(),
            usage: Usage::default(),
            saw_plaintext: false,
            openings: Vec::new(),
        }
    }
}

impl WorkerSession {
    /// Compiles and links the component, in a worker. `grants` are the effective ones.
    ///
    /// # Errors
    /// When it does not fit the contract, or no worker can be had.
    pub fn open(component: &Component, grants: Grants, limits: Limits, worker: &WorkerStart) -> Result<Self, Error> {
        let connection = Connection::open(component.clone(), limits, worker.clone())?;
        Ok(Self::new(component, grants, limits, connection))
    }

    /// Starts the same component in one more worker, with the same rights and plugins.
    ///
    /// # Errors
    /// When no worker can be had.
    pub fn another(&self, worker: WorkerStart) -> Result<Self, Error> {
        let connection = self.connection.another(worker)?;
        let session = Self::new(&self.component, self.grants.clone(), self.limits, connection);
        Ok(session.sealing(self.sealer.plugins().clone()))
    }

    /// Calls the component at the other end, which is not started again when it ends. For tests and measurements.
    pub fn over(component: &Component, grants: Grants, limits: Limits, end: Box<dyn HostEnd>) -> Self {
        let connection = Connection::over(component.clone(), limits, end);
        Self::new(component, grants, limits, connection)
    }

    fn new(component: &Component, grants: Grants, limits: Limits, connection: Connection) -> Self {
        Self { component: component.clone(), grants, limits, connection, sealer: Sealer::default() }
    }

    /// Encrypts to recipients of these plugins as well.
    #[must_use]
    pub fn sealing(mut self, plugins: RecipientPlugins) -> Self {
        self.sealer = Sealer::new(plugins);
        self
    }

    /// Returns the component.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// Returns what it may do.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Returns how much it may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Layers of the sandbox that one of its workers could not be given; each says what is weaker. None in this process.
    pub fn missing(&self) -> &[SandboxLayer] {
        self.connection.missing()
    }

    /// Recipients and state of each instance, with its entry as it is stored (empty where there is none). No answer is lost by another's
    /// failure.
    pub fn check(&mut self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks {
        let mut checks =
            Checks { answers: Vec::with_capacity(batch.len()), events: Vec::new(), usage: Usage::default() };
        let mut rest = batch.into_iter().peekable();
        while rest.peek().is_some() {
            self.check_chunk(context, chunk(&mut rest), &mut checks);
        }
        checks
    }

    fn check_chunk(&mut self, context: CallContext, chunk: Vec<(InstanceView, EntryFiles)>, checks: &mut Checks) {
        let mut fit = Vec::with_capacity(chunk.len());
        let mut asked = Vec::with_capacity(chunk.len());
        for (instance, entry) in chunk {
            let unfit = self.kept_elsewhere().or_else(|| self.unfit(&instance, &entry));
            let declared: BTreeSet<String> = instance.files.iter().map(|file| file.name.clone()).collect();
            if unfit.is_none() {
                fit.push((instance, entry));
            }
            asked.push((declared, unfit));
        }
        let nobody = Recipients::new();
        let mut host_calls = HostCalls::new(Phase::Check, &self.grants, &mut self.sealer, &[], &nobody);
        let reply = self.connection.call(Request::Check(context, fit), &mut host_calls);
        let mut answers = match reply.outcome {
            Ok(Outcome::Checked(answers)) => answers.into_iter(),
            _ => Vec::new().into_iter(),
        };
        for (declared, unfit) in asked {
            let missing = || Err(CallError::Broken("it gave no answer".to_owned()));
            checks.answers.push(match unfit {
                Some(error) => Err(error),
                None => answers
                    .next()
                    .unwrap_or_else(missing)
                    .and_then(|checked| verified(&declared, checked, &self.grants, &mut self.sealer))
                    .map(|verified| Verified { state: shown(verified.state), ..verified }),
            });
        }
        checks.events.extend(reply.events);
        checks.usage = checks.usage.and(reply.usage);
    }

    /// Has the items written into a copy of the entry. `recipients` is what `check` answered for this instance.
    ///
    /// # Errors
    /// When the component fails, breaks the contract, or gives back what cannot be an entry.
    pub fn serialize(
        &mut self,
        context: CallContext,
        instance: InstanceView,
        entry: EntryFiles,
        items: &[(String, Secret)],
        recipients: &Recipients,
    ) -> Result<Serialized, CallFailed> {
        let decrypted = &Decrypted::new();
        self.serialize_one(context, SerializeCall { instance, files: entry, secrets: items, recipients, decrypted })
    }

    /// Makes one call. The component may have what was decrypted when its values were read from the entry.
    pub(crate) fn serialize_one(
        &mut self,
        context: CallContext,
        SerializeCall { instance, files: entry, secrets: items, recipients, decrypted }: SerializeCall<'_>,
    ) -> Result<Serialized, CallFailed> {
        if let Some(error) = self.unfit(&instance, &entry) {
            return Err(error.into());
        }
        let handles = (0..).map(SecretId).zip(items).map(|(secret, (name, value))| ItemHandle {
            name: name.clone(),
            secret,
            size: value.size(),
        });
        let (told, before) = (instance.clone(), entry.clone());
        let request = Request::Serialize { context, instance, entry, items: handles.collect() };
        let mut host_calls =
            HostCalls::new(Phase::Serialize(decrypted), &self.grants, &mut self.sealer, items, recipients);
        let reply = self.connection.call(request, &mut host_calls);
        let unread = host_calls.unread();
        let (sealed, saw_plaintext) = host_calls.finish();
        let (events, usage) = (reply.events, reply.usage);
        let stored = match &reply.outcome {
            Ok(Outcome::Serialized(files)) => stored_headers(files),
            _ => StoredHeaders::default(),
        };
        let fault = match &reply.outcome {
            // On the target, what is made is put into its place in RAM as it is.
            Ok(Outcome::Serialized(files)) if self.component.manifest().persists == Persists::Storage => sealed
                .fault(&before, files, &stored, &unread, recipients)
                .or_else(|| plain(items, &told, recipients, files)),
            _ => None,
        };
        let by_host = fault.is_some();
        let files = match reply.outcome {
            Ok(Outcome::Serialized(_)) if by_host => Err(CallError::Broken(fault.unwrap_or_default())),
            // Whoever runs it has looked already; its word is not taken for it.
            Ok(Outcome::Serialized(files)) => {
                check_entry(&files, &self.limits).map(|()| files).map_err(CallError::Broken)
            }
            Ok(_) => Err(CallError::Broken("it gave the outcome of another call".to_owned())),
            Err(error) => Err(told_in_our_words(error)),
        };
        match files {
            Ok(files) => Ok(Serialized { files, sealed: sealed.files_in(&stored), events, usage, saw_plaintext }),
            Err(error) => Err(CallFailed { error, by_host, events, usage, saw_plaintext, openings: Vec::new() }),
        }
    }

    /// A backend that keeps nothing in the storage is not asked what lies there. It is asked to write on the target.
    pub(crate) fn kept_elsewhere(&self) -> Option<CallError> {
        let manifest = self.component.manifest();
        (manifest.persists == Persists::Target).then(|| {
            let why = format!("the backend `{}` keeps nothing in the storage", manifest.name);
            CallError::NotCalled { why, help: None }
        })
    }

    /// Why the component is not even asked.
    pub(crate) fn unfit(&self, instance: &InstanceView, entry: &EntryFiles) -> Option<CallError> {
        let manifest = self.component.manifest();
        let scope = scope(instance);
        if !manifest.scopes.contains(&scope) {
            let words = match scope {
                Scope::Machine => "artifacts of a machine",
                Scope::User => "artifacts of a user",
                Scope::Shared => "shared artifacts",
            };
            let why = format!("the backend `{}` does not store {words}", manifest.name);
            return Some(CallError::NotCalled { why, help: Some("declare another `backend` for it".to_owned()) });
        }
        check_entry(entry, &self.limits).err().map(|why| CallError::NotCalled { why, help: None })
    }

    /// A backend that cannot read back is not asked to.
    pub(crate) fn one_way(&self) -> Option<CallError> {
        let manifest = self.component.manifest();
        (!self.component.retrieves()).then(|| CallError::NotCalled {
            why: format!("the backend `{}` cannot read secrets back", manifest.name),
            help: Some("implement the interface `retrieval` in it and build it again".to_owned()),
        })
    }
}

/// Checks that a component fits the contract, by types and not only by names: it is compiled and linked in a worker, and nothing of
/// it is called.
///
/// # Errors
/// When it does not fit, or no worker can be had.
pub fn fits(component: &Component, worker: &WorkerStart) -> Result<(), Error> {
    Connection::open(component.clone(), Limits::default(), worker.clone()).map(drop)
}

/// What is typed in the contract has no words of the component's.
fn told_in_our_words(error: CallError) -> CallError {
    match error {
        CallError::Failed(failure) if failure.kind == FailureKind::NeedsAll => CallError::Failed(BackendFailure {
            message: "it stores all files of this artifact together, and some were not given".to_owned(),
            ..failure
        }),
        error => error,
    }
}

/// A secret that it stored as it is. The stored file is not named: its name may hold a secret as well.
fn plain(
    items: &[(String, Secret)],
    instance: &InstanceView,
    recipients: &Recipients,
    files: &EntryFiles,
) -> Option<String> {
    let file = stored_in_plain(items, instance, recipients, files)?;
    Some(format!("what it stored contains the secret `{file}` in plain text"))
}

/// The kind of an instance.
fn scope(instance: &InstanceView) -> Scope {
    if instance.shared {
        Scope::Shared
    } else if instance.targets.iter().any(|target| target.kind == "home-manager") {
        Scope::User
    } else {
        Scope::Machine
    }
}

fn chunk(rest: &mut impl Iterator<Item = (InstanceView, EntryFiles)>) -> Vec<(InstanceView, EntryFiles)> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some((instance, entry)) = rest.next() else { break };
        bytes += entry.values().map(Vec::len).sum::<usize>();
        chunk.push((instance, entry));
    }
    chunk
}

/// A component's reasons, made fit to be shown.
fn shown(state: CheckState) -> CheckState {
    let CheckState::Stale(reasons) = state else { return state };
    let reason =
        |(kind, sentence): (String, String)| (escaped(&kind, LONGEST_KIND), escaped(&sentence, LONGEST_MESSAGE));
    CheckState::Stale(reasons.into_iter().take(MOST_REASONS).map(reason).collect())
}
