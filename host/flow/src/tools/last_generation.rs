//! Which generation of each instance this machine stored last: nothing in a checkout makes an older one the last.

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_store::{Entry, Generation, Receipt, Time};
use artifacts_trust::{CheckoutRecord, GenerationCommit, LastGeneration};

use super::HeaderMemory;
use super::seconds;
use crate::failure;

/// A generation that was stored, and that which it replaced.
#[derive(Debug)]
pub(crate) struct StoredReceipt {
    instance: String,
    generation: Generation,
    generated: u64,
    earlier: Option<Generation>,
}

impl StoredReceipt {
    /// Describes what a receipt says, and that of the entry before it.
    pub(crate) fn new(receipt: &Receipt, before: Option<&Receipt>) -> Self {
        // What comes back from the trash is no later one.
        let earlier = before.filter(|before| before.generated <= receipt.generated);
        Self {
            instance: receipt.instance.to_string(),
            generation: receipt.generation,
            generated: seconds(receipt.generated.system()),
            earlier: earlier.map(|before| before.generation).filter(|earlier| *earlier != receipt.generation),
        }
    }
}

impl HeaderMemory {
    /// Notes what was stored.
    pub(crate) fn stored(&mut self, stored: Vec<StoredReceipt>) -> Result<(), artifacts_trust::Error> {
        if stored.is_empty() {
            return Ok(());
        }
        let checkout = CheckoutRecord { id: self.id_or_new()?, path: self.here.root().display().to_string() };
        let commit = |StoredReceipt { instance, generation, generated, earlier }| GenerationCommit {
            checkout: checkout.clone(),
            instance,
            generation,
            generated,
            earlier,
        };
        self.known.stored(stored.into_iter().map(commit).collect())
    }

    /// Returns the last generation of an instance that this machine stored here, if it stored one.
    pub(crate) fn last_generation(
        &mut self,
        instance: &Instance,
    ) -> Result<Option<&LastGeneration>, artifacts_trust::Error> {
        let Some(here) = self.id()? else { return Ok(None) };
        self.known.last_generation(&here, &instance.name.to_string())
    }

    /// Says that what is stored is an older generation than the last that this machine stored; nothing where it is not.
    pub(crate) fn older(&mut self, instance: &Instance, entry: &Entry) -> Result<Option<String>, Failure> {
        let receipt = entry.receipt.valid().filter(|receipt| receipt.instance == instance.name);
        let Some(receipt) = receipt else { return Ok(None) };
        let last = self.last_generation(instance).map_err(|error| failure::about(instance, error))?;
        let generated = receipt.generated;
        let last = last.filter(|last| last.is_after(&receipt.generation, seconds(generated.system())));
        Ok(last.map(|last| {
            let at = Time::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(last.generated));
            format!("generated {generated}: older than the last value that this machine stored, generated {at}")
        }))
    }
}
