//! Encrypting again to whom is declared now: the secrets stay as they are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, InstanceState, ReasonKind, RecipientDelta};
use artifacts_report::{Failure, RecipientChange, Report, RowAction};
use artifacts_seam::EntryFiles;

use super::commit::{Storing, UncheckedEntry, checked};
use super::receipt;
use crate::agree::recipients::WriteKind;
use crate::agree::{Ticket, Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::changes::Writing;
use crate::look::notes::note_strays;
use crate::look::rekeyable::{unopenable, unretrievable, wants_rekey};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::look::{hints, preview};
use crate::read::{RetrievedFiles, retrieve, without_identity};
use crate::run::{Run, Selection};
use crate::tools::{Phase, RunEvent};

/// Secrets of so many instances are in memory at once. Plugins, which may want a touch, are asked once for all of them.
const AT_ONCE: usize = 1000;

/// So many are written before their backend looks at them, in one call, and before a person who wants out is heard.
const WRITTEN_AT_ONCE: usize = 16;

/// Who read each file by the receipt, and who will; and whom the backend cannot write for. A receipt that names no one, as that of an
/// adopted file, tells of no change: it cannot make a first use of what was accepted here.
pub fn stored_recipients<'a>(instances: impl Iterator<Item = &'a Instance>, survey: &Survey) -> Vec<RecipientChange> {
    let mut changes = Vec::new();
    for instance in instances {
        let Some(found) = survey.found.get(&instance.name) else { continue };
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

/// Encrypts the same values again, to the recipients that are declared now.
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
        for name in names {
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
        preview::describe(base, Writing::Anew, |_| RowAction::WouldReencrypt);
        ask::preview_recipients(base, WriteKind::Stored, changes)?;
        let (changes, names) = (&base.report.recipients, &base.report.names);
        base.run.tools.operator.notify(&RunEvent::RecipientChanges { changes, names, preview: true });
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, changes: &mut Vec<RecipientChange>) -> Result<Tickets, Failure> {
        keep_decryptable(base);
        let names: BTreeSet<String> = base.progress.names().iter().map(ToString::to_string).collect();
        changes.retain(|change| names.contains(&change.instance));
        base.report.recipients.clone_from(changes);
        Ok(ask::recipients(base, WriteKind::Stored, changes, false)?.1)
    }
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
    let fault = unopenable(instance, found).or_else(|| unretrievable(tools, instance));
    let fault = fault.map(|fault| hints::with_hint(tools, instance, fault));
    fault.or_else(|| run.unknown_recipients(run.instances.get(name)?))
}

impl<'r> Agreed<'r, Rekey> {
    /// Decrypts each instance and writes it again, one by one: an end at any moment leaves each as it was or as it shall be, and
    /// the next run does the others. A failure stops no other.
    pub fn rekey(self) -> Written<'r> {
        let Self { mut base, mut tickets, .. } = self;
        let (mut opened, mut written) = (0, 0);
        loop {
            let mut batch = base.progress.next_batch(AT_ONCE);
            if batch.is_empty() {
                break;
            }
            let mut read = read(&mut base, &batch);
            loop {
                let mut few = VecDeque::from(base.progress.next_of(&mut batch, WRITTEN_AT_ONCE));
                if few.is_empty() {
                    break;
                }
                let mut unchecked = Vec::new();
                while let Some(step) = base.progress.next_of(&mut few, 1).pop() {
                    let files = read.remove(&step.name).unwrap_or_else(|| Err(not_read(&step.name)));
                    let ended = files.and_then(|files| {
                        opened += 1;
                        write(&mut base, &mut tickets, &step.name, files)
                    });
                    match ended {
                        Ok(one) => unchecked.push(one),
                        Err(failure) => base.progress.drop_out(failure),
                    }
                }
                written += store(&mut base, unchecked);
            }
        }
        base.run.tools.operator.phase(Phase::Idle);
        show_rekeyed(&mut base);
        base.report.counts = Some((opened, written));
        Written::new(base)
    }
}

