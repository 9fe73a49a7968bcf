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
    let mut by_storage: BTreeMap<String, Vec<&InstanceName>> = BTreeMap::new();
    for instance in instances {
        let storage = tools.storage_of(instance);
        by_storage.entry(storage.unwrap_or_default()).or_default().push(&instance.name);
    }
    let is_cancelled = || tools.cancel.is_set();
    let found = by_storage.iter().filter(|(storage, _)| !storage.is_empty());
    let found = found
        .flat_map(|(storage, names)| tools.git.last_intact(&tools.root, storage, names.iter().copied(), &is_cancelled));
    let hint = |command: &str| Some(Hint::command(Effect::Undoes, command_words(&format!("`{command}`"))?));
    found.filter_map(|(name, command)| Some((name, hint(&command)?))).collect()
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
