//! New values: which instances are generated, and what is asked first.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use artifacts_declared::InstanceName;
use artifacts_plan::{Instance, InstanceState};
use artifacts_report::{Failure, Report, RowAction};

use super::{generation, prompts, replace};
use crate::agree::read_access::ReadRequests;
use crate::agree::recipients::WriteKind;
use crate::agree::refused::keep_allowed;
use crate::agree::{Tickets, ask};
use crate::chain::{Agreed, Base, Plan, Planned, Written};
use crate::failure;
use crate::look::changes::Writing;
use crate::look::foreseeable::foreseeable_error;
use crate::look::index::{compare_index, deleted, index_fault};
use crate::look::notes::{add_hints, note_dependents, note_elsewhere, note_strays};
use crate::look::renamed::fault;
use crate::look::steps::{GenerateScope, Replaces, Step, waiting};
use crate::look::survey::Survey;
use crate::look::{blocked, preview};
use crate::run::{Run, Selection};
use crate::tools::{FormerValue, Question, RunEvent};

/// Generates what is absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Generate {
    /// Which stored values are replaced.
    pub replaces: Replaces,
    /// Whether what is absent is left alone, unless a value that is replaced is made from it.
    pub only_stored: bool,
    /// Whether new values are generated although an orphaned entry may have the old ones. For a preview, which asks no one.
    pub yes: bool,
}

/// What a plan to generate knows.
#[derive(Default)]
pub struct GeneratePlan {
    /// What cannot be generated before another evaluation, and for which instance each waits.
    waiting: BTreeMap<InstanceName, InstanceName>,
    /// What was to be generated, before anything dropped out.
    sought: BTreeSet<InstanceName>,
    /// What would be generated again but is replaced by hand.
    manual: BTreeSet<InstanceName>,
}

impl Generate {
    fn wanted(self) -> GenerateScope {
        GenerateScope { replaces: self.replaces, only_stored: self.only_stored }
    }
}

impl Planned for Generate {
    type Details = GeneratePlan;

    fn reaches(&self) -> bool {
        true
    }

    fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<GeneratePlan> {
        let waiting = waiting(&run.instances, &run.ordered, &run.unknown, survey);
        let ready = selection.names.iter().filter(|name| !waiting.contains_key(*name)).cloned().collect();
        let (steps, manual) = replace::replacing(run, &ready, survey, self.wanted(), &selection.selectors);
        survey.mark_blocked(&waiting, self.wanted());
        let sought = steps.iter().map(|step| step.name.clone()).collect();
        Plan { steps, failures: Vec::new(), details: GeneratePlan { waiting, sought, manual } }
    }

    fn begin(&self, run: &mut Run, selection: &Selection, survey: &Survey, plan: &Plan<GeneratePlan>) -> Report {
        let names = selection.names.union(&plan.details.sought).cloned().collect();
        let is_complete = selection.selectors.is_empty();
        let sought = Selection { names, ..selection.clone() };
        let mut report = Report { is_complete, ..run.found(&sought, survey) };
        blocked::mark(run, &plan.details.waiting, &mut report);
        replace::note(run, &plan.steps, &plan.details.manual, &mut report);
        if self.replaces == Replaces::Outdated || self.only_stored {
            add_hints(run, survey, &mut report);
        }
        report
    }

    fn describe(&self, base: &mut Base<'_>, _: &mut GeneratePlan) -> Result<(), Failure> {
        keep_makeable(base);
        let names = base.progress.names();
        let indexed = compare_index(&base.run.tools, base.run.among(&names)).by_name;
        let fault = |instance: &Instance| index_fault(instance, indexed.get(&instance.name)?);
        base.progress.keep_chained(&base.run.instances, fault);
        if !self.yes {
            let former = former_values(base);
            base.progress.keep_chained(&base.run.instances, |instance| former_value(instance, &former));
        }
        prompts::keep_answered(base, true);
        base.report.read_requests = readings(base)?.unknown(&base.run.tools.trust)?;
        prompts::preview_access(base)?;
        let steps: BTreeMap<InstanceName, bool> =
            base.progress.steps().into_iter().map(|step| (step.name, step.again)).collect();
        let done = |name: &InstanceName| match steps.get(name) {
            Some(true) => RowAction::WouldRegenerate,
            _ => RowAction::WouldGenerate,
        };
        preview::describe(base, Writing::All, done);
        replace::preview(base);
        ask::preview_recipients(base, WriteKind::New, &[])?;
        prompts::note(base);
        base.run.tools.operator.notify(&RunEvent::Preview(&base.report));
        Ok(())
    }

    fn ask(&mut self, base: &mut Base<'_>, _: &mut GeneratePlan) -> Result<Tickets, Failure> {
        base.skip(|run, instance| run.state.skipped.contains(&instance.name));
        // What is agreed to from here on does not count as known before.
        let known = base.run.tools.recipients()?;
        keep_makeable(base);
        let former = former_values(base);
        if !former.is_empty() {
            let answer = base.run.tools.operator.confirm(&Question::NewValues(&former))?;
            let fault = |_: &Run, instance: &Instance| former_value(instance, &former).filter(|_| !answer.is_yes());
            keep_allowed(base, &answer, fault, |names| format!("no new value was generated for {names}"));
        }
        ask::keep_storable(base, true);
        replace::confirm(base)?;
        let (changes, tickets) = ask::recipients(base, WriteKind::New, &[], true)?;
        base.report.recipients = changes;
        let steps = base.progress.steps();
        let Run { tools, instances, state, .. } = &mut *base.run;
        let asked = ReadRequests::new(tools, &known, instances, &base.survey, &steps, &state.inputs);
        let (allowed, readings, answer) = ask::read_access(tools, asked)?;
        base.report.read_requests = readings;
        state.inputs.allow(allowed);
        let fault = |run: &Run, instance: &Instance| run.state.inputs.denied_access(instance);
        keep_allowed(base, &answer, fault, |names| format!("read access of {names} was not allowed"));
        let Run { tools, instances, state, .. } = &mut *base.run;
        state.inputs.read(tools, instances, &base.survey, &base.progress.steps());
        base.progress.keep_chained(instances, |instance| state.inputs.unread_dependency(instance));
        prompts::agree(base)?;
        prompts::keep_answered(base, false);
        if !base.progress.is_empty() {
            let names = base.progress.names();
            if base.run.among(&names).any(|instance| !instance.artifact.is_typed()) {
                base.run.tools.generators.ready()?;
            }
            prompts::enter(base)?;
        }
        Ok(tickets)
    }
}

