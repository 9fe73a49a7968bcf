//! Entries come back from the trash as they are; what they replace goes there.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{EntryOwners, Owner, Selector, SelectorError};
use artifacts_report::{Failure, FileChange, Orphaned, Report, RestorableEntry, RowAction, Side};
use artifacts_store::Time;
use artifacts_text::{agreeing, counted, listed};
use artifacts_trust::AcceptedRecipients;

use crate::agree::{Tickets, refused, returning};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::index::{compare_index, index_fault};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::look::trash::{Restorable, Return, StoredEntries, Trash, stored};
use crate::run::{Run, Selection};
use crate::tools::last_generation::StoredReceipt;
use crate::tools::{Answer, Question};

/// Brings entries back from the trash. Its selection is [`Run::select_trashed`].
#[derive(Debug, Clone, Default)]
pub struct Restore {
    /// How the name of the wanted entry of each instance begins: its time, or a part of it. The newest one if it is none.
    pub at: Option<String>,
}

/// What a plan to restore knows.
#[derive(Default)]
pub struct RestorePlan(Vec<Return>);

impl Run {
    /// Returns a selection of instances with an entry in the trash that this machine recorded, for [`Restore`]. Declared ones are surveyed.
    pub fn select_trashed(&self, selectors: &[Selector]) -> Selection {
        let mut selection = Selection { selectors: selectors.to_vec(), names: BTreeSet::new(), errors: self.errors() };
        // That it cannot be read is a failure of the plan.
        if let Ok(trash) = Trash::read(&self.tools) {
            let (mut names, errors) = chosen(&trash, selectors);
            names.retain(|name| self.instances.contains_key(name));
            selection.names = names;
            selection.errors.extend(errors);
        }
        selection
    }

    /// Lists what can be restored. Locks and writes nothing.
    pub fn list_trash(&self) -> Report {
        let read = Trash::read(&self.tools).and_then(|trash| Ok((trash, self.tools.recipients()?)));
        let (trash, known) = match read {
            Ok(read) => read,
            Err(failure) => return Report { errors: vec![failure], ..Report::default() },
        };
        let row = |wanted: &Restorable| row((&trash, wanted), &StoredEntries::new(), &known, None);
        let restorable: Vec<RestorableEntry> = trash.found.values().flatten().map(row).collect();
        let receipts = trash.found.values().flatten().filter_map(|one| one.receipt.as_ref());
        let labels = receipts.flat_map(|receipt| receipt.labels.clone().into_inner());
        let survey = Survey { stored_labels: labels.collect(), ..Survey::default() };
        let names = survey.names(&self.tools, Some(&known)).of(keys(&restorable));
        let errors = trash.changed.iter().map(|(_, failure)| failure.clone()).collect();
        Report { restorable, errors, names, ..Report::default() }
    }
}

/// The keys that can decrypt these.
pub(super) fn keys(rows: &[RestorableEntry]) -> BTreeSet<&String> {
    rows.iter().flat_map(|row| row.recipients.iter().flatten()).collect()
}

impl Planned for Restore {
    type Details = RestorePlan;

    fn encrypts(&self) -> bool {
        false
    }

    fn plan(&self, run: &mut Run, selection: &Selection, _: &mut Survey) -> Plan<RestorePlan> {
        let read = Trash::read(&run.tools).and_then(|trash| Ok((trash, run.tools.recipients()?)));
        let (trash, known) = match read {
            Ok(read) => read,
            Err(failure) => return Plan { failures: vec![failure], ..Plan::default() },
        };
        let owners = run.owners().ok();
        let (mut steps, mut failures, mut returns) = (Vec::new(), Vec::new(), Vec::new());
        for name in chosen(&trash, &selection.selectors).0 {
            match self.planned(run, (&trash, &name), &known, owners.as_ref()) {
                Ok(one) => {
                    steps.push(Step { storage: one.wanted.storage.clone(), ..Step::again(name) });
                    returns.push(one);
                }
                Err(failure) => failures.push(failure),
            }
        }
        Plan { steps, failures, details: RestorePlan(returns) }
    }

