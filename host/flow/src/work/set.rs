//! One file of an instance, given by a person.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, InstanceState};
use artifacts_report::{Failure, FileChange, Report, RowAction};
use artifacts_seam::Secret;
use artifacts_store::{Entry, Generation, Receipt};

use super::commit::{Stored, Storing};
use super::receipt::{self, GenerationRecord};
use crate::agree::recipients::WriteKind;
use crate::agree::{Ticket, Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::changes::{Writing, public_changes};
use crate::look::notes::{note_dependents, note_elsewhere, note_strays};
use crate::look::settable::{left_empty, others, recipients_changed, uneditable, unsettable};
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::look::{hints, preview};
use crate::read::{retrieve_file, retrieve_one};
use crate::run::{Run, Selection};
use crate::tools::headers;
use crate::tools::{RunEvent, Tools};

/// Which making of each dependency.
type Generations = BTreeMap<InstanceName, Generation>;

/// Stores one file that a person gives; the others keep their values.
#[derive(Debug, Clone)]
pub struct Set {
    /// The instance.
    pub instance: InstanceName,
    /// The file.
    pub file: Name,
    /// Whether its old value is decrypted, to be edited.
    pub opens: bool,
}

impl Set {
    fn plaintext(&self) -> WriteKind<'_> {
        WriteKind::Given { file: &self.file, opens: self.opens }
    }
}

impl Planned for Set {
    type Details = ();

    fn plan(&self, run: &mut Run, _: &Selection, survey: &mut Survey) -> Plan<()> {
        let refused = |failure| Plan { failures: vec![failure], ..Plan::default() };
        let Run { instances, tools, .. } = &mut *run;
        let pair = instances.get(&self.instance).zip(survey.found.get(&self.instance));
        let Some((instance, found)) = pair else {
            return refused(Failure::new(self.instance.to_string(), "its state is unknown"));
        };
        let fault = if self.opens { uneditable } else { unsettable };
        if let Some(fault) = fault(instance, found, self.file.as_str()) {
            let fault = survey.errors.first().cloned().unwrap_or(fault);
            return refused(hints::with_hint(tools, instance, fault));
        }
        // With a public file nothing is encrypted, unless it is the first one.
        let encrypts = found.fingerprint.is_none() || instance.secret_files().any(|secret| *secret == self.file);
        let instance = run.instances.get(&self.instance);
        match instance.and_then(|instance| run.unknown_recipients(instance)).filter(|_| encrypts) {
            Some(fault) => refused(fault),
            None => Plan { steps: vec![Step::again(self.instance.clone())], ..Plan::default() },
        }
    }

    fn begin(&self, _: &mut Run, _: &Selection, _: &Survey, _: &Plan<()>) -> Report {
        Report::default()
    }

    fn describe(&self, base: &mut Base<'_>, (): &mut ()) -> Result<(), Failure> {
        if base.progress.is_empty() {
            return Ok(());
        }
        base.report = base.run.rows(&base.progress.names(), &base.survey);
        preview::describe(base, Writing::One { file: &self.file }, |_| RowAction::WouldSet);
        ask::preview_recipients(base, self.plaintext(), &[])?;
        base.run.tools.operator.notify(&RunEvent::Preview(&base.report));
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, (): &mut ()) -> Result<Tickets, Failure> {
        Ok(ask::recipients(base, self.plaintext(), &[], false)?.1)
    }
}

