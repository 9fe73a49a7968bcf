//! The workers of one backend: a batch of calls goes to as many as are worth it.

use std::num::NonZeroUsize;

use artifacts_age::Keyring;
use artifacts_seam::{CallContext, EntryFiles, InstanceView, SandboxLayer};

use crate::share_out::share_out;
use crate::{
    CallFailed, Checks, RetrieveCall, Retrieved, SerializeCall, Serialized, Session, WorkerSession, WorkerStart,
};

/// Each worker gets so many calls at least: to start one takes as long as some five.
const CALLS: usize = 8;
/// Of checks, of which one component instance makes many, so many for each are worth another worker.
const CHECKS: usize = 64;

/// Calls one component in several workers. There is always the first; another is started when a batch is worth it, and where that
/// fails, the others do its work. What one of them overran counts for all.
pub struct Workers {
    first: WorkerSession,
    others: Vec<WorkerSession>,
    start: Box<dyn Fn() -> Option<WorkerStart>>,
    most: usize,
}

impl Workers {
    /// Holds the first worker; `start` says how each of the others is started, up to `most` in all.
    pub fn new(first: WorkerSession, most: NonZeroUsize, start: impl Fn() -> Option<WorkerStart> + 'static) -> Self {
        Self { first, others: Vec::new(), start: Box::new(start), most: most.get() }
    }

    /// Returns how many workers there are.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Makes calls at once. The answers are in the order of the calls.
    fn each<C: Send, A: Send>(&mut self, calls: Vec<C>, act: impl Fn(&mut WorkerSession, C) -> A + Sync) -> Vec<A> {
        let workers = self.worth(calls.len(), CALLS);
        share_out(workers, calls.into_iter(), |worker, call| act(worker, call))
    }

    /// Returns the workers that share so many calls. Others are started where each has `enough` of them.
    fn worth(&mut self, calls: usize, enough: usize) -> Vec<&mut WorkerSession> {
        self.grow(calls / enough);
        let shared = (calls / CALLS).max(1);
        std::iter::once(&mut self.first).chain(self.others.iter_mut()).take(shared).collect()
    }

    /// Starts more workers, up to so many. Where one cannot be had, no more is tried for.
    fn grow(&mut self, wanted: usize) {
        while self.count() < wanted.min(self.most) {
            match (self.start)().and_then(|start| self.first.another(start).ok()) {
                Some(worker) => self.others.push(worker),
                None => self.most = self.count(),
            }
        }
    }
}

impl Session for Workers {
    fn check(&mut self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks {
        let workers = self.worth(batch.len(), CHECKS);
        let size = batch.len().div_ceil(workers.len());
        let mut rest = batch.into_iter();
        let parts =
            std::iter::from_fn(|| Some(rest.by_ref().take(size).collect::<Vec<_>>()).filter(|part| !part.is_empty()));
        let checked = share_out(workers, parts, |worker, part| worker.check(context, part));
        checked.into_iter().fold(Checks::default(), Checks::and)
    }

    fn serialize(
        &mut self,
        context: CallContext,
        calls: Vec<SerializeCall<'_>>,
    ) -> Vec<Result<Serialized, CallFailed>> {
        self.each(calls, |worker, call| worker.serialize_one(context, call))
    }

    fn retrieve(
        &mut self,
        context: CallContext,
        calls: Vec<RetrieveCall<'_>>,
        identities: &Keyring,
    ) -> Vec<Result<Retrieved, CallFailed>> {
        self.each(calls, |worker, call| worker.retrieve_one(context, call, identities))
    }

    fn missing_layers(&self) -> Vec<SandboxLayer> {
        std::iter::once(&self.first).chain(&self.others).flat_map(WorkerSession::missing).copied().collect()
    }
}