    fn begin(&self, _: &mut Run, selection: &Selection, _: &Survey, _: &Plan<RestorePlan>) -> Report {
        Report { errors: selection.errors.clone(), ..Report::default() }
    }

    fn describe(&self, base: &mut Base<'_>, details: &mut RestorePlan) -> Result<(), Failure> {
        show(base, &details.0)
    }

    fn ask(&mut self, base: &mut Base<'_>, RestorePlan(returns): &mut RestorePlan) -> Result<Tickets, Failure> {
        show(base, returns)?;
        let question = Question::Restore { entries: &base.report.restorable, names: &base.report.names };
        let answer = base.run.tools.operator.confirm(&question)?;
        base.report.restorable.clear();
        match answer {
            Answer::Yes { .. } => returning::tickets(base, returns),
            Answer::No => {
                let (entries, were) = (counted(returns.len(), "entry"), agreeing(returns.len(), "was", "were"));
                Err(refused::nothing(&format!("{entries} {were} not restored")))
            }
            Answer::NoOne => Err(Failure::new("", "confirmation is required, but no terminal is available")
                .hint(Some("pass `--yes` to confirm; `--dry-run` shows what would be restored"))),
        }
    }

    /// It is locked after the question alone: a no leaves everything as it is.
    fn locks(&self, _: &Run, _: &Selection) -> BTreeSet<InstanceName> {
        BTreeSet::new()
    }
}

/// Adds to the report what would come back, and whose the recipients are.
fn show(base: &mut Base<'_>, returns: &[Return]) -> Result<(), Failure> {
    let known = base.run.tools.recipients()?;
    // A receipt in the trash may be the only one that has a name for who left.
    for receipt in returns.iter().filter_map(|one| one.wanted.receipt.as_ref()) {
        for (key, label) in &*receipt.labels {
            base.survey.stored_labels.entry(key.clone()).or_insert_with(|| label.clone());
        }
    }
    base.report.restorable = returns.iter().map(|one| one.row.clone()).collect();
    let names = base.survey.names(&base.run.tools, Some(&known)).of(keys(&base.report.restorable));
    base.report.names.extend(names);
    Ok(())
}

impl Restore {
    /// Finds the entry of an instance that comes back.
    fn planned(
        &self,
        run: &Run,
        (trash, name): (&Trash, &InstanceName),
        known: &AcceptedRecipients,
        owners: Option<&EntryOwners>,
    ) -> Result<Return, Failure> {
        let wanted = self.wanted(trash, name)?;
        if let Some(instance) = run.instances.get(name) {
            let staged = compare_index(&run.tools, [instance]);
            if let Some(fault) = staged.by_name.get(name).and_then(|staged| index_fault(instance, staged)) {
                return Err(fault);
            }
        }
        let stored = stored(&run.tools, name, &wanted.storage)?;
        let mut row = row((trash, wanted), &stored, known, owners);
        row.done = Some(RowAction::WouldRestore);
        Ok(Return { wanted: wanted.clone(), stored, row })
    }

    /// The newest entry, or the one that was named.
    fn wanted<'t>(&self, trash: &'t Trash, name: &InstanceName) -> Result<&'t Restorable, Failure> {
        let all: Vec<&Restorable> = trash.of(name).iter().collect();
        let failed = |why: String, hint: String| Err(Failure::new(name.to_string(), why).hint(Some(hint)));
        let names = |some: &[&Restorable]| listed(&some.iter().map(|one| at(trash, one)).collect::<Vec<_>>());
        let matching: Vec<&Restorable> = match (&self.at, all.last()) {
            (Some(at), _) => all.iter().copied().filter(|one| one.entry.trashed.starts_with(at.as_str())).collect(),
            (None, Some(newest)) => all.iter().copied().filter(|one| one.time() == newest.time()).collect(),
            (None, None) => Vec::new(),
        };
        match (matching.as_slice(), all.is_empty()) {
            ([wanted], _) => Ok(wanted),
            // What was changed is all that there is of it.
            ([], true) => {
                let failure = trash.changed.iter().find(|(of, _)| of == name).map(|(_, failure)| failure.clone());
                Err(failure.unwrap_or_else(|| Failure::new(name.to_string(), "not in the trash")))
            }
            ([], false) => {
                let at = self.at.as_deref().unwrap_or_default();
                failed(
                    format!("no entry of this time is in the trash: `{at}`"),
                    format!("pass one of: {}", names(&all)),
                )
            }
            (several, _) => {
                let why = format!("{} entries of this time are in the trash", several.len());
                failed(why, format!("pass `--at` with one of: {}", names(several)))
            }
        }
    }
}

