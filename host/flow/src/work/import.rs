//! Values of other tools, stored as they are declared.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Instance, InstanceState};
use artifacts_report::{Effect, Failure, Hint, Report, RowAction};
use artifacts_seam::Secret;
use artifacts_text::listed;

use super::commit::Storing;
use super::taking::{TakenEntry, decrypt, store};
use crate::agree::recipients::{ImportKind, WriteKind};
use crate::agree::{Ticket, Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::look::changes::{Writing, changes};
use crate::look::import_document::SourceFiles;
use crate::look::import_source::ImportSource;
use crate::look::importable::{Sources, Taking, takings};
use crate::look::source::Source;
use crate::look::steps::Step;
use crate::look::survey::Survey;
use crate::run::{Run, Selection};
use crate::tools::{Phase, RunEvent, Tools};

/// Secrets of so many instances are in memory at once. Plugins, which may want a touch, are asked once for all of them.
const AT_ONCE: usize = 1000;

/// Stores the values of other tools' files in declared instances that are absent. It is made by [`Run::select_import`].
#[derive(Debug, Clone, Default)]
pub struct Import {
    sources: BTreeMap<InstanceName, Sources>,
    /// What a person does for instances of whose values none is taken.
    by_hand: BTreeMap<InstanceName, String>,
}

/// What a plan to import knows.
#[derive(Default)]
pub struct ImportPlan(BTreeMap<InstanceName, Taking>);

impl Run {
    /// Returns a selection of the declared instances that these files have values of, and the change that stores them. An
    /// instance that is not declared is an error of the selection. Those `by_hand` have values that are not taken: as long as they are
    /// absent, they are work left, with what a person does about it.
    ///
    /// # Errors
    /// When one file of an instance has two sources.
    pub fn select_import(
        &self,
        sources: Vec<ImportSource>,
        by_hand: BTreeMap<InstanceName, String>,
    ) -> Result<(Selection, Import), Failure> {
        let mut import = Import { by_hand, ..Import::default() };
        for source in sources {
            let of_instance = import.sources.entry(source.instance.clone()).or_default();
            if let Some(first) = of_instance.insert(source.file.clone(), source.clone()) {
                let why = format!("the file has two sources, {} as well", first.shown());
                return Err(source.failure(&why).hint(Some("declare an artifact for each of them")));
            }
        }
        let all = import.sources.keys().chain(import.by_hand.keys()).cloned();
        let (names, undeclared): (BTreeSet<InstanceName>, BTreeSet<InstanceName>) =
            all.partition(|name| self.instances.contains_key(name));
        let undeclared = undeclared.into_iter().map(|name| {
            self.error_of(&name).unwrap_or_else(|| {
                Failure::new(name.to_string(), "not declared").hint(Some("declare it, then import again"))
            })
        });
        let selection = Selection { selectors: Vec::new(), names, errors: undeclared.collect() };
        Ok((selection, import))
    }

    /// Returns the instances that are stored exactly as these files have their values. Of what was encrypted again that does not show.
    pub fn holds(&self, import: &Import) -> BTreeSet<InstanceName> {
        let is_held = |(name, sources): &(&InstanceName, &Sources)| {
            self.instances.get(*name).is_some_and(|instance| is_stored(&self.tools, instance, sources))
        };
        import.sources.iter().filter(is_held).map(|(name, _)| name.clone()).collect()
    }
}

/// What cannot be read is no proof.
fn is_stored(tools: &Tools, instance: &Instance, sources: &Sources) -> bool {
    let stored = Source::own(tools, instance).and_then(|source| source.read(&tools.root, instance));
    let (Ok(Some(stored)), Ok(files)) = (stored, SourceFiles::read(&tools.root, instance, sources)) else {
        return false;
    };
    files.unchanged().is_some_and(|unchanged| unchanged == stored.files) && files.public == stored.public
}

impl Planned for Import {
    type Details = ImportPlan;

    /// Files are taken unchanged although no one here encrypts to their recipients; the plan looks at the others.
    fn encrypts(&self) -> bool {
        false
    }

    fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<ImportPlan> {
        let Run { tools, instances, ordered, .. } = &mut *run;
        let chosen = ordered.iter().filter(|name| selection.names.contains(*name));
        let wanted = chosen.filter_map(|name| Some((instances.get(name)?, self.sources.get(name)?)));
        let (takings, mut failures) = takings(tools, survey, wanted);
        let (mut steps, mut details) = (Vec::new(), BTreeMap::new());
        for taking in takings {
            let instance = run.instances.get(&taking.name);
            if let Some(failure) = instance.and_then(|instance| run.unknown_recipients(instance)) {
                failures.push(failure);
            } else {
                steps.push(Step { again: false, ..Step::again(taking.name.clone()) });
                details.insert(taking.name.clone(), taking);
            }
        }
        Plan { steps, failures, details: ImportPlan(details) }
    }

    fn begin(&self, run: &mut Run, selection: &Selection, survey: &Survey, _: &Plan<ImportPlan>) -> Report {
        let errors = selection.errors.iter().chain(&survey.errors).cloned().collect();
        let mut report = Report { errors, ..run.rows(&selection.names, survey) };
        for (name, row) in report.rows.iter_mut().filter(|(_, row)| row.state == InstanceState::Absent) {
            row.hints = self.by_hand.get(name).map(|how| Hint::text(Effect::Keeps, how)).into_iter().collect();
        }
        report
    }

    fn describe(&self, base: &mut Base<'_>, plan: &mut ImportPlan) -> Result<(), Failure> {
        plan.show_adoptions(base);
        ask::preview_recipients(base, WriteKind::Imported(&plan.kinds()), &[])?;
        let Base { run, survey, report, .. } = base;
        for (name, taking) in &plan.0 {
            let found = run.instances.get(name).zip(survey.found.get(name));
            let Some((row, (instance, found))) = report.rows.get_mut(name).zip(found) else { continue };
            row.done = Some(RowAction::WouldImport);
            row.notes.push(origin(taking, !taking.decrypts));
            row.files = match taking.adoption.as_ref().filter(|_| !taking.decrypts) {
                Some(adoption) => adoption.files.clone(),
                None => changes(&run.tools, instance, found, Writing::All),
            };
        }
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, plan: &mut ImportPlan) -> Result<Tickets, Failure> {
        plan.show_adoptions(base);
        Ok(ask::recipients(base, WriteKind::Imported(&plan.kinds()), &[], false)?.1)
    }
}

impl ImportPlan {
    /// What is asked about, by instance.
    fn kinds(&self) -> BTreeMap<InstanceName, ImportKind> {
        let kind = |taking: &Taking| ImportKind {
            headers: taking.adoption.as_ref().map(|adoption| adoption.headers.clone()).unwrap_or_default(),
            encrypts: taking.decrypts,
        };
        self.0.iter().map(|(name, taking)| (name.clone(), kind(taking))).collect()
    }

    /// Shows what would be accepted of files that are taken unchanged.
    fn show_adoptions(&self, base: &mut Base<'_>) {
        let unchanged = self.0.values().filter(|taking| !taking.decrypts);
        for adoption in unchanged.filter_map(|taking| taking.adoption.as_ref()) {
            base.run.tools.operator.notify(&RunEvent::Adoption(adoption));
        }
    }
}

impl<'r> Agreed<'r, Import> {
    /// Stores the values, one instance by one. The files that they come from stay as they are. A failure stops no other.
    pub fn import(self) -> Written<'r> {
        let Self { mut base, details: ImportPlan(mut plan), mut tickets, .. } = self;
        let mut notes = BTreeMap::new();
        loop {
            let mut batch = base.progress.next_batch(AT_ONCE);
            if batch.is_empty() {
                break;
            }
            let Run { tools, instances, .. } = &mut *base.run;
            let mut values = decrypt(tools, instances, batch.iter().filter_map(|step| plan.get(&step.name)));
            while let Some(Step { name, .. }) = base.progress.next_of(&mut batch, 1).pop() {
                let taken = plan.remove(&name).zip(tickets.take(&name));
                let missing = || Failure::new(name.to_string(), "its import was not confirmed");
                let value = values.remove(&name).unwrap_or_else(|| Ok(Vec::new()));
                let stored = taken.ok_or_else(missing).and_then(|(taking, ticket)| {
                    let origins = [true, false].map(|is_unchanged| origin(&taking, is_unchanged));
                    let stored = take(&mut base, &name, (taking, value), ticket)?;
                    let [unchanged, encrypted] = origins;
                    Ok(if stored.is_unchanged { unchanged } else { encrypted })
                });
                match stored {
                    Ok(origin) => {
                        notes.insert(name.clone(), origin);
                        base.progress.finish(name);
                    }
                    Err(failure) => base.progress.drop_out(failure),
                }
            }
        }
        base.run.tools.operator.phase(Phase::Idle);
        show_imported(&mut base, notes);
        Written::new(base)
    }
}

