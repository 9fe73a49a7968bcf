//! Which generation of each instance was stored last.

use std::collections::{BTreeSet, HashMap};

use artifacts_declared::{Equals, Shared};
use artifacts_digest::Generation;

use super::record::{CheckoutRecord, GenerationCommit};

/// Describes the last generation of an instance that this machine stored.
#[derive(Debug, Clone)]
pub struct LastGeneration {
    /// The generation.
    pub generation: Generation,
    /// When it was generated, in seconds since 1970.
    pub generated: u64,
    /// Those that it and earlier ones replaced.
    earlier: BTreeSet<Generation>,
    /// How many were noted before it, of whatever instance.
    order: usize,
}

impl LastGeneration {
    /// Returns whether another generation, of this time, is older: it was replaced, or was generated before.
    pub fn is_after(&self, generation: &Generation, generated: u64) -> bool {
        *generation != self.generation && (self.has_replaced(generation) || generated < self.generated)
    }

    /// Returns whether it or an earlier one replaced another generation.
    pub fn has_replaced(&self, generation: &Generation) -> bool {
        self.earlier.contains(generation)
    }
}

/// Holds the last generations, by instance and checkout.
#[derive(Debug, Clone, Default)]
pub struct Generations {
    /// Mostly there is one checkout.
    by_instance: HashMap<String, Vec<(Shared<CheckoutRecord>, LastGeneration)>>,
    checkouts: Equals<Shared<CheckoutRecord>>,
    count: usize,
}

impl Generations {
    /// Takes a generation for the last one.
    pub fn add(&mut self, stored: GenerationCommit) {
        let GenerationCommit { checkout, instance, generation, generated, earlier: replaced } = stored;
        let checkout = self.checkouts.share(checkout.into());
        let of_instance = self.by_instance.entry(instance).or_default();
        let at = of_instance.iter().position(|(other, _)| other.id == checkout.id);
        let mut earlier = at.map(|at| of_instance.swap_remove(at).1.earlier).unwrap_or_default();
        earlier.extend(replaced);
        // One that comes back was accepted.
        earlier.remove(&generation);
        of_instance.reserve_exact(1);
        of_instance.push((checkout, LastGeneration { generation, generated, earlier, order: self.count }));
        self.count += 1;
    }

    /// Returns the one that was noted last in any of these checkouts.
    pub fn last<'a>(&self, checkouts: impl IntoIterator<Item = &'a str>, instance: &str) -> Option<&LastGeneration> {
        let of_instance = self.by_instance.get(instance)?;
        let of = |checkout| of_instance.iter().find(|(other, _)| other.id == checkout).map(|(_, last)| last);
        checkouts.into_iter().filter_map(of).max_by_key(|last| last.order)
    }

    /// Returns whether a generation is known to be the last one of its checkout.
    pub fn is_last(&self, stored: &GenerationCommit) -> bool {
        self.last([stored.checkout.id.as_str()], &stored.instance)
            .is_some_and(|last| (last.generation, last.generated) == (stored.generation, stored.generated))
    }
}