impl<'r> Agreed<'r, Set> {
    /// Returns the value that is stored; none where the instance is not stored yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn stored(&mut self) -> Result<Option<Secret>, Failure> {
        let Base { run, survey, .. } = &mut self.base;
        let Run { instances, tools, .. } = &mut **run;
        let Set { instance, file, .. } = &self.change;
        let instance = instances.get(instance).ok_or_else(|| Failure::new(instance.to_string(), "not declared"))?;
        if survey.found.get(&instance.name).is_some_and(|found| found.state == InstanceState::Absent) {
            return Ok(None);
        }
        retrieve_file(tools, instance, file).map(Some)
    }

    /// Gives the ticket back: the instance stays as it was found.
    pub fn leave(mut self) -> Report {
        self.base.report = self.base.run.rows(&self.base.selection.names, &self.base.survey);
        self.give_up()
    }

    /// Stores the value. One that was edited is stored though the run is to end by now: it is the work of a person, and is lost
    /// otherwise.
    pub fn set(self, value: Secret) -> Written<'r> {
        let Self { mut base, change, mut tickets, .. } = self;
        let step = if change.opens { base.progress.only() } else { base.progress.next(|_| true) };
        if let Some(step) = step {
            match store(&mut base, &mut tickets, &change, value) {
                Ok(changes) => {
                    base.progress.finish(step.name);
                    show_set(&mut base, &change, &changes);
                }
                Err(failure) => base.progress.drop_out(failure),
            }
        }
        Written::new(base)
    }
}

/// Reports what the instance is now.
fn show_set(base: &mut Base<'_>, change: &Set, changes: &[FileChange]) {
    let Set { instance: name, file, .. } = change;
    let pair = base.run.instances.get(name).zip(base.survey.found.get(name));
    let gone = pair.map(|(instance, found)| others(instance, found, file).gone).unwrap_or_default();
    let names = BTreeSet::from([name.clone()]);
    let survey = base.look_again(&names);
    base.report = base.run.rows(&names, &survey);
    base.report.errors.extend(survey.errors.iter().cloned());
    note_strays(&mut base.report, &base.survey, &names);
    note_elsewhere(&mut base.report, &base.survey, &names);
    let recipients = survey.found.get(name).and_then(|found| found.recipients.get(file.as_str()));
    let recipients = recipients.map(BTreeSet::len).filter(|count| *count > 0);
    for row in base.report.rows.values_mut() {
        row.done = Some(RowAction::Set);
        row.file = Some(file.to_string());
        row.recipients = recipients;
        row.files = changes.to_vec();
        row.notes.extend(gone.iter().map(|name| format!("{name}: removed (no longer declared)")));
    }
    note_dependents(base.run, &mut base.report, &names, &BTreeSet::new());
}

