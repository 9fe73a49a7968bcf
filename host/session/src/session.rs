//! A backend as a run sees it: three calls.

use artifacts_age::Keyring;
use artifacts_declared::Recipients;
use artifacts_seam::{CallContext, EntryFiles, InstanceView, SandboxLayer, Secret};

use crate::{CallFailed, Checks, Decrypted, Openable, Retrieved, Serialized, WorkerSession};

/// Calls one backend. The real one runs a component in a sandboxed worker.
pub trait Session {
    /// Returns recipients and state of each instance, with its entry as it is stored; empty where there is none.
    fn check(&mut self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks;

    /// Writes secret files into a copy of the entry.
    ///
    /// # Errors
    /// When the backend fails, breaks the contract, or gives back what cannot be an entry.
    #[allow(clippy::result_large_err, reason = "a failed call is reported completely, and is not on a hot path")]
    fn serialize(&mut self, context: CallContext, call: SerializeCall<'_>) -> Result<Serialized, CallFailed>;

    /// Reads secret files back.
    ///
    /// # Errors
    /// When the backend fails, breaks the contract, or asks for what it may not have.
    #[allow(clippy::result_large_err, reason = "a failed call is reported completely, and is not on a hot path")]
    fn retrieve(&mut self, context: CallContext, call: RetrieveCall<'_>) -> Result<Retrieved, CallFailed>;

    /// Returns the sandbox layers that a worker lacked, of all that were started so far.
    fn missing_layers(&self) -> &[SandboxLayer];
}

/// Holds what a backend is asked to write.
pub struct SerializeCall<'a> {
    /// The instance as the backend sees it.
    pub instance: InstanceView,
    /// The backend's files of the entry that is replaced.
    pub files: EntryFiles,
    /// The secret files, by declared name.
    pub secrets: &'a [(String, Secret)],
    /// The recipients of each file, as the backend itself named them.
    pub recipients: &'a Recipients,
    /// What was decrypted of the entry, where its values are written again.
    pub decrypted: &'a Decrypted,
}

/// Holds what a backend is asked to read. Whoever makes the call may hold identities that are not read yet, as `I`.
pub struct RetrieveCall<'a, I = Keyring> {
    /// The instance. The backend is not told which one: it reads from the entry alone.
    pub instance: InstanceView,
    /// The backend's files of the entry.
    pub files: &'a EntryFiles,
    /// The declared names of the secret files.
    pub names: &'a [String],
    /// The age headers that may be decrypted, each with the declared files that it is for.
    pub openable: &'a Openable,
    /// The admin's identities.
    pub identities: &'a mut I,
}

impl Session for WorkerSession {
    fn check(&mut self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks {
        WorkerSession::check(self, context, batch)
    }

    fn serialize(&mut self, context: CallContext, call: SerializeCall<'_>) -> Result<Serialized, CallFailed> {
        let SerializeCall { instance, files, secrets, recipients, decrypted } = call;
        self.serialize_again(context, instance, files, secrets, (recipients, decrypted))
    }

    fn retrieve(&mut self, context: CallContext, call: RetrieveCall<'_>) -> Result<Retrieved, CallFailed> {
        WorkerSession::retrieve(self, context, call.instance, call.files, call.names, call.openable, call.identities)
    }

    fn missing_layers(&self) -> &[SandboxLayer] {
        self.missing()
    }
}