/// Reports what the instances are now.
fn show_rekeyed(base: &mut Base<'_>) {
    let done = base.progress.done().clone();
    base.take_failures();
    note_strays(&mut base.report, &base.survey, &done);
    note_gone(base, &done);
    note_recipients(base, &done);
    base.survey.rekeyed(&done);
    // What else made them stale may have gone with the old entries.
    let stale = |name: &&InstanceName| base.survey.found.get(*name).is_some_and(|it| !it.state.reasons().is_empty());
    let stale: BTreeSet<InstanceName> = done.iter().filter(stale).cloned().collect();
    let again = base.look_again(&stale);
    base.survey.found.extend(again.found);
    base.report.errors.extend(again.errors);
    base.report.update(base.survey.states());
    base.report.mark(&done, RowAction::Reencrypted);
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

type ReadFiles = BTreeMap<InstanceName, Result<RetrievedFiles, Failure>>;

/// Reads what is stored of these. What was never stored is left for anyone who has its value.
fn read(base: &mut Base<'_>, batch: &VecDeque<Step>) -> ReadFiles {
    let Base { run, survey, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let stored = |step: &Step| {
        let (instance, found) = instances.get(&step.name).zip(survey.found.get(&step.name))?;
        Some((instance, found.stored_files(instance).cloned().collect()))
    };
    let wanted: Vec<_> = batch.iter().filter_map(stored).collect();
    retrieve(tools, &wanted)
}

fn not_read(name: &InstanceName) -> Failure {
    Failure::new(name.to_string(), "not read")
}

/// Holds an entry that its backend has written and not checked yet.
struct Rewritten {
    name: InstanceName,
    ticket: Ticket,
    public: EntryFiles,
    unchecked: UncheckedEntry,
}

/// Has the backend encrypt an instance again. Its public files stay as they are.
fn write(
    base: &mut Base<'_>,
    tickets: &mut Tickets,
    name: &InstanceName,
    read: RetrievedFiles,
) -> Result<Rewritten, Failure> {
    let Base { run, survey, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let pair = instances.get(name).zip(survey.found.get(name));
    let (instance, found) = pair.ok_or_else(|| not_read(name))?;
    let ticket = tickets.take(name).ok_or_else(|| failure::not_accepted(instance))?;
    let entry = ticket.entry(instance)?.filter(|entry| entry.fingerprint() == read.fingerprint);
    let entry = entry.ok_or_else(|| changed(instance))?;
    let public = declared_public(instance, entry.public.clone());
    let secrets: Vec<_> = read.files.into_iter().map(|(name, secret)| (name.to_string(), secret)).collect();
    let storing = Storing { instance, found };
    let unchecked = storing.write(tools, &ticket, Some(entry), &secrets).map_err(|stopped| stopped.failure)?;
    Ok(Rewritten { name: name.clone(), ticket, public, unchecked })
}

/// Public files stay as they are; those that are no longer declared go with the old entry.
fn declared_public(instance: &Instance, public: EntryFiles) -> EntryFiles {
    let is_declared = |name: &String| instance.public_files().any(|file| file.as_str() == name);
    public.into_iter().filter(|(name, _)| is_declared(name)).collect()
}

/// Has backends check what they wrote, and replaces the entries one by one. Returns how many.
fn store(base: &mut Base<'_>, rewritten: Vec<Rewritten>) -> u64 {
    let Base { run, survey, writers, progress, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let (mut kept, mut unchecked) = (Vec::new(), Vec::new());
    for Rewritten { name, ticket, public, unchecked: one } in rewritten {
        let Some((instance, found)) = instances.get(&name).zip(survey.found.get(&name)) else { continue };
        let storing = Storing { instance, found };
        kept.push((storing, ticket, public));
        unchecked.push((storing, one));
    }
    let mut count = 0;
    for ((storing, ticket, public), stored) in kept.into_iter().zip(checked(tools, unchecked)) {
        let Storing { instance, found } = storing;
        let ended = stored.and_then(|stored| {
            let old = found.receipt.as_ref().ok_or_else(|| changed(instance))?;
            let files = found.stored_files(instance).cloned().collect();
            let receipt = receipt::rewritten(old, instance, found, stored.backend, &files, &stored.headers)?;
            storing.commit(tools, writers, ticket, (stored.files, public), receipt)
        });
        match ended {
            Ok(()) => {
                count += 1;
                progress.finish(instance.name.clone());
                let (count, total) = (progress.tally().done, progress.tally().steps);
                tools.operator.notify(&RunEvent::Reencrypted { name: &instance.name, count, total });
            }
            Err(failure) => progress.drop_out(failure),
        }
    }
    count
}

fn changed(instance: &Instance) -> Failure {
    failure::for_instance(instance, "it changed during this run")
        .hint(Some("nothing was changed; run the command again"))
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
