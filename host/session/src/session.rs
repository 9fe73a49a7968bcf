//! A backend as a run sees it: three calls.

use artifacts_age::Keyring;
use artifacts_seam::{CallContext, EntryFiles, InstanceView, SandboxLayer};

use crate::calls::{RetrieveCall, SerializeCall};
use crate::{CallFailed, Checks, Retrieved, Serialized, WorkerSession};

/// Calls one backend. The real one runs a component in a sandboxed worker.
pub trait Session {
    /// Returns recipients and state of each instance, with its entry as it is stored; empty where there is none.
    fn check(&mut self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks;

    /// Writes secret files, each call into a copy of its entry. The answers are in the order of the calls, which may be made at once.
    fn serialize(&mut self, context: CallContext, calls: Vec<SerializeCall<'_>>)
    -> Vec<Result<Serialized, CallFailed>>;

    /// Reads secret files back with the admin's identities, in the same way.
    fn retrieve(
        &mut self,
        context: CallContext,
        calls: Vec<RetrieveCall<'_>>,
        identities: &Keyring,
    ) -> Vec<Result<Retrieved, CallFailed>>;

    /// Returns the sandbox layers that a worker lacked, of all that were started so far.
    fn missing_layers(&self) -> Vec<SandboxLayer>;
}

/// Calls one worker, one call after the other.
impl Session for WorkerSession {
    fn check(&mut self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks {
        WorkerSession::check(self, context, batch)
    }

    fn serialize(
        &mut self,
        context: CallContext,
        calls: Vec<SerializeCall<'_>>,
    ) -> Vec<Result<Serialized, CallFailed>> {
        calls.into_iter().map(|call| self.serialize_one(context, call)).collect()
    }

    fn retrieve(
        &mut self,
        context: CallContext,
        calls: Vec<RetrieveCall<'_>>,
        identities: &Keyring,
    ) -> Vec<Result<Retrieved, CallFailed>> {
        calls.into_iter().map(|call| self.retrieve_one(context, call, identities)).collect()
    }

    fn missing_layers(&self) -> Vec<SandboxLayer> {
        self.missing().to_vec()
    }
}
