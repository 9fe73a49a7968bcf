//! Storing the same values as they are declared now: to other recipients, by another backend, in another place or form.

use artifacts_declared::InstanceName;
use artifacts_report::{Failure, RecipientChange, RowAction};

use super::again::{ask_for_stored, preview_stored, show_stored_again, stored_recipients};
use super::moving::{Counts, store_again};
use crate::agree::Tickets;
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::conflicts::{conflicts, fault};
use crate::look::hints;
use crate::look::rekeyable::{immovable, wants_rekey};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::run::{Run, Selection};

/// Stores the same values again, as they are declared now: their recipients, backend, storage and format.
#[derive(Debug, Clone, Copy)]
pub struct Rekey {
    /// Whether everything stored is encrypted again, not only what has other recipients now.
    pub all: bool,
}

impl Planned for Rekey {
    type Details = Vec<RecipientChange>;

    fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<Vec<RecipientChange>> {
        let wants = |name: &&InstanceName| survey.found.get(*name).is_some_and(|it| wants_rekey(&it.state, self.all));
        let names: Vec<InstanceName> = selection.names.iter().filter(wants).cloned().collect();
        let (mut steps, mut failures) = (Vec::new(), Vec::new());
        // Of its own place git was asked already.
        let elsewhere = |name: &InstanceName| {
            let place = survey.found.get(name)?.elsewhere.as_ref()?;
            Some((place.storage.clone(), name.clone()))
        };
        let conflicts = conflicts(&run.tools, names.iter().filter_map(elsewhere));
        for name in names {
            if let Some((_, settlement)) = conflicts.iter().find(|((_, of), _)| *of == name) {
                failures.push(fault(&name, settlement));
                continue;
            }
            match foreseeable_error(run, survey, &name) {
                Some(fault) => failures.push(fault),
                None => steps.push(Step::again(name)),
            }
        }
        let instances = steps.iter().filter_map(|step| run.instances.get(&step.name));
        let details = stored_recipients(instances, survey);
        Plan { steps, failures, details }
    }

    fn describe(&self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<(), Failure> {
        preview_stored(base, changes, RowAction::WouldReencrypt)
    }

    fn ask(&mut self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<Tickets, Failure> {
        ask_for_stored(base, changes)
    }
}

/// Why an instance cannot be encrypted again, as far as can be determined without decrypting it.
fn foreseeable_error(run: &mut Run, survey: &Survey, name: &InstanceName) -> Option<Failure> {
    let Run { instances, tools, .. } = run;
    let (instance, found) = instances.get(name).zip(survey.found.get(name))?;
    let fault = immovable(tools, instance, found);
    let fault = fault.map(|fault| hints::with_hint(tools, instance, fault));
    fault.or_else(|| run.unknown_recipients(run.instances.get(name)?))
}

impl<'r> Agreed<'r, Rekey> {
    /// Decrypts each instance and writes it again: an end at any moment leaves each as it was or as it shall be, and
    /// the next run does the others. A failure stops no other.
    pub fn rekey(self) -> Written<'r> {
        let Self { mut base, mut tickets, .. } = self;
        let Counts { opened, written } = store_again(&mut base, &mut tickets);
        show_stored_again(&mut base, RowAction::Reencrypted);
        base.report.counts = Some((opened, written));
        Written::new(base)
    }
}
