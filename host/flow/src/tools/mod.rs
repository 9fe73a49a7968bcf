//! What a run works with, each behind a trait or a type that tests can replace or open in a temporary directory.

mod backend_messages;
mod backends;
mod evaluate;
mod generators;
pub(crate) mod header_owners;
pub(crate) mod headers;
mod identities;
pub(crate) mod last_generation;
mod operator;
mod phase;
mod program;
mod recorded;
mod registry;
mod session;
pub(crate) mod storages;
pub(crate) mod told_paths;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use artifacts_age::RecipientPlugins;
use artifacts_audit::AuditLog;
use artifacts_declared::Name;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{CallContext, SandboxLayer};
use artifacts_store::{Git, Root, Warning, WriterOptions};
use artifacts_trust::{AcceptedRecipients, Checkout, Trust};

use crate::declared_keys::DeclaredKeys;

use artifacts_session::CheckMemo;
pub use artifacts_session::{Decrypted, RetrieveCall, SerializeCall, Session};
pub use backend_messages::BackendMessages;
pub use backends::{Backends, ReadyBackend, StartSession};
pub use evaluate::{Declared, Evaluate};
pub use generators::{GenerationFailure, Generators, SandboxedGenerators};
pub use headers::{ConfirmClone, HeaderMemory};
pub use identities::Identities;
pub use operator::{Answer, DeclaredPrompt, FormerValue, Operator, PromptValues, Question, RequestedPrompt, RunEvent};
pub use phase::Phase;
pub use program::store_of;
pub use recorded::Recorded;
pub use registry::{Accept, BundledBackends, Registry};
pub use session::{EffectiveGrants, Terms};

/// Holds everything outside that a run works with.
pub struct Tools {
    /// The checkout that holds the storages.
    pub root: Root,
    /// The root, and the repository that holds it, as this machine knows them.
    pub checkout: Checkout,
    /// Git, for the index of the checkout.
    pub git: Git,
    /// The backends.
    pub backends: Box<dyn Backends>,
    /// Where the declarations come from.
    pub evaluator: Box<dyn Evaluate>,
    /// What runs generators.
    pub generators: Arc<dyn Generators>,
    /// The admin.
    pub operator: Box<dyn Operator>,
    /// The admin's identities, for what is decrypted.
    pub identities: Identities,
    /// The age plugins of recipients.
    pub plugins: RecipientPlugins,
    /// What backends answered before: in this run, and for one that only looks, in others.
    pub memo: CheckMemo,
    /// For which file each header was encrypted.
    pub headers: HeaderMemory,
    /// Whose keys are declared; a run reads them.
    pub keys: DeclaredKeys,
    /// What the admin accepted.
    pub trust: Trust,
    /// The directory, outside every checkout, that stores which recipients were accepted.
    pub state: PathBuf,
    /// The audit log.
    pub audit: Option<AuditLog>,
    /// How storages are written.
    pub storing: WriterOptions,
    /// How many entries are read, or written, at once.
    pub jobs: NonZeroUsize,
    /// Set when the run is to end.
    pub cancel: Cancel,
    /// The moment of the run.
    pub now: SystemTime,
    /// The missing sandbox layers that were reported.
    pub reported: BTreeSet<SandboxLayer>,
}

/// Says that the run is to end.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Shares a flag.
    pub fn new(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Ends the run.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether the run is to end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

impl Tools {
    /// Opens a backend to be called; none where it stores nothing on this machine.
    pub(crate) fn session<'a>(&'a mut self, backend: &'a Name) -> Result<Option<Recorded<'a>>, Failure> {
        let context = self.context();
        let session = Recorded::open(&mut *self.backends, self.audit.as_ref(), &mut *self.operator, backend, context)?;
        Ok(session.map(|session| session.with_plugins(&self.plugins)))
    }

    /// Returns the same, with the identities.
    pub(crate) fn session_and_identities<'a>(
        &'a mut self,
        backend: &'a Name,
    ) -> Result<Option<(Recorded<'a>, &'a mut Identities)>, Failure> {
        let context = self.context();
        let session = Recorded::open(&mut *self.backends, self.audit.as_ref(), &mut *self.operator, backend, context)?;
        Ok(session.map(|session| (session.with_plugins(&self.plugins), &mut self.identities)))
    }

    /// Returns the storage of an instance; none where its backend is unknown.
    pub(crate) fn storage_of(&self, instance: &Instance) -> Option<String> {
        self.backends.storage(instance.artifact.backend.as_ref()?).ok()
    }

    /// Returns the recipients that were accepted in this repository.
    pub(crate) fn recipients(&self) -> Result<AcceptedRecipients, Failure> {
        let failed = |e: artifacts_trust::Error| Failure::about("recipients", e);
        AcceptedRecipients::open(self.state.clone(), self.checkout.clone()).map_err(failed)
    }

    /// Reports every sandbox layer that a worker lacked, once each: workers are started again, and may get fewer.
    pub fn report_missing_layers(&mut self) {
        let before = SandboxLayer::all_weaker(&self.reported);
        self.reported.extend(self.backends.missing_layers());
        let now = SandboxLayer::all_weaker(&self.reported);
        for weaker in now.into_iter().filter(|weaker| !before.contains(weaker)) {
            self.operator.notify(&RunEvent::MissingLayer(weaker));
        }
    }

    /// Reports what became of staging.
    pub(crate) fn report_staged(&mut self, warnings: &[Warning]) {
        self.operator.notify(&RunEvent::Staged(warnings));
    }

    /// Returns the hands that share so much work: `--jobs`, and no more than there is work.
    pub(crate) fn hands(&self, work: usize) -> Vec<()> {
        vec![(); self.jobs.get().min(work)]
    }

    /// Returns what backends are told of the run.
    fn context(&self) -> CallContext {
        CallContext { now: self.seconds() }
    }

    /// Returns the present time, in seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        seconds(self.now)
    }
}

/// Returns seconds since 1970; times before that count as 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
