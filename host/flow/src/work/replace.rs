//! Values that are replaced: which are left to a person, and what is asked first.

use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Rotation};
use artifacts_plan::Selector;
use artifacts_report::{Failure, ReplacedValue, Report};
use artifacts_text::{agreeing, counted};

use crate::agree::refused::nothing;
use crate::chain::Base;
use crate::look::dependents::dependents;
use crate::look::steps::{GenerateScope, Step, steps};
use crate::look::survey::Survey;
use crate::run::{Run, number_of};
use crate::tools::{Answer, Question};

/// Returns the steps for these instances, and those that would be among them but for their declaration: a value that is replaced by
/// hand is replaced only where a selector names it in full.
pub(super) fn replacing(
    run: &Run,
    ready: &BTreeSet<InstanceName>,
    survey: &Survey,
    wanted: GenerateScope,
    selectors: &[Selector],
) -> (Vec<Step>, BTreeSet<InstanceName>) {
    let steps_of = |chosen: &BTreeSet<InstanceName>| steps(&run.instances, &run.ordered, chosen, survey, wanted);
    let all = steps_of(ready);
    let named = run.named_in_full(selectors);
    let by_hand = |step: &&Step| step.again && !named.contains(&step.name) && is_manual(run, &step.name);
    let manual: BTreeSet<InstanceName> = all.iter().filter(by_hand).map(|step| step.name.clone()).collect();
    if manual.is_empty() { (all, manual) } else { (steps_of(&(ready - &manual)), manual) }
}

fn is_manual(run: &Run, name: &InstanceName) -> bool {
    run.instances.get(name).is_some_and(|instance| instance.artifact.rotation == Rotation::Manual)
}

/// Asks before values are replaced, once in a run about each. After a no nothing is done, not even what is generated for the first time.
pub(super) fn confirm(base: &mut Base<'_>) -> Result<(), Failure> {
    let values = values(base);
    if values.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<InstanceName> = values.iter().map(|value| value.name.clone()).collect();
    let what = counted(values.len(), "value");
    match base.run.tools.operator.confirm(&Question::Replace(&values))? {
        Answer::Yes { .. } => base.run.state.replaced.extend(names),
        Answer::No => {
            let were = agreeing(values.len(), "was", "were");
            base.progress.drop_all(nothing(&format!("{what} {were} not replaced")));
        }
        Answer::NoOne => {
            let why = format!("confirmation is required to replace {what}, but no terminal is available");
            let hint = "pass `--yes` to replace them; `--dry-run` lists them";
            base.progress.drop_all(Failure::new("", why).hint(Some(hint)));
        }
    }
    Ok(())
}

/// The values that steps replace and no one agreed to yet, dependencies first.
fn values(base: &Base<'_>) -> Vec<ReplacedValue> {
    let Base { run, survey, progress, .. } = base;
    let steps: Vec<Step> = progress.steps().into_iter().filter(|step| step.again).collect();
    let names: BTreeSet<InstanceName> = steps.iter().map(|step| step.name.clone()).collect();
    let dependents = dependents(&run.tools, &run.instances, &names);
    let value = |step: &Step| {
        let (instance, found) = run.instances.get(&step.name).zip(survey.found.get(&step.name))?;
        let stale = dependents.get(&step.name).into_iter().flatten().filter(|name| !names.contains(**name));
        Some(ReplacedValue {
            name: step.name.clone(),
            recipients: number_of(&found.recipients),
            reasons: found.state.reasons().iter().map(|reason| reason.message.clone()).collect(),
            units: instance.units.clone(),
            dependents: stale.map(|name| (*name).clone()).collect(),
        })
    };
    steps.iter().filter(|step| !run.state.replaced.contains(&step.name)).filter_map(value).collect()
}

/// Notes in the rows of a preview what would become stale with a value.
pub(super) fn preview(base: &mut Base<'_>) {
    for value in values(base) {
        let row = base.report.rows.get_mut(&value.name);
        if let Some((row, stale)) = row.zip(value.made_stale(ToString::to_string)) {
            row.notes.push(stale);
        }
    }
}

/// Notes in the rows of what is replaced which units take notice, and in others that they are replaced by hand.
pub(super) fn note(run: &Run, steps: &[Step], manual: &BTreeSet<InstanceName>, report: &mut Report) {
    for step in steps.iter().filter(|step| step.again) {
        if let Some((row, instance)) = report.rows.get_mut(&step.name).zip(run.instances.get(&step.name)) {
            row.units.clone_from(&instance.units);
        }
    }
    for name in manual {
        if let Some(row) = report.rows.get_mut(name) {
            row.is_manual = true;
        }
    }
}
