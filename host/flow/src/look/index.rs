//! What git knows of stored entries: a flake sees nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use artifacts_declared::InstanceName;
use artifacts_plan::{Instance, Reason};
use artifacts_report::Failure;
use artifacts_store::{Difference, EntryNotes, Staged, Storage, Warning};
use artifacts_text::listed;

use crate::failure;
use crate::tools::Tools;

/// What git's index has of instances.
#[derive(Debug, Default)]
pub struct Indexed {
    /// Of those that are stored in a git repository.
    pub by_name: BTreeMap<InstanceName, Staged>,
    /// What has to be removed from the index.
    pub failures: Vec<Failure>,
    /// Why something is not known.
    pub warnings: Vec<Warning>,
}

/// Compares git's index with what is stored of these instances. Writes nothing.
pub fn compare_index<'a>(tools: &Tools, instances: impl IntoIterator<Item = &'a Instance>) -> Indexed {
    compare_noted(tools, instances, &EntryNotes::new())
}

/// Does the same where entries were just looked at.
pub fn compare_noted<'a>(
    tools: &Tools,
    instances: impl IntoIterator<Item = &'a Instance>,
    notes: &EntryNotes,
) -> Indexed {
    let (mut entries, mut owners) = (Vec::new(), Vec::new());
    let mut storages = BTreeSet::new();
    for instance in instances {
        let Some(storage) = tools.storage_of(instance) else { continue };
        entries.push(format!("{storage}/{}", instance.name));
        owners.push(&instance.name);
        storages.insert(storage);
    }
    let storages: Vec<String> = storages.into_iter().collect();
    let found = tools.git.compare_noted(&tools.root, &storages, &entries, notes);
    let by_path: HashMap<String, &InstanceName> = entries.into_iter().zip(owners).collect();
    let named = |(path, staged)| Some(((*by_path.get(&path)?).clone(), staged));
    Indexed {
        by_name: found.entries.into_iter().filter_map(named).collect(),
        failures: tracked(&found.tracked),
        warnings: found.warnings,
    }
}

/// What is tracked of the directories that are not git's business, a failure for each command that ends it.
fn tracked(found: &BTreeMap<String, String>) -> Vec<Failure> {
    let mut by_command: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, command) in found {
        by_command.entry(command).or_default().push(format!("`{path}`"));
    }
    let failure = |(command, paths): (&str, Vec<String>)| {
        let why = format!("git tracks files that belong to artifacts on this machine alone: {}", listed(&paths));
        Failure::new("", why).hint(Some(format!("review who added them (git log), and remove them: `{command}`")))
    };
    by_command.into_iter().map(failure).collect()
}

/// Why an instance must not be written, as far as git knows.
pub fn index_fault(instance: &Instance, staged: &Staged) -> Option<Failure> {
    match staged {
        Staged::Conflict(settlement) => {
            let failure = failure::for_instance(instance, "unresolved merge conflict in its entry");
            Some(failure.hint(Some(settlement.sentence(&instance.name.to_string()))))
        }
        Staged::Sparse => {
            let failure = failure::for_instance(instance, "stored outside the sparse checkout");
            Some(failure.hint(Some("include its storage: `git sparse-checkout add DIRECTORY`")))
        }
        Staged::Submodule { path, command } => {
            let failure = failure::for_instance(instance, format!("its submodule `{path}` is not checked out"));
            Some(failure.hint(Some(format!("check it out: `{command}`"))))
        }
        Staged::Yes | Staged::No { .. } | Staged::Ignored { .. } | Staged::Filtered { .. } | Staged::Deleted { .. } => {
            None
        }
    }
}

/// Which of these are not there any more, but still in git's index, and what brings each back.
pub fn deleted<'a>(tools: &Tools, instances: impl IntoIterator<Item = &'a Instance>) -> BTreeMap<InstanceName, String> {
    let deleted = |(name, staged)| if let Staged::Deleted { command } = staged { Some((name, command)) } else { None };
    compare_index(tools, instances).by_name.into_iter().filter_map(deleted).collect()
}

/// Whether the next run that writes stages this entry: it is as it was stored.
pub fn is_stageable(tools: &Tools, instance: &Instance) -> bool {
    intact(tools, instance).is_some()
}

/// The path of an entry that is as it was stored.
fn intact(tools: &Tools, instance: &Instance) -> Option<String> {
    let storage = tools.storage_of(instance)?;
    let entry = Storage::open(&tools.root, &storage).ok()?.read(&instance.name).ok()??;
    let intact = entry.differences().iter().all(|difference| matches!(difference, Difference::Extra(_)));
    intact.then(|| format!("{storage}/{}", instance.name))
}

/// Whether an earlier run stored something that git does not know, and that can be staged now.
pub fn is_unstaged<'a>(tools: &Tools, instances: impl IntoIterator<Item = &'a Instance>) -> bool {
    let instances: Vec<&Instance> = instances.into_iter().collect();
    let indexed = compare_index(tools, instances.iter().copied());
    !unstaged(tools, &instances, &indexed).is_empty()
}

/// The paths of what an earlier run stored and git does not know.
pub(crate) fn unstaged(tools: &Tools, instances: &[&Instance], indexed: &Indexed) -> Vec<String> {
    let open = |instance: &&&Instance| matches!(indexed.by_name.get(&instance.name), Some(Staged::No { .. }));
    instances.iter().filter(open).filter_map(|instance| intact(tools, instance)).collect()
}

/// Whether a reason is that a merge was not resolved.
pub(crate) fn is_conflict(reason: &Reason) -> bool {
    reason.message.contains("merge conflict")
}
