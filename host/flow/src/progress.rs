//! What is still to be done in a chain, and what left it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::Failure;

use crate::failure;
use crate::look::steps::Step;
use crate::tools::Cancel;

/// Holds the steps of a chain. A step is done, drops out with a failure, or is not reached: there is no fourth way.
pub struct Progress {
    steps: VecDeque<Step>,
    cancel: Cancel,
    total: usize,
    done: BTreeSet<InstanceName>,
    /// How many were done: an entry may be trashed in two storages under one name.
    used: usize,
    dropped: usize,
    failures: Vec<Failure>,
    /// Whether the chain was left on purpose.
    is_abandoned: bool,
}

/// Counts what became of the steps of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The steps that were planned under the lock.
    pub steps: usize,
    /// Those that were done: each used its ticket.
    pub done: usize,
    /// Those that dropped out with a failure.
    pub dropped: usize,
    /// Those that were not reached.
    pub unreached: usize,
}

impl Progress {
    pub(crate) fn new(steps: Vec<Step>, failures: Vec<Failure>, cancel: Cancel) -> Self {
        let (total, done) = (steps.len(), BTreeSet::new());
        Self { steps: steps.into(), cancel, total, done, used: 0, dropped: 0, failures, is_abandoned: false }
    }

    /// Returns the steps that are left.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.iter().cloned().collect()
    }

    /// Returns the names of the steps that are left.
    pub(crate) fn names(&self) -> BTreeSet<InstanceName> {
        self.steps.iter().map(|step| step.name.clone()).collect()
    }

    /// Returns whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Takes the next step that is ready. Once the run is to end, there is none.
    pub(crate) fn next(&mut self, mut ready: impl FnMut(&Step) -> bool) -> Option<Step> {
        self.next_after(|step, _| ready(step))
    }

    /// Takes the next step that is ready after what was done.
    pub(crate) fn next_after(&mut self, mut ready: impl FnMut(&Step, &BTreeSet<InstanceName>) -> bool) -> Option<Step> {
        if self.cancel.is_set() {
            return None;
        }
        let done = &self.done;
        let at = self.steps.iter().position(|step| ready(step, done))?;
        self.steps.remove(at)
    }

    /// Takes the only step, though the run is to end: what a person wrote for it is nowhere else.
    pub(crate) fn only(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Takes up to `count` steps.
    pub(crate) fn next_batch(&mut self, count: usize) -> VecDeque<Step> {
        std::iter::from_fn(|| self.next(|_| true)).take(count).collect()
    }

    /// Takes up to `count` steps of a batch. Once the run is to end, there is none, and the batch is not reached.
    pub(crate) fn next_of(&mut self, batch: &mut VecDeque<Step>, count: usize) -> Vec<Step> {
        if self.cancel.is_set() {
            batch.drain(..).rev().for_each(|step| self.steps.push_front(step));
        }
        batch.drain(..count.min(batch.len())).collect()
    }

    /// A step was done, and its ticket used.
    pub(crate) fn finish(&mut self, name: InstanceName) {
        self.used += 1;
        self.done.insert(name);
    }

    /// Returns what was done.
    pub(crate) fn done(&self) -> &BTreeSet<InstanceName> {
        &self.done
    }

    /// A step leaves the chain. It was taken before.
    pub(crate) fn drop_out(&mut self, failure: Failure) {
        self.dropped += 1;
        self.failures.push(failure);
    }

    /// Everything leaves the chain, for one reason that is reported once.
    pub(crate) fn drop_all(&mut self, failure: Failure) {
        self.dropped += self.steps.len();
        self.steps.clear();
        self.failures.push(failure);
    }

    /// Adds a failure that is about several steps, which leave the chain by themselves.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// These leave the chain, and nothing else: the admin does not want them.
    pub(crate) fn decline(&mut self, names: &BTreeSet<InstanceName>) {
        let before = self.steps.len();
        self.steps.retain(|step| !names.contains(&step.name));
        self.dropped += before - self.steps.len();
    }

    /// Drops each step out that has a fault.
    pub(crate) fn keep(
        &mut self,
        instances: &BTreeMap<InstanceName, Instance>,
        mut fault: impl FnMut(&Instance) -> Option<Failure>,
    ) {
        for step in std::mem::take(&mut self.steps) {
            let unknown = || Failure::new(step.name.to_string(), "not declared");
            match instances.get(&step.name).map_or_else(|| Some(unknown()), &mut fault) {
                Some(failure) => self.drop_out(failure),
                None => self.steps.push_back(step),
            }
        }
    }

    /// The same where steps depend on each other: what depends on a step that drops out drops out, too.
    pub(crate) fn keep_chained(
        &mut self,
        instances: &BTreeMap<InstanceName, Instance>,
        mut fault: impl FnMut(&Instance) -> Option<Failure>,
    ) {
        let mut out = BTreeSet::new();
        self.keep(instances, |instance| {
            let behind = instance
                .dependencies
                .values()
                .find(|d| out.contains(*d))
                .map(|d| failure::skipped_dependency(instance, d));
            let fault = behind.or_else(|| fault(instance));
            if fault.is_some() {
                out.insert(instance.name.clone());
            }
            fault
        });
    }

    /// Drops each step out that the admin does not want, and what depends on one: that is no failure. Returns them, each with the
    /// dependency that it drops out for.
    pub(crate) fn decline_chained(
        &mut self,
        instances: &BTreeMap<InstanceName, Instance>,
        is_skipped: impl Fn(&Instance) -> bool,
    ) -> BTreeMap<InstanceName, Option<InstanceName>> {
        let mut out: BTreeMap<InstanceName, Option<InstanceName>> = BTreeMap::new();
        self.steps.retain(|step| {
            let Some(instance) = instances.get(&step.name) else { return true };
            let behind = instance.dependencies.values().find(|dependency| out.contains_key(*dependency)).cloned();
            let is_out = behind.is_some() || is_skipped(instance);
            if is_out {
                out.insert(step.name.clone(), behind);
            }
            !is_out
        });
        self.dropped += out.len();
        out
    }

    /// Leaves the chain on purpose: what is left is not reached, and that is no failure.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
    }

    /// Returns the failures so far.
    pub(crate) fn take_failures(&mut self) -> Vec<Failure> {
        std::mem::take(&mut self.failures)
    }

    /// Returns a failure that names what was not reached, if anything was not.
    pub(crate) fn unreached(&self) -> Option<Failure> {
        let is_left = !self.steps.is_empty() && !self.is_abandoned;
        is_left.then(|| failure::ended(self.steps.iter().map(|step| &step.name)))
    }

    /// Counts what became of the steps.
    pub(crate) fn tally(&self) -> Tally {
        Tally { steps: self.total, done: self.used, dropped: self.dropped, unreached: self.steps.len() }
    }
}
