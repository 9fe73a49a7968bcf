use std::collections::BTreeMap;

use artifacts_plan::{Facts, Instance, Reason};
use artifacts_spec::InstanceName;
use artifacts_store::{Generation, Receipt, ReceiptState, Slice};

use crate::rooms::seconds;

/// What the host finds of a slice, without asking its backend. `generations` has those of what it may depend on.
pub fn facts(instance: &Instance, slice: &Slice, generations: &BTreeMap<InstanceName, Generation>) -> Facts {
    let differs = Facts {
        receipt: slice.differences().iter().map(ToString::to_string).collect(),
        public: slice.public.keys().cloned().collect(),
        ..Facts::default()
    };
    let ReceiptState::Valid(receipt) = &slice.receipt else { return differs };
    Facts {
        backend: Some(receipt.backend.name.to_string()),
        readers: readers(receipt),
        validation: receipt.validation.map(|hash| hash.to_string()),
        made: Some(seconds(receipt.made.system())),
        outdated: outdated(instance, receipt, generations),
        ..differs
    }
}

fn readers(receipt: &Receipt) -> BTreeMap<String, Vec<String>> {
    receipt.readers.iter().map(|(file, readers)| (file.to_string(), readers.iter().cloned().collect())).collect()
}

/// Dependencies that are not, as they lie, what went into this slice. One that does not lie there tells of itself.
fn outdated(instance: &Instance, receipt: &Receipt, generations: &BTreeMap<InstanceName, Generation>) -> Vec<String> {
    let why = |name: &InstanceName| {
        let is = generations.get(name)?;
        match receipt.dependencies.get(name) {
            Some(was) if was == is => None,
            Some(_) => Some(Reason::made_again(name).message),
            None => Some(format!("it was made without {name}")),
        }
    };
    instance.dependencies.values().filter_map(why).collect()
}
