//! Entries accepted as they are stored: a new receipt for bytes that the host did not store.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::{Failure, FileChange, RowAction};

use crate::agree::{Ticket, Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::adoptable::{Adoption, adoption, is_modified};
use crate::look::steps::Step;
use crate::look::survey::{Survey, SurveyedInstance};
use crate::look::{hints, staged};
use crate::run::{Run, Selection};
use crate::tools::header_owners::HeaderOwners;
use crate::tools::last_generation::StoredReceipt;
use crate::tools::{RunEvent, Tools};

/// Accepts stored entries as they are: a new receipt for bytes that this program did not store. An instance or artifact that the
/// selectors name is also accepted as valid, as new, and as generated from its dependencies as they are.
#[derive(Debug, Clone, Copy)]
pub struct Adopt;

impl Planned for Adopt {
    type Details = BTreeMap<InstanceName, Adoption>;

    fn encrypts(&self) -> bool {
        false
    }

    fn reaches(&self) -> bool {
        true
    }

    fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<Self::Details> {
        let named = run.named(&selection.selectors);
        let named = |name: &InstanceName| named.contains(name);
        let Run { tools, instances, .. } = run;
        let among = selection.names.iter().filter_map(|name| instances.get(name));
        let (adoptions, failures) = adoptions(tools, survey, among, named);
        let steps = adoptions.iter().map(|adoption| Step::again(adoption.name.clone())).collect();
        let details = adoptions.into_iter().map(|adoption| (adoption.name.clone(), adoption)).collect();
        Plan { steps, failures, details }
    }

    fn describe(&self, base: &mut Base<'_>, adoptions: &mut Self::Details) -> Result<(), Failure> {
        show(base, adoptions);
        base.take_failures();
        staged::mark(base.run, &mut base.report);
        mark(base, adoptions, RowAction::WouldAdopt);
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, adoptions: &mut Self::Details) -> Result<Tickets, Failure> {
        show(base, adoptions);
        Ok(ask::without_encryption(base))
    }

    fn locks(&self, _: &Run, selection: &Selection) -> BTreeSet<InstanceName> {
        selection.names.clone()
    }
}

impl<'r> Agreed<'r, Adopt> {
    /// Writes the receipts.
    pub fn adopt(self) -> Written<'r> {
        let Self { mut base, details: mut adoptions, mut tickets, .. } = self;
        let files = adoptions.iter().map(|(name, one)| (name.clone(), one.files.clone())).collect();
        let is_idle = base.progress.is_empty();
        while let Some(step) = base.progress.next(|_| true) {
            let adoption = adoptions.remove(&step.name).zip(tickets.take(&step.name));
            let written = match adoption {
                Some((adoption, ticket)) => store(&mut base, adoption, ticket),
                None => Err(Failure::new(step.name.to_string(), "its adoption was not confirmed")),
            };
            match written {
                Ok(()) => base.progress.finish(step.name),
                Err(failure) => base.progress.drop_out(failure),
            }
        }
        if !is_idle {
            show_adopted(&mut base, files);
        }
        Written::new(base)
    }
}

/// Reports what the adopted instances are now.
fn show_adopted(base: &mut Base<'_>, mut files: BTreeMap<InstanceName, Vec<FileChange>>) {
    let survey = base.look_again(&base.run.with_dependencies(&base.selection.names));
    base.report = base.run.found(&base.selection, &survey);
    let done = base.progress.done().clone();
    base.report.mark(&done, RowAction::Adopted);
    for name in &done {
        if let Some(row) = base.report.rows.get_mut(name) {
            row.files = files.remove(name).unwrap_or_default();
        }
    }
}

fn store(base: &mut Base<'_>, adoption: Adoption, ticket: Ticket) -> Result<(), Failure> {
    let Base { run, survey, writers, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let Adoption { name, sealed, entry, .. } = adoption;
    let instance = instances.get(&name).ok_or_else(|| Failure::new(name.to_string(), "not declared"))?;
    tools.headers.learn(instance, &sealed)?;
    let before = survey.found.get(&name).and_then(|found| found.receipt.as_deref());
    let stored = StoredReceipt::new(&entry.receipt, before);
    let (path, not_trashed) = ticket.commit(instance, entry)?;
    writers.wrote(tools, path, Some(stored));
    not_trashed.map_or(Ok(()), Err)
}

fn show(base: &mut Base<'_>, adoptions: &BTreeMap<InstanceName, Adoption>) {
    let names = base.progress.names();
    for adoption in adoptions.values().filter(|adoption| names.contains(&adoption.name)) {
        base.run.tools.operator.notify(&RunEvent::Adoption(adoption));
    }
}

fn mark(base: &mut Base<'_>, adoptions: &BTreeMap<InstanceName, Adoption>, done: RowAction) {
    base.report.mark(adoptions.keys(), done);
    for (name, adoption) in adoptions {
        if let Some(row) = base.report.rows.get_mut(name) {
            row.files.clone_from(&adoption.files);
        }
    }
}

/// What can be adopted of these instances, and what cannot and why. Of what a survey found, that is whatever is stale because
/// of its receipt. What is `named` is also accepted as valid, as made from what its dependencies are now, and as new:
/// once its bytes are accepted, so that no one accepts both unseen. It opens nothing and writes nothing.
///
/// Refused is what its backend does not call sound, and what has no age file in it where there should be one; what is `named` and
/// stale for a reason that no one can accept; and an entry with an age file that is another instance's as well, or may be
/// since an entry cannot be read: its own recipients would come to read it.
fn adoptions<'a>(
    tools: &mut Tools,
    survey: &Survey,
    instances: impl Iterator<Item = &'a Instance>,
    named: impl Fn(&InstanceName) -> bool,
) -> (Vec<Adoption>, Vec<Failure>) {
    let (mut adoptions, mut failures) = (Vec::new(), Vec::new());
    let mut owners = HeaderOwners::default();
    for instance in instances {
        let wanted = |found: &&SurveyedInstance| {
            is_modified(found) || (named(&instance.name) && !found.state.reasons().is_empty())
        };
        let Some(found) = survey.found.get(&instance.name).filter(wanted) else { continue };
        match adoption(tools, survey, instance, found, &mut owners) {
            Ok(adoption) => adoptions.push(adoption),
            Err(failure) => failures.push(hints::with_hint(tools, instance, failure)),
        }
    }
    (adoptions, failures)
}