impl<'r> Agreed<'r, Restore> {
    /// Brings the entries back, one by one. One that fails stops no other.
    pub fn restore(self) -> Written<'r> {
        let Self { mut base, details: RestorePlan(returns), mut tickets, .. } = self;
        let mut rows: BTreeMap<InstanceName, RestorableEntry> = BTreeMap::new();
        while let Some(step) = base.progress.next(|_| true) {
            let one = returns.iter().find(|one| *one.wanted.name() == step.name);
            let Some((one, ticket)) = one.zip(tickets.take_in(&step.name, &step.storage)) else {
                base.progress.drop_out(Failure::new(step.name.to_string(), "its restoration was not confirmed"));
                continue;
            };
            match ticket.restore() {
                Ok(restored) => {
                    let before = one.stored.get(&one.wanted.storage).and_then(|(_, receipt)| receipt.as_ref());
                    let stored = one.wanted.receipt.as_ref().map(|receipt| StoredReceipt::new(receipt, before));
                    base.writers.wrote(&base.run.tools, restored.path, stored);
                    let others = one.stored.keys().filter(|storage| **storage != one.wanted.storage);
                    let removed = others.map(|other| remove(&mut tickets, &step.name, other));
                    let removed: Vec<Result<Option<String>, Failure>> = removed.collect();
                    let mut row = RestorableEntry { done: Some(RowAction::Restored), ..one.row.clone() };
                    row.replaced = restored.trash;
                    for ended in removed {
                        match ended {
                            Ok(trash) => row.replaced = row.replaced.take().or(trash),
                            Err(failure) => base.progress.fail(failure),
                        }
                    }
                    rows.insert(step.name.clone(), row);
                    base.progress.finish(step.name);
                }
                Err(failure) => base.progress.drop_out(failure),
            }
        }
        show_restored(&mut base, rows);
        Written::new(base)
    }
}

/// Moves the entry that an instance has in another storage to the trash: it has one value.
fn remove(tickets: &mut Tickets, name: &InstanceName, storage: &str) -> Result<Option<String>, Failure> {
    let missing = || Failure::new(name.to_string(), format!("its entry in `{storage}` was left"));
    tickets.take_in(name, storage).ok_or_else(missing)?.remove()
}

/// Reports what the instances are now, and which entries are orphaned.
fn show_restored(base: &mut Base<'_>, rows: BTreeMap<InstanceName, RestorableEntry>) {
    let declared: BTreeSet<InstanceName> =
        rows.keys().filter(|name| base.run.instances.contains_key(name)).cloned().collect();
    let survey = base.look_again(&declared);
    let found = base.run.rows(&declared, &survey);
    base.report.rows = found.rows;
    base.report.names.extend(found.names);
    base.report.errors.extend(survey.errors.iter().cloned());
    base.report.mark(&declared, RowAction::Restored);
    for (name, entry) in rows {
        if let Some(row) = base.report.rows.get_mut(&name) {
            // Those that it has, and not those that are declared.
            row.recipients = entry.recipients.as_ref().map(BTreeSet::len);
            row.notes.extend(entry.notes.iter().cloned());
        } else {
            let orphaned = Orphaned::new(name.to_string(), entry.storage.clone(), entry.backend.clone(), None);
            base.report.orphaned.push(orphaned);
        }
        base.report.restorable.push(entry);
    }
}

