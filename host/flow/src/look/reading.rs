//! Entries as they are stored, read by several at once: what can be found of each without what this machine knows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_session::{CheckMemo, KeyTerms, MemoKey, SeenEntry, share_out};
use artifacts_store::{
    Entry, EntryNote, EntryStamp, Error, Fingerprint, Glance, HeaderHash, Hex, Receipt, Resting, Sha256, Storage,
};

use super::elsewhere::Storages;
use super::generations::StoredGeneration;
use super::probe::{InstanceProbe, is_of_another};
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
    /// What their backend's answers have in their keys, where they depend on nothing else.
    pub terms: Option<KeyTerms>,
    /// How files rest that need not be read again, where that counts.
    pub resting: Option<Resting>,
}

/// One instance, and what was found of it.
pub struct ReadEntry<'a> {
    pub instance: &'a Instance,
    pub found: Result<FoundEntry<'a>, Error>,
}

/// Holds what was found of an instance.
pub struct FoundEntry<'a> {
    pub probe: InstanceProbe<'a>,
    /// The headers in the backend's files that its receipt lists, or, without a receipt, in all.
    pub headers: FileHeaders,
    /// The size of its receipt, in bytes.
    pub receipt_size: u64,
    /// What git would note of its files, where all of them count.
    pub note: Option<EntryNote>,
    /// What to keep of it: it was read, and is as its receipt says.
    pub read: Option<(EntryStamp, SeenEntry)>,
    /// What was read, in bytes.
    bytes: u64,
}

impl Reading<'_> {
    /// Reads the next batch, up to `jobs` entries at once.
    pub fn batch<'a>(
        &self,
        rest: &mut (impl ExactSizeIterator<Item = &'a Instance> + Send),
        jobs: NonZeroUsize,
        memo: &CheckMemo,
    ) -> Vec<ReadEntry<'a>> {
        let readers = (rest.len().min(BATCH) / WORTH).clamp(1, jobs.get());
        let bytes = AtomicU64::new(0);
        let next = || if bytes.load(Ordering::Relaxed) < BATCH_BYTES { rest.next() } else { None };
        share_out(vec![(); readers], std::iter::from_fn(next).take(BATCH), |(), instance| {
            let found = self.one(instance, memo);
            bytes.fetch_add(found.as_ref().map_or(0, |found| found.bytes), Ordering::Relaxed);
            ReadEntry { instance, found }
        })
    }

    fn one<'a>(&self, instance: &'a Instance, memo: &CheckMemo) -> Result<FoundEntry<'a>, Error> {
        let found = match self.seen(instance, memo) {
            Some(found) => found,
            None => self.read(instance)?,
        };
        let storage = self.storage.path().to_owned();
        let elsewhere = self.storages.besides(&storage, instance);
        Ok(FoundEntry { probe: InstanceProbe { storage, elsewhere, ..found.probe }, ..found })
    }

    /// What is known of an entry that looks as it did when it was read. It is not read again where its backend need not see it.
    fn seen<'a>(&self, instance: &'a Instance, memo: &CheckMemo) -> Option<FoundEntry<'a>> {
        let resting = self.resting.as_ref().filter(|_| memo.has_seen())?;
        let is_known = |stamp: &EntryStamp| memo.seen(&stamp.0).is_some();
        let Glance { receipt, receipt_size, look, stamp } =
            self.storage.glance(&instance.name, self.limit, resting, is_known)?;
        let seen = memo.seen(&stamp.0)?;
        let key = self.key(instance, receipt.files.iter().map(|(name, file)| (name, file.sha256)), Some(&receipt));
        if !instance.for_backend.files.is_empty() && !memo.has(&key?) {
            return None;
        }
        let fingerprint = Fingerprint::of(Hex(seen.fingerprint));
        let header = |(file, header): &(Box<str>, [u8; 32])| (file.to_string(), HeaderHash(Hex(*header)));
        Some(FoundEntry {
            headers: seen.headers.iter().map(header).collect(),
            receipt_size,
            note: EntryNote::new(&look),
            read: None,
            bytes: receipt_size,
            probe: InstanceProbe { key, ..InstanceProbe::seen(instance, receipt, fingerprint, self.generations) },
        })
    }

    fn read<'a>(&self, instance: &'a Instance) -> Result<FoundEntry<'a>, Error> {
        let Some((entry, look)) = self.storage.look_and_read(&instance.name, self.limit)? else {
            let key = self.key(instance, [], None);
            return Ok(FoundEntry {
                probe: InstanceProbe { key, ..InstanceProbe::without_entry(instance) },
                headers: FileHeaders::default(),
                receipt_size: 0,
                note: None,
                read: None,
                bytes: 0,
            });
        };
        let headers = in_files(&entry.files);
        let read = self.resting.zip(look.as_ref()).and_then(|(resting, look)| {
            let stamp = EntryStamp::of(&entry, look, &resting)?;
            entry.differences().is_empty().then(|| (stamp, seen(&entry, &headers)))
        });
        let (receipt_size, bytes) = (entry.receipt_size(), entry.size());
        let probe = InstanceProbe::new(instance, entry, self.generations);
        let digests = probe.files.iter().map(|(name, bytes)| (name, Sha256::digest(bytes)));
        let key = self.key(instance, digests, probe.receipt.as_deref());
        let note = look.as_ref().and_then(EntryNote::new);
        Ok(FoundEntry { headers, receipt_size, note, read, bytes, probe: InstanceProbe { key, ..probe } })
    }

    /// Names what the backend answers about an instance with these files. Of another backend's it sees none.
    fn key<'f>(
        &self,
        instance: &Instance,
        files: impl IntoIterator<Item = (&'f String, Sha256)>,
        receipt: Option<&Receipt>,
    ) -> Option<MemoKey> {
        let terms = self.terms.as_ref()?;
        if receipt.is_some_and(|receipt| is_of_another(instance, receipt.backend.name.as_str())) {
            return CheckMemo::key(terms, &instance.for_backend, []);
        }
        CheckMemo::key(terms, &instance.for_backend, files)
    }
}

/// What is to be known of an entry without reading it again.
fn seen(entry: &Entry, headers: &FileHeaders) -> SeenEntry {
    let header = |(file, header): &(String, HeaderHash)| (file.as_str().into(), header.0.0);
    SeenEntry { fingerprint: entry.fingerprint().digest().0, headers: headers.iter().map(header).collect() }
}
