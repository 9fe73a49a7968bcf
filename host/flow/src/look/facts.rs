use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Facts, Instance, Reason};
use artifacts_store::{Difference, Entry, Receipt};

use super::extras;
use super::generations::StoredGeneration;
use crate::tools::seconds;

/// What an entry shows of itself.
pub struct EntryContent<'a> {
    pub receipt: Option<&'a Receipt>,
    pub differences: Vec<Difference>,
    pub public: Vec<String>,
}

impl<'a> EntryContent<'a> {
    /// Of one that was read.
    pub fn of(entry: &'a Entry) -> Self {
        Self {
            receipt: entry.receipt.valid(),
            differences: entry.differences(),
            public: entry.public.keys().cloned().collect(),
        }
    }

    /// Of one that is as its receipt says.
    pub fn intact(receipt: &'a Receipt) -> Self {
        let public = receipt.public.keys().cloned().collect();
        Self { receipt: Some(receipt), differences: Vec::new(), public }
    }
}

/// What the host finds of an entry, without asking its backend. `strays` are the files in it that belong to no one, and
/// `generations` has those of what it may depend on.
pub fn facts(
    instance: &Instance,
    found: EntryContent<'_>,
    strays: &[String],
    generations: &BTreeMap<InstanceName, StoredGeneration>,
) -> Facts {
    let EntryContent { receipt, differences, public } = found;
    let is_stray = |one: &&Difference| matches!(one, Difference::Extra(path) if strays.contains(path));
    let differs = Facts {
        receipt: differences.iter().filter(|one| !is_stray(one)).map(ToString::to_string).collect(),
        public,
        strays: extras::named(strays),
        ..Facts::default()
    };
    let Some(receipt) = receipt else { return differs };
    Facts {
        backend: Some(receipt.backend.name.to_string()),
        recipients: receipt.recipients.clone(),
        stored: stored(receipt),
        validation: receipt.validation,
        made: Some(seconds(receipt.generated.system())),
        outdated: outdated(instance, receipt, generations),
        ..differs
    }
}

/// The secret files that were stored. A backend that named no recipients at all left older receipts without them.
fn stored(receipt: &Receipt) -> Option<BTreeSet<String>> {
    let unknown = receipt.recipients.is_empty() && !receipt.files.is_empty();
    (!unknown).then(|| receipt.recipients.files().map(ToString::to_string).collect())
}

/// Dependencies that are not, as they are stored, what went into this entry, under their names or former ones. One that is not stored
/// tells of itself.
fn outdated(
    instance: &Instance,
    receipt: &Receipt,
    generations: &BTreeMap<InstanceName, StoredGeneration>,
) -> Vec<String> {
    let why = |name: &InstanceName| {
        let StoredGeneration { generation, former } = generations.get(name)?;
        let was = |name: &InstanceName| receipt.dependencies.get(name);
        match was(name) {
            Some(was) if was == generation => None,
            _ if former.iter().any(|former| was(former) == Some(generation)) => None,
            Some(_) => Some(Reason::regenerated(name).message),
            None => Some(format!("generated without its dependency {name}")),
        }
    };
    instance.dependencies.values().filter_map(why).collect()
}