impl<'r> Agreed<'r, Generate> {
    /// Runs the generators, up to `jobs` at once, and stores what they write.
    pub fn generate(self, jobs: NonZeroUsize) -> Written<'r> {
        let Self { mut base, details, tickets, .. } = self;
        let GeneratePlan { waiting, sought, .. } = details;
        let steps = base.progress.steps();
        let changes = generation::run(&mut base, tickets, jobs);
        base.take_failures();
        let generated = base.progress.done().clone();
        base.survey.made(&generated, &base.run.instances);
        note_strays(&mut base.report, &base.survey, &generated);
        note_elsewhere(&mut base.report, &base.survey, &generated);
        for (name, files) in changes {
            if let Some(row) = base.report.rows.get_mut(&name) {
                row.files = files;
            }
        }
        let (again, first): (Vec<Step>, Vec<Step>) =
            steps.into_iter().filter(|step| generated.contains(&step.name)).partition(|step| step.again);
        base.report.mark(again.iter().map(|step| &step.name), RowAction::Regenerated);
        base.report.mark(first.iter().map(|step| &step.name), RowAction::Generated);
        base.report.update(base.survey.states());
        // What is selected has a row of its own, and what was generated was generated from it.
        let named = base.selection.names.union(&generated).cloned().collect();
        note_dependents(base.run, &mut base.report, &generated, &named);
        let is_error = |name: &InstanceName| {
            base.survey.found.get(name).is_some_and(|found| matches!(found.state, InstanceState::Error(_)))
        };
        let settled = base.selection.names.iter().filter(|name| !is_error(name) && !waiting.contains_key(*name));
        base.run.state.settled.extend(settled.cloned());
        let failed = sought.difference(&generated).filter(|name| !base.run.state.skipped.contains(*name));
        let failed: Vec<InstanceName> = failed.cloned().collect();
        base.run.state.failed.extend(failed);
        Written::new(base)
    }
}

/// Leaves what is not certain to fail.
fn keep_makeable(base: &mut Base<'_>) {
    let all = base.progress.names();
    let Base { run, survey, progress, .. } = base;
    progress.keep_chained(&run.instances, |instance| {
        let is_stored = survey.found.get(&instance.name).is_some_and(|found| found.fingerprint.is_some());
        let unknown = run.unknown_recipients(instance).filter(|_| is_stored);
        let foreseeable_error =
            || foreseeable_error(instance, &run.instances, survey, &all, |name| run.state.inputs.has(name));
        run.state.earlier_failure(instance).or(unknown).or_else(foreseeable_error)
    });
}

/// Returns the steps for which a value may exist: where an entry that is no longer declared has the same files, an instance was
/// renamed perhaps, and no one generates a new value for it unasked. The same goes for an entry that was deleted and that git has.
fn former_values(base: &mut Base<'_>) -> Vec<FormerValue> {
    let steps = base.progress.steps();
    let new: BTreeSet<InstanceName> = steps.into_iter().filter(|step| !step.again).map(|step| step.name).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let orphans = base.run.former();
    let Base { run, survey, .. } = base;
    let deleted = deleted(&run.tools, run.among(&new));
    let Run { instances, tools, .. } = &mut **run;
    let mut former = |instance: &Instance| {
        let name = instance.name.clone();
        if let Some(command) = deleted.get(&name) {
            let why = "it was deleted, but git still has it".to_owned();
            return Some(FormerValue { name, why, keep: format!("`{command}`") });
        }
        let old = orphans.iter().find(|orphan| orphan.is_twin(instance))?;
        let why = format!("`{}/{}` has the same files and is no longer declared", old.storage, old.name);
        let fault = survey.found.get(&name).map(|found| fault(tools, instance, found, &old.name));
        let keep = match fault {
            Some(None) => {
                format!("`artifacts rename {} {}`", failure::quoted_name(&old.name), failure::quoted_name(&name))
            }
            _ => "declare it under its old name again".to_owned(),
        };
        Some(FormerValue { name, why, keep })
    };
    new.iter().filter_map(|name| former(instances.get(name)?)).collect()
}

/// Why an instance is not generated that may have another value.
fn former_value(instance: &Instance, former: &[FormerValue]) -> Option<Failure> {
    let FormerValue { name, why, keep } = former.iter().find(|one| one.name == instance.name)?;
    let why = format!("{why}: a new value would differ from the stored one");
    let name = failure::quoted_name(name);
    let hint = format!("keep: {keep}; new value: `artifacts generate --yes {name}`");
    Some(failure::for_instance(instance, why).hint(Some(hint)))
}

/// What generators would read, as far as the admin has not accepted it.
fn readings(base: &Base<'_>) -> Result<ReadRequests, Failure> {
    let Run { tools, instances, state, .. } = &*base.run;
    let known = tools.recipients()?;
    Ok(ReadRequests::new(tools, &known, instances, &base.survey, &base.progress.steps(), &state.inputs))
}
