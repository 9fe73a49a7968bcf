//! Storing the same values as they are declared now: to other recipients, by another backend, in another place or form.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, InstanceState, ReasonKind, RecipientDelta};
use artifacts_report::{Failure, RecipientChange, Report, RowAction};

use super::moving::{Counts, store_again};
use crate::agree::recipients::WriteKind;
use crate::agree::{Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::changes::Writing;
use crate::look::conflicts::{conflicts, fault};
use crate::look::notes::note_strays;
use crate::look::rekeyable::{immovable, is_moved, wants_rekey};
use crate::look::steps::Step;
use crate::look::survey::{Survey, SurveyedInstance};
use crate::look::{hints, preview};
use crate::read::without_identity;
use crate::run::{Run, Selection};
use crate::tools::RunEvent;

/// Who read each file by the receipt, and who will; and whom the backend cannot write for. A receipt that names no one, as that of an
/// adopted file, tells of no change: it cannot make a first use of what was accepted here.
pub fn stored_recipients<'a>(instances: impl Iterator<Item = &'a Instance>, survey: &Survey) -> Vec<RecipientChange> {
    let mut changes = Vec::new();
    for instance in instances {
        let Some(found) = survey.found.get(&instance.name) else { continue };
        if is_moved(found) {
            // Nothing is encrypted.
            continue;
        }
        changes.extend(survey.other_recipients(instance));
        let Some(receipt) = &found.receipt else { continue };
        for (file, after) in &found.recipients {
            let before = receipt.recipients.get(file.as_str());
            let before = before.filter(|before| !before.is_empty() && *before != after);
            let Some(before) = before.cloned() else { continue };
            let (instance, file, after) = (instance.name.to_string(), file.to_string(), after.clone());
            changes.push(RecipientChange { instance, file, before, after, is_first: false });
        }
    }
    changes
}

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

    fn begin(&self, run: &mut Run, selection: &Selection, survey: &Survey, _: &Plan<Vec<RecipientChange>>) -> Report {
        let errors = selection.errors.iter().chain(&survey.errors).cloned().collect();
        Report { errors, ..run.rows(&selection.names, survey) }
    }

    fn describe(&self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<(), Failure> {
        preview_stored(base, changes, RowAction::WouldReencrypt)
    }

    fn ask(&mut self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<Tickets, Failure> {
        ask_for_stored(base, changes)
    }
}

/// Asks about the recipients of what is decrypted and stored again.
pub(super) fn ask_for_stored(base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<Tickets, Failure> {
    keep_decryptable(base);
    let names: BTreeSet<String> = base.progress.names().iter().map(ToString::to_string).collect();
    changes.retain(|change| names.contains(&change.instance));
    base.report.recipients.clone_from(changes);
    Ok(ask::recipients(base, WriteKind::Stored, changes, false)?.1)
}

/// Shows whom what is decrypted and stored again would be encrypted to.
pub(super) fn preview_stored(
    base: &mut Base<'_>,
    changes: &[RecipientChange],
    action: RowAction,
) -> Result<(), Failure> {
    preview::describe(base, Writing::Anew, |_| action);
    ask::preview_recipients(base, WriteKind::Stored, changes)?;
    let (changes, names) = (&base.report.recipients, &base.report.names);
    base.run.tools.operator.notify(&RunEvent::RecipientChanges { changes, names, preview: true });
    Ok(())
}

/// Leaves what an identity may decrypt: no one accepts recipients in vain.
fn keep_decryptable(base: &mut Base<'_>) {
    let Base { run, survey, progress, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let names = progress.names();
    let mut failed = without_identity(tools, survey, names.iter().filter_map(|name| instances.get(name)));
    progress.keep(instances, |instance| failed.remove(&instance.name));
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
    /// Decrypts each instance and writes it again, one by one: an end at any moment leaves each as it was or as it shall be, and
    /// the next run does the others. A failure stops no other.
    pub fn rekey(self) -> Written<'r> {
        let Self { mut base, mut tickets, .. } = self;
        let Counts { opened, written } = store_again(&mut base, &mut tickets);
        show_stored_again(&mut base, RowAction::Reencrypted);
        base.report.counts = Some((opened, written));
        Written::new(base)
    }
}

/// Reports what the instances are now.
pub(super) fn show_stored_again(base: &mut Base<'_>, action: RowAction) {
    let done = base.progress.done().clone();
    base.take_failures();
    note_strays(&mut base.report, &base.survey, &done);
    note_gone(base, &done);
    note_recipients(base, &done);
    base.survey.rekeyed(&done);
    // What else made them stale may have gone with the old entries, and what moved may be stored although its old entry is left.
    let is_open = |(name, found): &(&InstanceName, &SurveyedInstance)| {
        found.elsewhere.is_some() || (done.contains(*name) && found.state != InstanceState::Present)
    };
    let open: BTreeSet<InstanceName> = base.survey.found.iter().filter(is_open).map(|(name, _)| name.clone()).collect();
    let again = base.look_again(&open);
    base.survey.found.extend(again.found);
    base.report.errors.extend(again.errors);
    base.report.update(base.survey.states());
    base.report.mark(&done, action);
}

/// Tells whose access came and went.
fn note_recipients(base: &mut Base<'_>, done: &BTreeSet<InstanceName>) {
    let mut changed: BTreeMap<&str, RecipientDelta> = BTreeMap::new();
    for change in &base.report.recipients {
        let delta = changed.entry(&change.instance).or_default();
        delta.joined.extend(change.after.difference(&change.before).cloned());
        delta.left.extend(change.before.difference(&change.after).cloned());
    }
    for name in done {
        let row = base.report.rows.get_mut(name);
        let Some((row, delta)) = row.zip(changed.get(name.to_string().as_str())) else { continue };
        row.notes.push(format!("recipients: {}", base.report.names.changed(delta, false)));
    }
}

/// Tells which files went with the old entries: anyone who can push can take back a declaration, and no one was asked.
fn note_gone(base: &mut Base<'_>, done: &BTreeSet<InstanceName>) {
    for name in done {
        let found = base.survey.found.get(name).and_then(|found| found.receipt.as_ref());
        let Some((instance, receipt)) = base.run.instances.get(name).zip(found) else { continue };
        let is_secret = |file: &Name| instance.secret_files().any(|declared| declared == file);
        let is_public = |file: &str| instance.public_files().any(|declared| declared.as_str() == file);
        let secret = receipt.recipients.files().filter(|file| !is_secret(file)).map(|file| (file.as_str(), "secret"));
        let public = receipt.public.keys().filter(|file| !is_public(file)).map(|file| (file.as_str(), "public file"));
        let note = |(file, kind): (&str, &str)| {
            format!("{file}: removed (no longer a declared {kind}); the old entry is in the trash")
        };
        let notes: Vec<String> = secret.chain(public).map(note).collect();
        if let Some(row) = base.report.rows.get_mut(name) {
            row.notes.extend(notes);
        }
    }
}

impl Survey {
    /// What these are after they were re-encrypted: whatever else made them stale still does.
    pub fn rekeyed(&mut self, done: &BTreeSet<InstanceName>) {
        for (_, found) in self.found.iter_mut().filter(|(name, _)| done.contains(*name)) {
            if let InstanceState::Stale(reasons) = &mut found.state {
                reasons.retain(|reason| reason.kind != ReasonKind::Recipients);
                if reasons.is_empty() {
                    found.state = InstanceState::Present;
                }
            }
        }
    }
}
