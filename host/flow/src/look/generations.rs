use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_store::{Generation, Receipt, Storage};

use crate::tools::Tools;

/// Which making of an instance is stored, and the names that the instance had before.
#[derive(Debug, Clone)]
pub struct StoredGeneration {
    pub generation: Generation,
    pub former: BTreeSet<InstanceName>,
}

/// The generations of what the chosen depend on, as they are stored, each in its own backend's storage.
pub fn generations(
    tools: &Tools,
    all: &BTreeMap<InstanceName, Instance>,
    chosen: &BTreeSet<InstanceName>,
) -> BTreeMap<InstanceName, StoredGeneration> {
    let dependents = chosen.iter().filter_map(|name| all.get(name));
    let wanted: BTreeSet<&InstanceName> = dependents.flat_map(|instance| instance.dependencies.values()).collect();
    let generation = |name: &InstanceName| {
        let storage = tools.storage_of(all.get(name)?)?;
        let entry = Storage::open(&tools.root, &storage).ok()?.read(name).ok()??;
        let Receipt { generation, former, .. } = entry.receipt.valid()?;
        Some(StoredGeneration { generation: *generation, former: former.clone() })
    };
    wanted.into_iter().filter_map(|name| Some((name.clone(), generation(name)?))).collect()
}
