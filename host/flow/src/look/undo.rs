//! How what is stored comes back as it was.

use std::collections::BTreeMap;

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::{Effect, Hint};
use artifacts_text::command_words;

use crate::tools::Tools;

/// What brings back the last version of these that git has and that is as it was stored.
pub fn restoring<'a>(tools: &Tools, instances: impl Iterator<Item = &'a Instance>) -> BTreeMap<InstanceName, Hint> {
    let mut by_storage: BTreeMap<String, Vec<&InstanceName>> = BTreeMap::new();
    for instance in instances {
        let storage = tools.storage_of(instance);
        by_storage.entry(storage.unwrap_or_default()).or_default().push(&instance.name);
    }
    let found = by_storage.iter().filter(|(storage, _)| !storage.is_empty());
    let found = found.flat_map(|(storage, names)| tools.git.last_intact(&tools.root, storage, names.iter().copied()));
    let hint = |command: &str| Some(Hint::command(Effect::Undoes, command_words(&format!("`{command}`"))?));
    found.filter_map(|(name, command)| Some((name, hint(&command)?))).collect()
}
