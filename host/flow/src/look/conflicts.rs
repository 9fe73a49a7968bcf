//! Merges that were not resolved, in entries that no instance is declared for at their place.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_report::Failure;
use artifacts_store::{Settlement, Staged};

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

/// Why nothing is done to such an entry.
pub(crate) fn fault(name: &InstanceName, settlement: &Settlement) -> Failure {
    let failure = Failure::new(name.to_string(), "unresolved merge conflict in its entry");
    failure.hint(Some(settlement.choice()))
}
