//! Entries that no declaration owns go to the trash.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_plan::SelectorError;
use artifacts_report::{Failure, Report, RowAction, TrashedEntry};
use artifacts_store::Staged;
use artifacts_text::{agreeing, counted};

use crate::agree::{Ticket, Tickets, ask, refused};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::conflicts::{conflicts, fault};
use crate::look::orphans::{Orphan, orphans};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::run::{Run, Selection};
use crate::tools::{Answer, Question, RunEvent};

/// Moves entries that are no longer declared to the trash. Its selection is [`Run::select_orphans`].
#[derive(Debug, Clone, Copy)]
pub struct Prune;

/// What a plan to prune knows.
#[derive(Default)]
pub struct PrunePlan {
    orphans: Vec<Orphan>,
    /// Warnings and notes that are shown once.
    odd: Vec<String>,
    kept: usize,
    /// Selectors that mean no entry, and entries that are left as they are.
    idle: Vec<Failure>,
    nothing_orphaned: bool,
}

impl Planned for Prune {
    type Details = PrunePlan;

    fn encrypts(&self) -> bool {
        false
    }

    fn plan(&self, run: &mut Run, selection: &Selection, _: &mut Survey) -> Plan<PrunePlan> {
        let selectors = &selection.selectors;
        let found = run.owners().and_then(|owners| orphans(&run.tools, &owners, &run.instances));
        let mut found = match found {
            Ok(found) => found,
            Err(failure) => return Plan { failures: vec![failure], ..Plan::default() },
        };
        let (chosen, idle) =
            artifacts_plan::select_strictly(&found.found.iter().map(|orphan| &orphan.name).collect(), selectors);
        found.found.retain(|orphan| chosen.contains(&orphan.name));
        let nothing_orphaned = found.found.is_empty() && found.kept.is_empty() && selectors.is_empty();
        let place = |orphan: &Orphan| (orphan.storage.clone(), orphan.name.clone());
        let conflicts = conflicts(&run.tools, found.found.iter().map(place));
        found.found.retain(|orphan| !conflicts.contains_key(&place(orphan)));
        let unresolved = conflicts.iter().map(|((_, name), settlement)| fault(name, settlement));
        let idle = idle.iter().map(unselected).chain(unresolved).collect();
        let step = |orphan: &Orphan| Step { storage: orphan.storage.clone(), ..Step::again(orphan.name.clone()) };
        let steps = found.found.iter().map(step).collect();
        let details =
            PrunePlan { orphans: found.found, odd: found.odd, kept: found.kept.len(), idle, nothing_orphaned };
        Plan { steps, failures: Vec::new(), details }
    }

    fn begin(&self, run: &mut Run, selection: &Selection, _: &Survey, plan: &Plan<PrunePlan>) -> Report {
        if !plan.failures.is_empty() {
            // Nothing is known of what is orphaned.
            return Report::default();
        }
        let PrunePlan { odd, kept, idle, nothing_orphaned, .. } = &plan.details;
        for odd in odd {
            run.tools.operator.notify(&RunEvent::Warning(&format!("{odd}; ignored"), None));
        }
        if *kept > 0 {
            let (entries, they) = (counted(*kept, "entry"), agreeing(*kept, "it", "they"));
            let note = format!("{entries} kept: {they} may belong to a target that failed to evaluate");
            run.tools.operator.notify(&RunEvent::Note(&note));
        }
        if *nothing_orphaned {
            run.tools.operator.notify(&RunEvent::NothingOrphaned);
        }
        let errors = selection.errors.iter().chain(idle).cloned().collect();
        Report { errors, ..Report::default() }
    }

    fn describe(&self, base: &mut Base<'_>, details: &mut PrunePlan) -> Result<(), Failure> {
        base.report.trashed = rows(&details.orphans);
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, details: &mut PrunePlan) -> Result<Tickets, Failure> {
        match base.run.tools.operator.confirm(&Question::Trash(&rows(&details.orphans)))? {
            Answer::Yes { .. } => {}
            Answer::No => {
                let count = details.orphans.len();
                let (entries, were) = (counted(count, "entry"), agreeing(count, "was", "were"));
                return Err(refused::nothing(&format!("{entries} {were} not moved to the trash")));
            }
            Answer::NoOne => {
                return Err(Failure::new("", "confirmation is required, but no terminal is available")
                    .hint(Some("pass `--yes` to confirm; `--dry-run` lists the entries")));
            }
        }
        Ok(lock(base, &details.orphans))
    }
}

