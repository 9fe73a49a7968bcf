//! How what is stored comes back as it was.

use std::collections::BTreeMap;

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::{Effect, Failure, Hint, hint_line};
use artifacts_text::command_words;

use crate::tools::Tools;

/// Kind of the failure of an entry of which a part is missing.
pub const INCOMPLETE: &str = "incomplete";

/// What brings back the last version of these that git has and that is as it was stored.
pub fn restoring<'a>(tools: &Tools, instances: impl Iterator<Item = &'a Instance>) -> BTreeMap<InstanceName, Hint> {
    let is_cancelled = || tools.cancel.is_set();
    let found = by_storage(tools, instances.map(|instance| (instance, &instance.name)));
    let found = found
        .iter()
        .flat_map(|(storage, names)| tools.git.last_intact(&tools.root, storage, names.iter().copied(), &is_cancelled));
    hints(found)
}

/// What brings back, of instances of which an older generation is stored, the last one that this machine stored.
pub fn newest<'a>(tools: &mut Tools, instances: impl Iterator<Item = &'a Instance>) -> BTreeMap<InstanceName, Hint> {
    let mut wanted = Vec::new();
    for instance in instances {
        if let Ok(Some(last)) = tools.headers.last_generation(instance) {
            wanted.push((instance, (&instance.name, last.generation)));
        }
    }
    let is_cancelled = || tools.cancel.is_set();
    let nowhere = "bring it back from another clone or a backup: no commit here has the newer one";
    let texts = wanted.iter().map(|(instance, _)| (instance.name.clone(), Hint::text(Effect::Undoes, nowhere)));
    let mut all: BTreeMap<InstanceName, Hint> = texts.collect();
    let found = by_storage(tools, wanted.into_iter());
    let found = found
        .into_iter()
        .flat_map(|(storage, wanted)| tools.git.with_generation(&tools.root, &storage, wanted, &is_cancelled));
    all.extend(hints(found));
    all
}

/// What is wanted of instances, by their storages.
fn by_storage<'a, T>(tools: &Tools, wanted: impl Iterator<Item = (&'a Instance, T)>) -> BTreeMap<String, Vec<T>> {
    let mut by_storage: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for (instance, one) in wanted {
        if let Some(storage) = tools.storage_of(instance) {
            by_storage.entry(storage).or_default().push(one);
        }
    }
    by_storage
}

/// Commands of git as hints.
fn hints(commands: impl Iterator<Item = (InstanceName, String)>) -> BTreeMap<InstanceName, Hint> {
    let hint = |command: &str| Some(Hint::command(Effect::Undoes, command_words(&format!("`{command}`"))?));
    commands.filter_map(|(name, command)| Some((name, hint(&command)?))).collect()
}

/// Says of entries of which a part is missing what brings it back.
pub fn hint_at_missing(tools: &Tools, all: &BTreeMap<InstanceName, Instance>, failures: &mut [Failure]) {
    for failure in failures.iter_mut().filter(|failure| failure.kind == Some(INCOMPLETE)) {
        let name: Option<InstanceName> = failure.subject.parse().ok();
        let undo = name.and_then(|name| restoring(tools, all.get(&name).into_iter()).remove(&name));
        let undo = undo.and_then(|undo| hint_line(&[undo], &[]));
        failure.hint = undo.or_else(|| Some("restore the missing files from a commit or a backup".to_owned()));
    }
}
