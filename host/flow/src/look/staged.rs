//! What a report says of git's index.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_plan::InstanceState;
use artifacts_report::{Effect, Hint, Report, Unstaged};
use artifacts_store::{EntryNotes, MergeSide, Settlement, Staged};
use artifacts_text::Explain;

use super::conflicts::{git_hint, removal};
use super::index::{Indexed, compare_noted, index_fault, is_stageable};
use crate::run::Run;
use crate::tools::RunEvent;

/// Notes in each row whether git knows the entry as it is stored. Where this run stored nothing, what keeps git from knowing it was
/// not told yet.
pub(crate) fn mark(run: &Run, report: &mut Report) {
    let indexed = read_index(run, report, &EntryNotes::new());
    add_sentences(run, report, &indexed);
}

/// The same where entries were just looked at, and what to do about it.
pub(crate) fn explain(run: &mut Run, report: &mut Report, notes: &EntryNotes) {
    let indexed = read_index(run, report, notes);
    add_sentences(run, report, &indexed);
    for (name, row) in &mut report.rows {
        match indexed.by_name.get(name) {
            // Nothing is known of the value, and none is generated; or one version is chosen before anything else is done.
            Some(Staged::Sparse | Staged::Submodule { .. } | Staged::Conflict(_)) => row.hints.clear(),
            Some(Staged::Deleted { command }) if row.state == InstanceState::Absent => {
                row.hints = vec![Hint::text(Effect::Keeps, format!("`{command}`"))];
                let words = ["artifacts", "generate", "--yes"].map(str::to_owned).into_iter().chain([name.to_string()]);
                row.hints.push(Hint::command(Effect::Replaces, words));
            }
            _ => {}
        }
    }
    for warning in indexed.warnings {
        run.tools.operator.notify(&RunEvent::Warning(&warning.to_string(), warning.hint().as_deref()));
    }
}

fn read_index(run: &Run, report: &mut Report, notes: &EntryNotes) -> Indexed {
    let names: BTreeSet<InstanceName> = report.rows.keys().cloned().collect();
    let mut indexed = compare_noted(&run.tools, run.among(&names), notes);
    for (name, row) in &mut report.rows {
        row.staged = indexed.by_name.get(name).filter(|staged| staged.is_stored()).map(Staged::is_yes);
    }
    let failures = std::mem::take(&mut indexed.failures);
    let outside = run.among(&names).filter_map(|instance| {
        let staged = indexed.by_name.get(&instance.name)?;
        if staged.is_stored() { None } else { index_fault(instance, staged) }
    });
    report.add_errors(outside.chain(failures));
    indexed
}

fn add_sentences(run: &Run, report: &mut Report, indexed: &Indexed) {
    for (name, row) in report.rows.iter_mut().filter(|(_, row)| row.done.is_none()) {
        let Some(staged) = indexed.by_name.get(name).filter(|staged| !staged.is_yes()) else { continue };
        let instance = run.instances.get(name);
        // What was changed since it was stored is first accepted or undone, as its own row says.
        let is_stageable = instance.is_some_and(|instance| is_stageable(&run.tools, instance));
        let is_told = match staged {
            Staged::Conflict(_) => false,
            _ => !is_stageable,
        };
        row.sentences.extend(sentence(name, staged, is_stageable));
        row.unstaged = if is_told { None } else { unstaged(name, staged) };
    }
}

/// Why git does not know an entry as it is stored, and what to do about it.
fn unstaged(name: &InstanceName, staged: &Staged) -> Option<Unstaged> {
    let hint = |command: &String| git_hint(Effect::Keeps, command);
    let (why, hints) = match staged {
        Staged::Yes | Staged::Sparse | Staged::Submodule { .. } | Staged::Deleted { .. } => return None,
        // A run that writes stages what an earlier one could not.
        Staged::No { command } => (
            "git does not track it, so Nix cannot see it".to_owned(),
            vec![hint(command), Hint::command(Effect::Keeps, ["artifacts", "generate"])],
        ),
        Staged::Ignored { path, command } => {
            (format!("git ignores `{path}`, so Nix cannot see it; a rule of .gitignore matches"), vec![hint(command)])
        }
        Staged::Filtered { command } => ("its git filter has to run".to_owned(), vec![hint(command)]),
        Staged::Conflict(settlement) => {
            let which = match settlement.same_value {
                _ if settlement.removal().is_some() => "one branch removed it".to_owned(),
                Some(true) => "both versions have the same value".to_owned(),
                Some(false) => {
                    let newer = settlement.newer_value().map(|side| format!("; {side} is newer"));
                    format!("the versions have different values{}", newer.unwrap_or_default())
                }
                None => "choose one version".to_owned(),
            };
            (format!("unresolved merge conflict: {which}"), settling(name, settlement))
        }
    };
    Some(Unstaged { why, hints })
}

/// What settles a merge conflict, a hint for each command: what keeps a version, what completes that, what removes both.
fn settling(name: &InstanceName, settlement: &Settlement) -> Vec<Hint> {
    let is_same = settlement.same_value == Some(true);
    let choice = |(side, command): (MergeSide, &String)| {
        let effect = match side {
            _ if is_same => Effect::Keeps,
            MergeSide::Ours => Effect::KeepsOurs,
            MergeSide::Theirs => Effect::KeepsTheirs,
        };
        git_hint(effect, command)
    };
    let mut hints: Vec<Hint> = settlement.choices().into_iter().map(choice).collect();
    if hints.is_empty() {
        hints.push(Hint::text(Effect::Keeps, Settlement::UNKNOWN));
    }
    hints.push(git_hint(Effect::Completes, &settlement.add));
    hints.push(Hint::command(Effect::Completes, ["artifacts", settlement.command(), &name.to_string()]));
    hints.extend(removal(settlement));
    hints
}

/// What to do about an entry that git does not know as it is stored.
fn sentence(name: &InstanceName, staged: &Staged, is_stageable: bool) -> Option<String> {
    Some(match staged {
        Staged::Yes | Staged::Sparse | Staged::Submodule { .. } | Staged::Deleted { .. } => return None,
        Staged::No { .. } if !is_stageable => "not staged: a flake does not see the stored files".to_owned(),
        Staged::No { command } => {
            format!("not staged: a flake does not see the stored files; `artifacts generate` or `{command}`")
        }
        Staged::Ignored { path, command } => {
            format!("not staged: git ignores `{path}`; remove the rule from .gitignore, or `{command}`")
        }
        Staged::Filtered { command } => format!("not staged: its git filter has to run; `{command}`"),
        Staged::Conflict(settlement) => {
            format!("unresolved merge conflict: {}", settlement.sentence(&name.to_string()))
        }
    })
}
