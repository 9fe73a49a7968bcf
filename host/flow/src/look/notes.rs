//! What rows say besides their state.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::InstanceState;
use artifacts_report::{Hint, InstanceRow, NowStale, Report, hint_line};

use super::dependents::dependents;
use super::hints::{Everything, hints};
use super::survey::Survey;
use crate::run::Run;

/// Adds to the rows of what is absent or stale what to do about it.
pub(crate) fn add_hints(run: &mut Run, survey: &Survey, report: &mut Report) {
    let is_open =
        |row: &InstanceRow| row.done.is_none() && matches!(row.state, InstanceState::Absent | InstanceState::Stale(_));
    let open: Vec<InstanceName> =
        report.rows.iter().filter(|(_, row)| is_open(row)).map(|(name, _)| name.clone()).collect();
    if open.is_empty() {
        return;
    }
    let orphans = run.former();
    let Run { instances, ordered, tools, .. } = run;
    let declared = Everything { instances, ordered, orphans: &orphans };
    let among = open.iter().filter_map(|name| instances.get(name));
    for (name, hints) in hints(tools, declared, survey, among) {
        if let Some(row) = report.rows.get_mut(&name) {
            row.hints = hints;
        }
    }
}

/// Notes in the rows of what was written what went to the trash with the old entry.
pub(crate) fn note_strays(report: &mut Report, survey: &Survey, written: &BTreeSet<InstanceName>) {
    for name in written {
        let Some((found, row)) = survey.found.get(name).zip(report.rows.get_mut(name)) else { continue };
        if !found.strays.is_empty() {
            let strays: Vec<String> = found.strays.iter().map(|stray| format!("`{stray}`")).collect();
            row.notes.push(format!("moved to the trash with the old entry: {}", strays.join(", ")));
        }
    }
}

/// Notes in the rows of what got new values what became of an entry in another storage.
pub(crate) fn note_elsewhere(report: &mut Report, survey: &Survey, written: &BTreeSet<InstanceName>) {
    for name in written {
        let Some((found, row)) = survey.found.get(name).zip(report.rows.get_mut(name)) else { continue };
        if let Some(place) = &found.elsewhere {
            let what = if place.declared { "was moved to the trash" } else { "is left unchanged" };
            row.notes.push(format!("the entry in `{}` {what}", place.storage));
        }
    }
}

/// Reports what new content makes stale, and notes it in the rows of what has new content, unless it is one of those besides.
pub(crate) fn note_dependents(
    run: &mut Run,
    report: &mut Report,
    new: &BTreeSet<InstanceName>,
    besides: &BTreeSet<InstanceName>,
) {
    let Run { instances, ordered, tools, .. } = run;
    let mut dependents = dependents(tools, instances, new);
    for from in dependents.values_mut() {
        from.retain(|one| !new.contains(*one));
    }
    let names: BTreeSet<InstanceName> = dependents.values().flatten().map(|name| (*name).clone()).collect();
    if names.is_empty() {
        return;
    }
    let survey = super::survey::survey(tools, instances, &names);
    let declared = Everything { instances, ordered, orphans: &[] };
    let hints = hints(tools, declared, &survey, names.iter().filter_map(|name| instances.get(name)));
    let mut told: BTreeSet<&InstanceName> = BTreeSet::new();
    for (name, mut from) in dependents {
        for one in &from {
            if told.insert(one) {
                let hints = hints.get(*one).cloned().unwrap_or_default();
                report.now_stale.push(NowStale { name: (*one).clone(), dependency: name.clone(), hints });
            }
        }
        from.retain(|one| !besides.contains(*one));
        if let Some(row) = report.rows.get_mut(name).filter(|_| !from.is_empty()) {
            row.sentences.push(made_from(&from, &hints));
        }
    }
}

/// Names the dependents of an instance, and what keeps their values or replaces them.
fn made_from(dependents: &[&InstanceName], hints: &BTreeMap<InstanceName, Vec<Hint>>) -> String {
    let names: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    // Those to which the same applies are named in one command.
    let mut alike: BTreeMap<String, Vec<(&InstanceName, &str)>> = BTreeMap::new();
    for (name, text) in dependents.iter().zip(&names) {
        let Some(line) = hints.get(*name).and_then(|hints| hint_line(hints, &[text])) else { continue };
        alike.entry(line.replace(text.as_str(), "")).or_default().push((name, text));
    }
    let line = |alike: &Vec<(&InstanceName, &str)>| {
        let texts: Vec<&str> = alike.iter().map(|(_, text)| *text).collect();
        hint_line(hints.get(alike.first()?.0)?, &texts)
    };
    let lines = alike.values().filter_map(line);
    let made = format!("now stale: {}", names.join(", "));
    std::iter::once(made).chain(lines).collect::<Vec<String>>().join("; ")
}
