//! Entries as they are stored, read by several at once: what can be found of each without what this machine knows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_session::share_out;
use artifacts_store::{Error, Storage};

use super::elsewhere::Storages;
use super::generations::StoredGeneration;
use super::probe::InstanceProbe;
use crate::tools::headers::{FileHeaders, in_files};

/// How many instances go to a backend in one batch: enough to make the round trip free, few enough to keep their entries
/// in memory.
const BATCH: usize = 256;
/// After so many bytes of entries, receipts and public files among them, a batch ends. Each thread may be in the middle of one then.
const BATCH_BYTES: u64 = 64 << 20;
/// To start a thread takes as long as to read an entry or two: fewer than so many for each are not worth another.
const WORTH: usize = 8;

/// Holds what entries are read with.
pub struct Reading<'s> {
    pub storage: &'s Storage,
    /// What the backend's files of an entry may have together, in bytes.
    pub limit: u64,
    pub generations: &'s BTreeMap<InstanceName, StoredGeneration>,
    pub storages: &'s Storages,
}

/// One instance, and what was found of it.
pub struct ReadEntry<'a> {
    pub instance: &'a Instance,
    pub found: Result<FoundEntry<'a>, Error>,
}

/// Holds what was found of an instance.
pub struct FoundEntry<'a> {
    pub look: InstanceProbe<'a>,
    /// The headers in the backend's files that its receipt lists, or, without a receipt, in all.
    pub headers: FileHeaders,
    /// The size of its receipt, in bytes.
    pub receipt_size: u64,
    /// What was read, in bytes.
    bytes: u64,
}

impl Reading<'_> {
    /// Reads the next batch, up to `jobs` entries at once.
    pub fn batch<'a>(
        &self,
        rest: &mut (impl ExactSizeIterator<Item = &'a Instance> + Send),
        jobs: NonZeroUsize,
    ) -> Vec<ReadEntry<'a>> {
        let readers = (rest.len().min(BATCH) / WORTH).clamp(1, jobs.get());
        let bytes = AtomicU64::new(0);
        let next = || if bytes.load(Ordering::Relaxed) < BATCH_BYTES { rest.next() } else { None };
        share_out(vec![(); readers], std::iter::from_fn(next).take(BATCH), |(), instance| {
            let found = self.one(instance);
            bytes.fetch_add(found.as_ref().map_or(0, |found| found.bytes), Ordering::Relaxed);
            ReadEntry { instance, found }
        })
    }

    fn one<'a>(&self, instance: &'a Instance) -> Result<FoundEntry<'a>, Error> {
        let found = match self.storage.read_within(&instance.name, self.limit)? {
            Some(entry) => FoundEntry {
                headers: in_files(&entry.files),
                receipt_size: entry.receipt_size(),
                bytes: entry.size(),
                look: InstanceProbe::new(instance, entry, self.generations),
            },
            None => FoundEntry {
                look: InstanceProbe::without_entry(instance),
                headers: FileHeaders::default(),
                receipt_size: 0,
                bytes: 0,
            },
        };
        let storage = self.storage.path().to_owned();
        let elsewhere = self.storages.besides(&storage, instance);
        Ok(FoundEntry { look: InstanceProbe { storage, elsewhere, ..found.look }, ..found })
    }
}
