//! What a report says of git's index.

use std::collections::BTreeSet;

use artifacts_flow::{Indexed, Rooms};
use artifacts_report::{Failure, Report};
use artifacts_spec::InstanceName;
use artifacts_store::Staged;

use crate::output::Output;
use crate::rooms::Run;

/// Notes in each row whether git knows the entry as it is stored.
pub fn note(run: &Run, rooms: &Rooms<'_>, report: &mut Report) {
    look(run, rooms, report);
}

/// The same, and what to do about it.
pub fn explain(run: &Run, rooms: &Rooms<'_>, report: &mut Report, output: &Output) {
    let indexed = look(run, rooms, report);
    for row in &mut report.instances {
        let Ok(name) = row.name.parse::<InstanceName>() else { continue };
        let by_runs =
            || run.instances(&BTreeSet::from([name.clone()])).all(|it| artifacts_flow::is_staged_by_runs(rooms, it));
        row.notes.extend(indexed.by_name.get(&name).and_then(|staged| sentence(staged, by_runs)));
    }
    for warning in indexed.warnings {
        output.warning(&warning.to_string(), Some(&warning.help()));
    }
}

fn look(run: &Run, rooms: &Rooms<'_>, report: &mut Report) -> Indexed {
    let names: BTreeSet<InstanceName> = report.instances.iter().filter_map(|row| row.name.parse().ok()).collect();
    let mut indexed = artifacts_flow::compare_index(rooms, run.instances(&names));
    for row in &mut report.instances {
        let staged = row.name.parse().ok().and_then(|name: InstanceName| indexed.by_name.get(&name));
        row.staged = staged.filter(|staged| **staged != Staged::Sparse).map(Staged::is_yes);
    }
    let sparse = |(name, staged): (&InstanceName, &Staged)| {
        let help = "include its storage: `git sparse-checkout add DIRECTORY`";
        let failure = Failure::new(name.to_string(), "it is stored outside of the sparse checkout").help(Some(help));
        (*staged == Staged::Sparse).then_some(failure)
    };
    for failure in indexed.by_name.iter().filter_map(sparse).chain(std::mem::take(&mut indexed.failures)) {
        if !report.errors.contains(&failure) {
            report.errors.push(failure);
        }
    }
    indexed
}

/// What to do about an entry that git does not know as it is stored, and whether the next run does it.
fn sentence(staged: &Staged, by_runs: impl Fn() -> bool) -> Option<String> {
    Some(match staged {
        Staged::Yes | Staged::Sparse => return None,
        Staged::No { command } if by_runs() => {
            format!("not staged: a flake does not see it as it is stored; `artifacts generate` or `{command}`")
        }
        Staged::No { command } => format!("not staged: a flake does not see it as it is stored; `{command}`"),
        Staged::Ignored { path, command } => {
            format!("not staged: git ignores `{path}`; remove the rule from .gitignore, or `{command}`")
        }
        Staged::Filtered { command } => format!("not staged: a filter has to run; `{command}`"),
        Staged::Conflict { command } => {
            let theirs = command.replacen("--ours", "--theirs", 1);
            format!("unresolved merge conflict: choose one side with `{command}` or `{theirs}`, then `git add` it")
        }
    })
}