/// Stores a value as one file; the others stay as they are. They are read only when their recipients change, too, or when the
/// backend cannot write one file alone. Returns what changed in public files.
fn store(base: &mut Base<'_>, tickets: &mut Tickets, change: &Set, value: Secret) -> Result<Vec<FileChange>, Failure> {
    let Base { run, survey, writers, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let Set { instance: name, file, .. } = change;
    let pair = instances.get(name).zip(survey.found.get(name));
    let (instance, found) = pair.ok_or_else(|| Failure::new(name.to_string(), "its state is unknown"))?;
    let ticket = tickets.take(name).ok_or_else(|| failure::not_accepted(instance))?;
    let made_from = survey.made_from(instance);
    let storing = Storing { instance, found };
    let entry = ticket.entry(instance)?;
    let before = entry.as_ref().map(|entry| entry.public.clone()).unwrap_or_default();
    let (empty, mut public) = (left_empty(instance, found, file), before.clone());
    let is_secret = |name: &Name| instance.artifact.files.get(name).is_some_and(|file| file.secret);
    public.extend(empty.iter().filter(|name| !is_secret(name)).map(|name| (name.to_string(), Vec::new())));
    let empty = empty.iter().filter(|name| is_secret(name));
    let mut secrets: Vec<_> = empty.map(|name| (name.to_string(), Secret::new(Vec::new()))).collect();
    if is_secret(file) {
        secrets.push((file.to_string(), value));
        let stored = secret(tools, storing, &ticket, entry.clone(), file, secrets)?;
        let receipt = match found.receipt.as_ref().filter(|_| entry.is_some()) {
            Some(old) => again(tools, storing, old, file, &stored, &made_from)?,
            None => first(tools, storing, &stored, &made_from)?,
        };
        let changes = public_changes(&before, &public);
        storing.commit(tools, writers, ticket, (stored.files, public), receipt)?;
        return Ok(changes);
    }
    public.insert(file.to_string(), value.expose().to_vec());
    let (files, receipt) = if let (Some(entry), Some(old)) = (entry, &found.receipt) {
        // The secret files stay as they are, for whom they were encrypted to.
        (entry.files, newer(tools, instance, old, &made_from)?)
    } else {
        let stored = storing.serialize(tools, &ticket, None, &secrets).map_err(|stopped| stopped.failure)?;
        let receipt = first(tools, storing, &stored, &made_from)?;
        (stored.files, receipt)
    };
    let changes = public_changes(&before, &public);
    storing.commit(tools, writers, ticket, (files, public), receipt)?;
    Ok(changes)
}

/// Has the backend write these secret files, of which one is given; see [`store`].
fn secret(
    tools: &mut Tools,
    storing: Storing<'_>,
    ticket: &Ticket,
    entry: Option<Entry>,
    file: &Name,
    mut secrets: Vec<(String, Secret)>,
) -> Result<Stored, Failure> {
    let Storing { instance, found, .. } = storing;
    // Only what is stored can be read, and is there to be kept.
    let others: Vec<Name> = found.stored_files(instance).filter(|name| *name != file).cloned().collect();
    let mut why = "its recipients changed, so all of its files must be re-encrypted";
    if others.is_empty() || !recipients_changed(found) {
        match storing.serialize(tools, ticket, entry.clone(), &secrets) {
            Err(stopped) if stopped.needs_all && !others.is_empty() => {
                why = "its backend stores all files together";
            }
            ended => return ended.map_err(|stopped| stopped.failure),
        }
    }
    let read = retrieve_one(tools, instance, others).map_err(|failure| Failure {
        message: format!("{why}, but the other files cannot be read: {}", failure.message),
        ..failure
    })?;
    if read.fingerprint != found.fingerprint {
        return Err(failure::for_instance(instance, "it changed during this run")
            .hint(Some("nothing was changed; run the command again")));
    }
    secrets.extend(read.files.into_iter().map(|(name, secret)| (name.to_string(), secret)));
    storing.serialize(tools, ticket, entry, &secrets).map_err(|stopped| stopped.failure)
}

fn first(tools: &Tools, storing: Storing<'_>, stored: &Stored, dependencies: &Generations) -> Result<Receipt, Failure> {
    let Storing { instance, found, .. } = storing;
    let backend = stored.backend.clone();
    GenerationRecord { instance, found, backend, dependencies, headers: &stored.headers, now: tools.now }.receipt()
}

/// The receipt of a new generation, for the recipients of now. What was sealed before counts for the files that stay.
fn again(
    tools: &Tools,
    storing: Storing<'_>,
    old: &Receipt,
    file: &Name,
    stored: &Stored,
    made_from: &Generations,
) -> Result<Receipt, Failure> {
    let Storing { instance, found, .. } = storing;
    let mut headers = headers::listed(instance, old, &stored.files);
    for (name, new) in &stored.headers {
        headers.entry(name.clone()).or_default().extend(new.clone());
    }
    let files = found.stored_files(instance).chain([file]).cloned().collect();
    let receipt = receipt::rewritten(old, instance, found, stored.backend.clone(), &files, &headers)?;
    newer(tools, instance, &receipt, made_from)
}

/// A new generation of an entry. Only what is replaced whole begins to age again, and counts as made from what is stored now and
/// for what is declared now.
fn newer(tools: &Tools, instance: &Instance, old: &Receipt, made_from: &Generations) -> Result<Receipt, Failure> {
    let receipt = if instance.artifact.files.len() == 1 {
        receipt::renewed(old, instance, made_from, tools.now)
    } else {
        old.clone()
    };
    Ok(Receipt { generation: receipt::generation(instance)?, ..receipt })
}
