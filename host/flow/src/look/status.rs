//! The state of every instance, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use artifacts_declared::InstanceName;
use artifacts_plan::InstanceState;
use artifacts_report::{Effect, Hint, Orphaned, Report, Way, days};
use artifacts_session::CheckMemo;
use artifacts_store::Settlement;

use super::conflicts::{conflicts, removal};
use super::notes::add_hints;
use super::orphans::Orphan;
use super::steps::{GenerateScope, waiting};
use super::survey::{Survey, SurveyedInstance};
use super::{blocked, staged};
use crate::run::{Run, Selection, number_of};

/// So long before it expires, it is reported.
const SOON: Duration = Duration::from_hours(14 * 24);

/// Returns the rows of the selected instances, with hints, and the orphaned entries. What expires `within` a time that was asked for is
/// work left.
pub(crate) fn report(run: &mut Run, selection: &Selection, mut survey: Survey, within: Option<Duration>) -> Report {
    let ages = ages(run, &survey, within);
    let waiting = waiting_for(run, &mut survey);
    survey.mark_blocked(&waiting, GenerateScope::default());
    run.tools.report_missing_layers();
    // Git is run beside what is kept of all instances: no memory is left to workers that have answered, nor to answers.
    run.tools.backends.close();
    run.tools.memo = CheckMemo::unused();
    let mut report = run.rows(&selection.names, &survey);
    report.is_complete = selection.selectors.is_empty();
    add_details(run, &survey, &mut report);
    report.errors.extend(selection.errors.iter().cloned());
    report.errors.append(&mut survey.errors);
    add_hints(run, &survey, &mut report);
    add_orphans(run, selection, &survey, &mut report);
    blocked::mark(run, &waiting, &mut report);
    for (name, left) in ages {
        if let Some(row) = report.rows.get_mut(&name).filter(|row| row.state == InstanceState::Present) {
            row.sentences.push(format!("expires in {}", days(left)));
            row.expires_in = Some(left);
            row.is_due = within.is_some();
        }
    }
    blocked::explain(run, &mut report);
    let notes = std::mem::take(&mut survey.notes);
    // What git has of all files takes its place.
    drop(survey);
    staged::explain(run, &mut report, &notes);
    report
}

/// Entries that no declaration owns are work left.
fn add_orphans(run: &Run, selection: &Selection, survey: &Survey, report: &mut Report) {
    let orphans = run.orphans().found;
    let (chosen, _) =
        artifacts_plan::select(&orphans.iter().map(|orphan| &orphan.name).collect(), &selection.selectors);
    let meant = |orphan: &&Orphan| chosen.contains(&orphan.name);
    let place = |orphan: &Orphan| (orphan.storage.clone(), orphan.name.clone());
    let conflicts = conflicts(&run.tools, orphans.iter().filter(meant).map(place));
    // A second entry of what is declared is told of as an error.
    let unowned = orphans.iter().filter(|orphan| !run.instances.contains_key(&orphan.name));
    let orphaned = unowned.filter(meant).map(|orphan| {
        let new = new_name(orphan, survey, report);
        let (name, storage) = (orphan.name.to_string(), orphan.storage.clone());
        let orphaned = Orphaned::new(name, storage, orphan.backend.clone(), new.as_deref());
        // Neither command takes it before one version is chosen.
        let settle = |settlement: &Settlement| {
            let keep = Hint::text(Effect::Keeps, format!("unresolved merge conflict: {}", settlement.keeping()));
            [Some(keep), removal(settlement)].into_iter().flatten().collect()
        };
        Orphaned { hints: conflicts.get(&place(orphan)).map_or(orphaned.hints, settle), ..orphaned }
    });
    report.orphaned = orphaned.collect();
    for (_, old) in conflicts.keys() {
        let old = old.to_string();
        for row in report.rows.values_mut().filter(|row| row.hints.iter().any(|hint| renames(hint, &old))) {
            row.hints.clear();
        }
    }
}

/// Whether a hint keeps the value of an old name.
fn renames(hint: &Hint, old: &str) -> bool {
    let Way::Command(words) = &hint.way else { return false };
    matches!(words.as_slice(), [_, command, first, _] if command == "rename" && first == old)
}

/// The instance that may have the value of an entry: the one that is told so, or the one that has it and did not trash the entry.
fn new_name(orphan: &Orphan, survey: &Survey, report: &Report) -> Option<String> {
    let old = orphan.name.to_string();
    let told = report.rows.iter().find(|(_, row)| row.hints.iter().any(|hint| renames(hint, &old)));
    let begun = || {
        let has_it =
            |found: &SurveyedInstance| found.receipt.as_ref().is_some_and(|own| own.former.contains(&orphan.name));
        survey.found.iter().find(|(_, found)| has_it(found)).map(|(name, _)| name)
    };
    told.map(|(name, _)| name).or_else(begun).map(ToString::to_string)
}

/// Adds to the rows what an admin is asked for, and of what is stored, its recipients and its day.
fn add_details(run: &Run, survey: &Survey, report: &mut Report) {
    for (name, row) in &mut report.rows {
        let Some((instance, found)) = run.instances.get(name).zip(survey.found.get(name)) else { continue };
        if row.state == InstanceState::Absent {
            row.prompts = instance.artifact.prompts.keys().map(ToString::to_string).collect();
        }
        // Of what is not stored no one is a recipient.
        row.recipients = None;
        if let Some(receipt) = &found.receipt {
            row.recipients = number_of(&receipt.recipients);
            row.day = receipt.generated.to_string().split('T').next().map(str::to_owned);
        }
    }
}

/// How many seconds there are left of what expires soon: within this time; by itself within two weeks, and in the last tenth of its age.
fn ages(run: &Run, survey: &Survey, within: Option<Duration>) -> BTreeMap<InstanceName, u64> {
    let left = |(name, found): (&InstanceName, &SurveyedInstance)| {
        let age = Duration::from(run.instances.get(name)?.artifact.max_age?);
        let since = run.tools.now.duration_since(found.receipt.as_ref()?.generated.system()).ok()?;
        let left = age.checked_sub(since)?;
        (left <= within.unwrap_or((age / 10).min(SOON))).then(|| (name.clone(), left.as_secs()))
    };
    survey.found.iter().filter_map(left).collect()
}

/// What is absent and cannot be generated yet, and what it waits for. Only what that depends on is surveyed beyond what was selected.
fn waiting_for(run: &mut Run, survey: &mut Survey) -> BTreeMap<InstanceName, InstanceName> {
    let absent = survey.found.iter().filter(|(_, found)| found.state == InstanceState::Absent);
    let absent: BTreeSet<InstanceName> = absent.map(|(name, _)| name.clone()).collect();
    if absent.is_empty() {
        return BTreeMap::new();
    }
    let mut reach = run.with_dependencies(&absent);
    reach.retain(|name| !survey.found.contains_key(name));
    survey.found.extend(run.survey_instances(&reach).found);
    waiting(&run.instances, &run.ordered, &run.unknown, survey)
}
