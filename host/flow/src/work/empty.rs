//! Entries in the trash are removed for good.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_plan::Selector;
use artifacts_report::{Failure, RecipientNames, Report, RestorableEntry, RowAction};
use artifacts_text::{agreeing, counted};

use super::restore::{chosen, keys, row};
use crate::agree::{Tickets, refused, removing};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::look::trash::{Restorable, StoredEntries, Trash, stored};
use crate::run::{Run, Selection};
use crate::tools::{Answer, Question, RunEvent};

/// Removes entries from the trash for good: those that [`crate::Restore`] could bring back. Its selection is [`Run::select_emptied`].
#[derive(Debug, Clone, Copy)]
pub struct EmptyTrash;

/// What a plan to empty the trash knows.
#[derive(Default)]
pub struct EmptyPlan {
    /// What goes, each as it is shown.
    entries: Vec<(Restorable, RestorableEntry)>,
    names: RecipientNames,
    /// What there is to say once.
    notes: Vec<String>,
    idle: Vec<Failure>,
}

impl Run {
    /// Returns a selection of what this machine moved to the trash, for [`EmptyTrash`]; it has no instance.
    pub fn select_emptied(&self, selectors: &[Selector]) -> Selection {
        Selection { selectors: selectors.to_vec(), ..Selection::default() }
    }
}

impl Planned for EmptyTrash {
    type Details = EmptyPlan;

    fn encrypts(&self) -> bool {
        false
    }

    fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<EmptyPlan> {
        match entries(run, selection, survey) {
            Ok((trash, mut details)) => {
                details.notes = notes(run, &trash, &details, selection);
                let steps = details.entries.iter().map(|(one, _)| (one.name().clone(), one.storage.clone()));
                let steps = steps.collect::<BTreeSet<_>>().into_iter();
                let steps = steps.map(|(name, storage)| Step { storage, ..Step::again(name) }).collect();
                let (names, _) = chosen(&trash, &selection.selectors);
                let changed = trash.changed.into_iter().filter(|(name, _)| names.contains(name));
                Plan { steps, failures: changed.map(|(_, failure)| left(failure)).collect(), details }
            }
            Err(failure) => Plan { failures: vec![failure], ..Plan::default() },
        }
    }

    fn begin(&self, run: &mut Run, selection: &Selection, _: &Survey, plan: &Plan<EmptyPlan>) -> Report {
        for note in &plan.details.notes {
            run.tools.operator.notify(&RunEvent::Note(note));
        }
        let errors = selection.errors.iter().chain(&plan.details.idle).cloned().collect();
        Report { errors, names: plan.details.names.clone(), ..Report::default() }
    }

    fn describe(&self, base: &mut Base<'_>, details: &mut EmptyPlan) -> Result<(), Failure> {
        base.report.restorable = details.rows();
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, details: &mut EmptyPlan) -> Result<Tickets, Failure> {
        let rows = details.rows();
        match base.run.tools.operator.confirm(&Question::Remove(&rows, &details.names))? {
            Answer::Yes { by } => removing::tickets(base, details.entries.iter().map(|(one, _)| one), by),
            Answer::No => {
                let (entries, were) = (counted(rows.len(), "entry"), agreeing(rows.len(), "was", "were"));
                Err(refused::nothing(&format!("{entries} {were} not removed from the trash")))
            }
            Answer::NoOne => Err(Failure::new("", "confirmation is required, but no terminal is available")
                .hint(Some("pass `--yes` to confirm; `--dry-run` lists the entries"))),
        }
    }

    /// It is locked after the question alone: a no leaves everything as it is.
    fn locks(&self, _: &Run, _: &Selection) -> BTreeSet<InstanceName> {
        BTreeSet::new()
    }
}

impl EmptyPlan {
    fn rows(&self) -> Vec<RestorableEntry> {
        self.entries.iter().map(|(_, row)| row.clone()).collect()
    }
}

/// Finds what goes.
fn entries(run: &Run, selection: &Selection, survey: &mut Survey) -> Result<(Trash, EmptyPlan), Failure> {
    let (trash, known) = (Trash::read(&run.tools)?, run.tools.recipients()?);
    let (names, idle) = chosen(&trash, &selection.selectors);
    let mut details = EmptyPlan { idle, ..EmptyPlan::default() };
    for one in names.iter().flat_map(|name| trash.of(name)) {
        let labels = one.receipt.iter().flat_map(|receipt| receipt.labels.clone().into_inner());
        survey.stored_labels.extend(labels);
        let mut row = row((&trash, one), &StoredEntries::new(), &known, None);
        row.done = Some(RowAction::WouldRemove);
        if stored(&run.tools, one.name(), &one.storage)?.is_empty() {
            row.notes.push("no value of it is stored any more".to_owned());
        }
        details.entries.push((one.clone(), row));
    }
    details.names = survey.names(&run.tools, Some(&known)).of(keys(&details.rows()));
    Ok((trash, details))
}

/// What there is to say of a trash that stays, or is empty.
fn notes(run: &Run, trash: &Trash, details: &EmptyPlan, selection: &Selection) -> Vec<String> {
    if !selection.selectors.is_empty() {
        return Vec::new();
    }
    let unknown = trash.unrecorded(&run.tools).into_iter().map(|(storage, count)| {
        let (entries, were) = (counted(count, "entry"), agreeing(count, "was", "were"));
        format!(
            "{entries} in `{storage}/.artifacts/trash` {were} not moved there by this machine; left until 30 days old"
        )
    });
    let mut notes: Vec<String> = unknown.collect();
    if notes.is_empty() && details.entries.is_empty() && trash.changed.is_empty() {
        notes.push("the trash is empty".to_owned());
    }
    notes
}

/// What is not as it was recorded may be anything: a person looks at it.
fn left(failure: Failure) -> Failure {
    let message = failure.message.replacen("cannot restore", "left in the trash:", 1);
    Failure { message, ..failure }.hint(Some("review it, and remove it yourself; it leaves the trash after 30 days"))
}

impl<'r> Agreed<'r, EmptyTrash> {
    /// Removes the entries from the trash. One that fails stops no other.
    pub fn empty(self) -> Written<'r> {
        let Self { mut base, details, mut tickets, .. } = self;
        while let Some(step) = base.progress.next(|_| true) {
            let missing = || Failure::new(step.name.to_string(), "its removal was not confirmed");
            let (gone, mut failures) = match tickets.take_in(&step.name, &step.storage) {
                Some(ticket) => ticket.discard(),
                None => (Vec::new(), vec![missing()]),
            };
            let is_gone = |one: &Restorable| one.storage == step.storage && gone.contains(&one.entry.trashed);
            let removed = details.entries.iter().filter(|(one, _)| is_gone(one));
            let removed = removed.map(|(_, row)| RestorableEntry { done: Some(RowAction::Removed), ..row.clone() });
            base.report.restorable.extend(removed);
            match failures.pop() {
                Some(last) => {
                    for failure in failures {
                        base.progress.fail(failure);
                    }
                    base.progress.drop_out(last);
                }
                None => base.progress.finish(step.name),
            }
        }
        Written::new(base)
    }
}
