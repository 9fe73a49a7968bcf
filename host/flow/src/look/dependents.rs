//! What was made from something else.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_store::Storage;

use crate::tools::Tools;

/// For each of these, the stored instances that depend on it: its new content makes them stale.
pub fn dependents<'a>(
    tools: &Tools,
    all: &'a BTreeMap<InstanceName, Instance>,
    of: &BTreeSet<InstanceName>,
) -> BTreeMap<&'a InstanceName, Vec<&'a InstanceName>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for instance in all.values() {
        let mut on = instance.dependencies.values().filter(|name| of.contains(*name)).peekable();
        if on.peek().is_some() && is_stored(tools, instance) {
            on.for_each(|name| found.entry(name).or_default().push(&instance.name));
        }
    }
    found
}

/// What cannot be read is not counted.
fn is_stored(tools: &Tools, instance: &Instance) -> bool {
    let Some(storage) = instance.artifact.backend.as_ref().and_then(|backend| tools.backends.storage(backend).ok())
    else {
        return false;
    };
    Storage::open(&tools.root, &storage)
        .and_then(|storage| storage.read(&instance.name))
        .is_ok_and(|entry| entry.is_some())
}