type Value = Result<Vec<(String, Secret)>, Failure>;

/// Stores the value of one instance. What is imported after it and depends on it counts as generated from it.
fn take(
    base: &mut Base<'_>,
    name: &InstanceName,
    taken: (Taking, Value),
    ticket: Ticket,
) -> Result<TakenEntry, Failure> {
    let Base { run, survey, writers, .. } = base;
    let Run { tools, instances, .. } = &mut **run;
    let unknown = || Failure::new(name.to_string(), "its state is unknown");
    let (instance, found) = instances.get(name).zip(survey.found.get(name)).ok_or_else(unknown)?;
    let made_from = survey.made_from(instance);
    let stored = store(tools, writers, Storing { instance, found }, taken, ticket, &made_from)?;
    survey.generated(name, stored.generation);
    Ok(stored)
}

/// Where a value comes from.
fn origin(taking: &Taking, is_unchanged: bool) -> String {
    let paths: Vec<&String> = taking.paths.iter().collect();
    let how = if is_unchanged { "unchanged" } else { "encrypted to the declared recipients" };
    format!("from {}: {how}", listed(&paths))
}

/// Reports what the instances are now.
fn show_imported(base: &mut Base<'_>, notes: BTreeMap<InstanceName, String>) {
    let done: BTreeSet<InstanceName> = notes.keys().cloned().collect();
    let survey = base.look_again(&done);
    base.report.errors.extend(survey.errors.iter().cloned());
    base.report.update(survey.states());
    base.report.mark(&done, RowAction::Imported);
    for (name, note) in notes {
        if let Some(row) = base.report.rows.get_mut(&name) {
            row.notes.insert(0, note);
        }
    }
}