/// The instances that are meant, of those with an entry in the trash; all of them where nothing is named.
pub(super) fn chosen(trash: &Trash, selectors: &[Selector]) -> (BTreeSet<InstanceName>, Vec<Failure>) {
    let (names, errors) = artifacts_plan::select_strictly(&trash.names(), selectors);
    (names, errors.iter().map(unselected).collect())
}

/// A selector that means nothing in the trash, or several things.
fn unselected(error: &SelectorError) -> Failure {
    let failure = failure::selector(error);
    match error {
        SelectorError::Unmatched { suggestion, .. } => {
            let lists = suggestion.is_none().then(|| "`artifacts restore` lists what can be restored".to_owned());
            let message = "nothing that this machine moved to the trash matches this selector".to_owned();
            Failure { message, hint: lists.or(failure.hint), ..failure }
        }
        SelectorError::Ambiguous { .. } => failure,
    }
}

/// What names an entry among those of its instance: its time, and more where another one has the same.
fn at(trash: &Trash, wanted: &Restorable) -> String {
    let time = wanted.time().as_ref().map(Time::to_string).unwrap_or_default();
    if trash.of(wanted.name()).iter().filter(|one| one.time() == wanted.time()).count() < 2 {
        return time;
    }
    // The random part of its name.
    let random = wanted.entry.trashed.get(time.len()..).and_then(|rest| rest.get(1..)?.split('-').next());
    format!("{time}-{}", random.unwrap_or_default())
}

/// Describes an entry in the trash, compared with what is stored and accepted.
pub(super) fn row(
    (trash, wanted): (&Trash, &Restorable),
    stored: &StoredEntries,
    known: &AcceptedRecipients,
    owners: Option<&EntryOwners>,
) -> RestorableEntry {
    let receipt = wanted.receipt.as_ref();
    let own = receipt.map(|receipt| (receipt.generated, receipt.generation));
    let in_trash = trash.of(wanted.name()).iter().filter_map(|one| one.receipt.as_ref());
    let others = in_trash.chain(stored.values().filter_map(|(_, receipt)| receipt.as_ref()));
    let newer =
        others.filter(|other| own.is_some_and(|(time, value)| other.generated > time && other.generation != value));
    let is_unknown = |file: &FileChange| matches!(file.before, Some(Side::Secret { recipients: None, .. }));
    let recipients: BTreeSet<String> = wanted.recipients().flat_map(|(_, keys)| keys.iter().cloned()).collect();
    let unaccepted = returning::unaccepted(known, wanted).into_iter();
    RestorableEntry {
        name: wanted.name().clone(),
        storage: wanted.storage.clone(),
        at: at(trash, wanted),
        command: wanted.command.clone(),
        backend: receipt.map(|receipt| receipt.backend.name.to_string()),
        size: wanted.size,
        contents: wanted.contents.clone(),
        generated: own.map(|(time, _)| time.to_string()),
        newer: newer.map(|other| other.generated).max().as_ref().map(Time::to_string),
        recipients: (!wanted.contents.iter().any(is_unknown)).then_some(recipients),
        unaccepted: unaccepted.flat_map(|change| &change.after - &change.before).collect(),
        notes: notes(wanted, stored, owners),
        done: None,
        replaced: None,
    }
}

/// What else there is to say of what would come back.
fn notes(wanted: &Restorable, stored: &StoredEntries, owners: Option<&EntryOwners>) -> Vec<String> {
    let mut notes = Vec::new();
    match owners.map(|owners| owners.owner(wanted.name())) {
        Some(None) => notes.push("no longer declared: the restored entry is orphaned".to_owned()),
        Some(Some(Owner::Unknown((kind, target)))) => {
            notes.push(format!("may be orphaned: {} {target} failed to evaluate", kind.as_str()));
        }
        Some(Some(Owner::Declared)) | None => {}
    }
    for storage in stored.keys().filter(|storage| **storage != wanted.storage) {
        notes.push(format!("comes back to `{}`; the entry in `{storage}` goes to the trash", wanted.storage));
    }
    if stored.contains_key(&wanted.storage) {
        notes.push("the stored entry goes to the trash".to_owned());
    }
    notes
}
