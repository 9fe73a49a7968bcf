//! Values that are stored again, as they are declared now: what is asked and shown of them, whichever command stores them.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, InstanceState, ReasonKind, RecipientDelta};
use artifacts_report::{Failure, RecipientChange, RowAction};
use artifacts_trust::AcceptedRecipients;

use crate::agree::recipients::WriteKind;
use crate::agree::{Tickets, ask};
use crate::chain::Base;
use crate::look::changes::Writing;
use crate::look::notes::note_strays;
use crate::look::preview;
use crate::look::rekeyable::is_moved;
use crate::look::survey::{Survey, SurveyedInstance};
use crate::read::without_identity;
use crate::run::Run;
use crate::tools::{RunEvent, Tools};

/// Who read each file by the receipt, and who will; and whom the backend cannot write for. A receipt that names no one, as that of an
/// adopted file, tells of no change: it cannot make a first use of what was accepted here.
pub(super) fn stored_recipients<'a>(
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
) -> Vec<RecipientChange> {
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
    let mut of_done = Vec::new();
    for name in done {
        let Some(delta) = changed.get(name.to_string().as_str()) else { continue };
        if let Some(row) = base.report.rows.get_mut(name) {
            row.notes.push(format!("recipients: {}", base.report.names.changed(delta, false)));
        }
        of_done.push(delta);
    }
    base.report.former = former(&base.run.tools, &of_done);
}

/// Counts the values that each recipient who left could read. What joins in another form of a key did not leave.
fn former(tools: &Tools, deltas: &[&RecipientDelta]) -> BTreeMap<String, usize> {
    // Without what was accepted, everyone is known by the key.
    let known = tools.recipients().ok();
    let form = |key: &String| artifacts_age::recipient_of_ssh(key).unwrap_or_else(|| key.clone());
    let mut former = BTreeMap::new();
    for RecipientDelta { joined, left, .. } in deltas {
        let joined: BTreeSet<String> = joined.iter().map(form).collect();
        let who: BTreeSet<String> = left
            .iter()
            .filter(|key| !joined.contains(&form(key)))
            .map(|key| known.as_ref().and_then(|known| only_name(known, key)).unwrap_or_else(|| key.clone()))
            .collect();
        for who in who {
            *former.entry(who).or_default() += 1;
        }
    }
    former
}

/// The name under which this recipient was accepted, and no other.
fn only_name(known: &AcceptedRecipients, key: &str) -> Option<String> {
    let label = known.label(key)?;
    let is_theirs = |name: &&str| known.ever_named(name).into_iter().eq([key]);
    label.names().find(is_theirs).map(str::to_owned)
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
                // Its backend called it present just now.
                let is_gone = |kind| matches!(kind, ReasonKind::Recipients | ReasonKind::Backend | ReasonKind::Format);
                reasons.retain(|reason| !is_gone(reason.kind));
                if reasons.is_empty() {
                    found.state = InstanceState::Present;
                }
            }
        }
    }
}