/// Locks the storages and looks again: what another run did while the admin was asked is its own. Returns tickets for what is
/// still as it was shown.
///
/// It is locked after the question alone: a lock empties old trash, and a no leaves everything as it is.
fn lock(base: &mut Base<'_>, shown: &[Orphan]) -> Tickets {
    let entries: Vec<(String, InstanceName)> =
        shown.iter().map(|orphan| (orphan.storage.clone(), orphan.name.clone())).collect();
    let tickets = ask::removals(base, &entries);
    let run = &*base.run;
    match run.owners().and_then(|owners| orphans(&run.tools, &owners, &run.instances)) {
        Ok(now) => shown.iter().filter(|orphan| !now.found.contains(orphan)).for_each(|orphan| {
            let why = "it is not as it was shown: another run stored, declared or removed it";
            let hint = "it was left as it is; `artifacts prune` shows it as it is now";
            drop_out(base, orphan, Failure::new(orphan.name.to_string(), why).hint(Some(hint)));
        }),
        Err(failure) => base.progress.drop_all(failure),
    }
    tickets
}

/// A selector that means no orphaned entry, or several things.
fn unselected(error: &SelectorError) -> Failure {
    let failure = failure::selector(error);
    match error {
        SelectorError::Unmatched { suggestion, .. } => {
            let listed = suggestion.is_none().then_some("`artifacts prune --dry-run` lists the orphaned entries");
            let hint = listed.map(str::to_owned).or(failure.hint);
            Failure { message: "no orphaned entry matches this selector".to_owned(), hint, ..failure }
        }
        SelectorError::Ambiguous { .. } => failure,
    }
}

/// Drops the step of an entry out, unless it has left before.
fn drop_out(base: &mut Base<'_>, orphan: &Orphan, failure: Failure) {
    let is_its = |step: &Step| step.name == orphan.name && step.storage == orphan.storage;
    if base.progress.next(is_its).is_some() {
        base.progress.drop_out(failure);
    }
}

impl<'r> Agreed<'r, Prune> {
    /// Moves the entries to the trash of their storages. One that fails stops no other.
    pub fn remove(self) -> Written<'r> {
        let Self { mut base, details, mut tickets, .. } = self;
        while let Some(step) = base.progress.next(|_| true) {
            let ticket = tickets.take_in(&step.name, &step.storage);
            let missing = || Failure::new(step.name.to_string(), "its removal was not confirmed");
            match ticket.ok_or_else(missing).and_then(Ticket::remove) {
                Ok(trash) => {
                    let is_it = |orphan: &&Orphan| orphan.name == step.name && orphan.storage == step.storage;
                    if let Some((orphan, trash)) = details.orphans.iter().find(is_it).zip(trash) {
                        base.report.trashed.push(row(orphan, RowAction::Trashed, Some(trash)));
                    }
                    base.progress.finish(step.name);
                }
                Err(failure) => base.progress.drop_out(failure),
            }
        }
        mark_tracked(&mut base);
        Written::new(base)
    }
}

/// Marks what git still tracks of what was moved: its removal is to be committed.
fn mark_tracked(base: &mut Base<'_>) {
    let Base { run, report, .. } = base;
    let moved =
        || report.trashed.iter().map(|entry| (entry.storage.clone(), format!("{}/{}", entry.storage, entry.name)));
    let (storages, entries): (BTreeSet<String>, Vec<String>) = moved().unzip();
    let storages: Vec<String> = storages.into_iter().collect();
    let found = run.tools.git.compare(&run.tools.root, &storages, &entries).entries;
    for (entry, path) in report.trashed.iter_mut().zip(&entries) {
        entry.is_tracked = matches!(found.get(path), Some(Staged::Deleted { .. }));
    }
}

fn rows(orphans: &[Orphan]) -> Vec<TrashedEntry> {
    orphans.iter().map(|orphan| row(orphan, RowAction::WouldTrash, None)).collect()
}

fn row(orphan: &Orphan, done: RowAction, trash: Option<String>) -> TrashedEntry {
    TrashedEntry {
        name: orphan.name.to_string(),
        storage: orphan.storage.clone(),
        backend: orphan.backend.clone(),
        size: orphan.size,
        contents: orphan.contents.clone(),
        done,
        trash,
        is_tracked: false,
    }
}
