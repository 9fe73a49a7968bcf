//! Which generation of each instance this machine stored last: nothing in a checkout makes an older one the last.

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_store::{Generation, Receipt, Time};
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
        self.last_of(&instance.name)
    }

    fn last_of(&mut self, name: &InstanceName) -> Result<Option<&LastGeneration>, artifacts_trust::Error> {
        let Some(here) = self.id()? else { return Ok(None) };
        self.known.last_generation(&here, &name.to_string())
    }

    /// Says that what is stored, by its receipt, is an older generation than the last that this machine stored; nothing where it is not.
    pub(crate) fn older(&mut self, instance: &Instance, receipt: Option<&Receipt>) -> Result<Option<String>, Failure> {
        let receipt = receipt.filter(|receipt| receipt.instance == instance.name);
        receipt.map_or(Ok(None), |receipt| self.older_value(instance, receipt))
    }

    /// Says the same of a value that an instance is to get, by its receipt. One that has another name is compared with the last
    /// generation of that name, and is older as well where the instance had and replaced it.
    pub(crate) fn older_value(&mut self, instance: &Instance, receipt: &Receipt) -> Result<Option<String>, Failure> {
        let failed = |error: artifacts_trust::Error| failure::about(instance, error);
        let generated = receipt.generated;
        let is_after = |last: &&LastGeneration| last.is_after(&receipt.generation, seconds(generated.system()));
        let mut last = self.last_of(&receipt.instance).map_err(failed)?.filter(is_after).map(|last| last.generated);
        if last.is_none() && receipt.instance != instance.name {
            // When another value of this name was generated says nothing of this one.
            let has_replaced = |last: &&LastGeneration| last.has_replaced(&receipt.generation);
            last = self.last_generation(instance).map_err(failed)?.filter(has_replaced).map(|last| last.generated);
        }
        Ok(last.map(|last| {
            let at = Time::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(last));
            format!("generated {generated}: older than the last value that this machine stored, generated {at}")
        }))
    }
}
