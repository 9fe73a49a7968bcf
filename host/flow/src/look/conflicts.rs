//! Merges that were not resolved, in entries that no instance is declared for at their place.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_report::{Effect, Failure, Hint};
use artifacts_store::{Settlement, Staged};
use artifacts_text::command_words;

use crate::tools::Tools;

/// Where an entry is: its storage, and its name there.
pub(crate) type Place = (String, InstanceName);

/// Returns which of these entries have an unresolved merge conflict, and what settles it. Git is asked once.
pub(crate) fn conflicts(tools: &Tools, places: impl IntoIterator<Item = Place>) -> BTreeMap<Place, Settlement> {
    let mut paths: BTreeMap<String, Place> = BTreeMap::new();
    for place in places {
        paths.insert(format!("{}/{}", place.0, place.1), place);
    }
    if paths.is_empty() {
        return BTreeMap::new();
    }
    let storages: BTreeSet<String> = paths.values().map(|(storage, _)| storage.clone()).collect();
    let storages: Vec<String> = storages.into_iter().collect();
    let entries: Vec<String> = paths.keys().cloned().collect();
    let found = tools.git.compare(&tools.root, &storages, &entries).entries;
    let conflict = |(path, staged): (String, Staged)| {
        let Staged::Conflict(settlement) = staged else { return None };
        Some((paths.get(&path)?.clone(), settlement))
    };
    found.into_iter().filter_map(conflict).collect()
}

/// Commands of git as a hint.
pub(crate) fn git_hint(effect: Effect, command: &str) -> Hint {
    let text = format!("`{command}`");
    match command_words(&text) {
        Some(words) => Hint::command(effect, words),
        None => Hint::text(effect, text),
    }
}

/// What removes such an entry, where one branch has nothing of it.
pub(crate) fn removal(settlement: &Settlement) -> Option<Hint> {
    settlement.removal().map(|command| git_hint(Effect::Removes, command))
}

/// Why nothing is done to such an entry.
pub(crate) fn fault(name: &InstanceName, settlement: &Settlement) -> Failure {
    let failure = Failure::new(name.to_string(), "unresolved merge conflict in its entry");
    failure.hint(Some(settlement.choice()))
}
