//! Entries as they are stored, read by several at once: what can be found of each without what this machine knows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_session::{CheckMemo, KeyTerms, SeenEntry, share_out};
use artifacts_store::{
    EntryLook, EntryNote, EntryStamp, Error, Fingerprint, Glance, HeaderHash, Hex, Resting, Sha256, Storage,
};

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
    /// What their backend's answers have in their keys, where they depend on nothing else.
    pub terms: Option<KeyTerms>,
    /// How files rest that need not be read again, where that counts.
    pub resting: Option<Resting>,
    /// Whether git's index is compared with what is found.
    pub keeps_notes: bool,
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
        let fingerprint = Fingerprint::of(Hex(seen.fingerprint));
        let probe = InstanceProbe::seen(instance, receipt, fingerprint, self.generations);
        let probe = self.named(probe, true);
        if probe.has_secrets() && !memo.has(&probe.key?) {
            return None;
        }
        let header = |(file, header): &(Box<str>, [u8; 32])| (file.to_string(), HeaderHash(Hex(*header)));
        let headers = seen.headers.iter().map(header).collect();
        Some(FoundEntry { probe, headers, receipt_size, note: self.note(&look), read: None, bytes: receipt_size })
    }

    fn read<'a>(&self, instance: &'a Instance) -> Result<FoundEntry<'a>, Error> {
        let Some((entry, look)) = self.storage.look_and_read(&instance.name, self.limit)? else {
            let probe = self.named(InstanceProbe::without_entry(instance), false);
            let headers = FileHeaders::default();
            return Ok(FoundEntry { probe, headers, receipt_size: 0, note: None, read: None, bytes: 0 });
        };
        let headers = in_files(&entry.files);
        let stamp = self.resting.zip(look.as_ref()).and_then(|(resting, look)| EntryStamp::of(&entry, look, &resting));
        let (receipt_size, bytes) = (entry.receipt_size(), entry.size());
        let probe = InstanceProbe::new(instance, entry, self.generations);
        // With a file more, the receipt does not list all that the backend may see.
        let is_intact = look.is_some() && probe.is_intact();
        let probe = self.named(probe, is_intact);
        let read = stamp.filter(|_| is_intact).zip(probe.fingerprint);
        let read = read.map(|(stamp, fingerprint)| (stamp, seen(fingerprint, &headers)));
        let note = look.as_ref().and_then(|look| self.note(look));
        Ok(FoundEntry { probe, headers, receipt_size, note, read, bytes })
    }

    fn note(&self, look: &EntryLook) -> Option<EntryNote> {
        if self.keeps_notes { EntryNote::new(look) } else { None }
    }

    /// Names what its backend answers about an instance; an intact one has the very files that its receipt lists. Of another backend's
    /// files it sees none.
    fn named<'a>(&self, probe: InstanceProbe<'a>, is_intact: bool) -> InstanceProbe<'a> {
        let view = &probe.instance.for_backend;
        let key = self.terms.as_ref().and_then(|terms| match probe.receipt.as_deref() {
            _ if probe.of_another() => CheckMemo::key(terms, view, []),
            Some(receipt) if is_intact => {
                CheckMemo::key(terms, view, receipt.files.iter().map(|(name, file)| (name, file.sha256)))
            }
            _ => CheckMemo::key(terms, view, probe.files.iter().map(|(name, bytes)| (name, Sha256::digest(bytes)))),
        });
        InstanceProbe { key, ..probe }
    }
}

/// What is to be known of an entry without reading it again.
fn seen(fingerprint: Fingerprint, headers: &FileHeaders) -> SeenEntry {
    let header = |(file, header): &(String, HeaderHash)| (file.as_str().into(), header.0.0);
    SeenEntry { fingerprint: fingerprint.digest().0, headers: headers.iter().map(header).collect() }
}
