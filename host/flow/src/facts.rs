use std::collections::BTreeMap;

use artifacts_plan::Facts;
use artifacts_spec::InstanceName;
use artifacts_store::{Generation, Receipt, ReceiptState, Slice};

use crate::rooms::seconds;

/// What the host finds of a slice, without asking its backend. `generations` has those of what it may depend on.
pub fn facts(slice: &Slice, generations: &BTreeMap<InstanceName, Generation>) -> Facts {
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
        expires: receipt.expires.map(|time| seconds(time.system())),
        outdated: outdated(receipt, generations),
        ..differs
    }
}

fn readers(receipt: &Receipt) -> BTreeMap<String, Vec<String>> {
    receipt.readers.iter().map(|(file, readers)| (file.to_string(), readers.iter().cloned().collect())).collect()
}

/// Dependencies that were made again since this slice was.
fn outdated(receipt: &Receipt, generations: &BTreeMap<InstanceName, Generation>) -> Vec<String> {
    let changed = |(name, was): &(&InstanceName, &Generation)| generations.get(*name).is_some_and(|is| is != *was);
    receipt.dependencies.iter().filter(changed).map(|(name, _)| name.to_string()).collect()
}
