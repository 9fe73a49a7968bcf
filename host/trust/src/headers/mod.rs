//! For which file each age header was encrypted, and which generation of each instance was stored last: one map for this machine.
//!
//! Receipts are committed, so anyone who can push can write into one that an age file is another one's. What this machine
//! encrypted, or decrypted first, is kept outside of the repository: header → repository, root, instance, file.

mod generations;
mod journal;
mod old_headers;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use artifacts_declared::{Equals, Shared};
use artifacts_digest::HeaderHash;

use crate::Error;
use generations::Generations;
use journal::{Held, Journal, Stamp};
use old_headers::OldHeaders;
use record::{CheckoutLink, Counts, HeaderRecord};

pub use generations::LastGeneration;
pub use record::{CheckoutRecord, GenerationCommit, HeaderCommit, StoredHeaders};

/// Describes where a header belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPlace {
    /// The checkout, with its path at that time.
    pub checkout: Shared<CheckoutRecord>,
    /// Name of the instance.
    pub instance: String,
    /// Name of the entry's file that contains it.
    pub stored: String,
    /// Declared files that are encrypted under it.
    pub files: Shared<BTreeSet<String>>,
}

/// Holds what this machine knows about headers.
#[derive(Debug, Clone)]
pub struct KnownHeaders {
    journal: Journal,
    old: OldHeaders,
    map: Option<HeaderMap>,
}

#[derive(Debug, Clone)]
struct HeaderMap {
    /// State of the file from which it was read.
    stamp: Stamp,
    places: HashMap<HeaderHash, Vec<Arc<HeaderPlace>>>,
    /// What many places have alike.
    checkouts: Equals<Shared<CheckoutRecord>>,
    files: Equals<Shared<BTreeSet<String>>>,
    links: Vec<[String; 2]>,
    generations: Generations,
    old: HashMap<HeaderHash, String>,
    /// Whether most of the file is obsolete.
    is_wasteful: bool,
}

impl KnownHeaders {
    /// Uses the map in a directory, which is created with the first header. `old` is the directory of the map that
    /// earlier versions wrote; it is only read.
    pub fn new(directory: impl Into<PathBuf>, old: impl Into<PathBuf>) -> Self {
        Self { journal: Journal::new(directory), old: OldHeaders::new(old), map: None }
    }

    /// Returns every place of a header.
    ///
    /// # Errors
    /// If the map cannot be read, or others can write it.
    pub fn places(&mut self, header: &HeaderHash) -> Result<&[Arc<HeaderPlace>], Error> {
        Ok(self.map()?.places.get(header).map(Vec::as_slice).unwrap_or_default())
    }

    /// Returns every declared file of an instance, in any checkout, with a known header.
    ///
    /// # Errors
    /// If the map cannot be read, or others can write it.
    pub fn files_of(&mut self, instance: &str) -> Result<BTreeSet<String>, Error> {
        let places = self.map()?.places.values().flatten().filter(|place| place.instance == instance);
        Ok(places.flat_map(|place| place.files.iter().cloned()).collect())
    }

    /// Returns the instance that an earlier version recorded for a header, without repository and file.
    ///
    /// # Errors
    /// If the map cannot be read, or others can write it.
    pub fn old_instance(&mut self, header: &HeaderHash) -> Result<Option<&str>, Error> {
        Ok(self.map()?.old.get(header).map(String::as_str))
    }

    /// Returns whether two checkouts are the same, or clones that the admin linked.
    ///
    /// # Errors
    /// If the map cannot be read, or others can write it.
    pub fn are_linked(&mut self, one: &str, other: &str) -> Result<bool, Error> {
        Ok(one == other || linked(&self.map()?.links, one).contains(other))
    }

    /// Links two checkouts: what was encrypted in one is decrypted in the other.
    ///
    /// # Errors
    /// If it cannot be written, or others can write there.
    pub fn link(&mut self, one: &str, other: &str) -> Result<(), Error> {
        self.append(vec![HeaderRecord::Linked(CheckoutLink([one.to_owned(), other.to_owned()]))])
    }

    /// Notes the headers of entries that are about to be stored. They are durable afterwards. Of each declared file the headers of
    /// its last 1,024 commits are kept.
    ///
    /// # Errors
    /// If it cannot be written, or others can write there.
    pub fn committed(&mut self, commits: Vec<HeaderCommit>) -> Result<(), Error> {
        self.append(
            commits.into_iter().filter(|commit| !commit.files.is_empty()).map(HeaderRecord::Committed).collect(),
        )
    }

    /// Notes headers of an entry that another machine stored and that were decrypted here first, or accepted by the admin. They
    /// are never forgotten, and make no other header forgotten. A header may be for more files of the same place than were known; what
    /// is known for another place stays as it is.
    ///
    /// # Errors
    /// If it cannot be written, or others can write there.
    pub fn learned(&mut self, mut commit: HeaderCommit) -> Result<(), Error> {
        let map = self.map()?;
        for stored in &mut commit.files {
            let (instance, StoredHeaders { stored: name, files, headers }) = (&commit.instance, stored);
            headers.retain(|header| {
                let places = map.places.get(header).map(Vec::as_slice).unwrap_or_default();
                places.iter().all(|place| place.instance == *instance && place.stored == *name)
                    && !places.iter().any(|place| place.files.is_superset(files))
            });
        }
        commit.files.retain(|stored| !stored.headers.is_empty());
        self.append(if commit.files.is_empty() { Vec::new() } else { vec![HeaderRecord::Learned(commit)] })
    }

    /// Notes generations of entries that were stored. They are durable afterwards.
    ///
    /// # Errors
    /// If it cannot be written, or others can write there.
    pub fn stored(&mut self, mut stored: Vec<GenerationCommit>) -> Result<(), Error> {
        let generations = &self.map()?.generations;
        stored.retain(|one| !generations.is_last(one));
        self.append(stored.into_iter().map(HeaderRecord::Stored).collect())
    }

    /// Returns the last generation of an instance that was stored in a checkout, or in one that the admin linked to it.
    ///
    /// # Errors
    /// If the map cannot be read, or others can write it.
    pub fn last_generation(&mut self, checkout: &str, instance: &str) -> Result<Option<&LastGeneration>, Error> {
        let map = self.map()?;
        Ok(map.generations.last(linked(&map.links, checkout), instance))
    }

    fn append(&mut self, records: Vec<HeaderRecord>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let held = self.journal.lock()?;
        // Another run may have written since.
        if self.map.as_ref().is_some_and(|map| Some(map.stamp) != self.journal.stamp().ok()) {
            self.map = None;
        }
        if self.map()?.is_wasteful {
            self.compact(&held)?;
        }
        let lines: Vec<Vec<u8>> = records.iter().map(HeaderRecord::to_line).collect();
        let stamp = self.journal.append(&held, &lines.concat()).inspect_err(|_| self.map = None)?;
        let map = self.map()?;
        map.stamp = stamp;
        for record in records {
            map.add(record);
        }
        Ok(())
    }

    /// Writes the file again without what counts no longer.
    fn compact(&mut self, held: &Held) -> Result<(), Error> {
        let (text, _) = self.journal.read()?;
        let records = self.records(&text).collect::<Result<_, _>>()?;
        let lines: Vec<Vec<u8>> = record::kept(records).0.iter().map(HeaderRecord::to_line).collect();
        self.map = None;
        self.journal.replace(held, &lines.concat())
    }

    fn map(&mut self) -> Result<&mut HeaderMap, Error> {
        let map = match self.map.take() {
            Some(map) => map,
            None => self.read()?,
        };
        Ok(self.map.insert(map))
    }

    fn read(&self) -> Result<HeaderMap, Error> {
        let (text, stamp) = self.journal.read()?;
        let (mut map, mut counts) = (HeaderMap::new(stamp, self.old.read()?), Counts::default());
        for record in self.records(&text) {
            let record = record?;
            if !counts.add(&record) {
                return self.read_kept(&text, stamp);
            }
            map.add(record);
        }
        Ok(map)
    }

    /// Does the same where some records count no longer.
    fn read_kept(&self, text: &[u8], stamp: Stamp) -> Result<HeaderMap, Error> {
        let (records, forgotten) = record::kept(self.records(text).collect::<Result<_, _>>()?);
        let mut map = HeaderMap::new(stamp, self.old.read()?);
        for record in records {
            map.add(record);
        }
        map.is_wasteful = forgotten > SLACK + map.places.values().map(Vec::len).sum::<usize>();
        Ok(map)
    }

    fn records(&self, text: &[u8]) -> impl Iterator<Item = Result<HeaderRecord, Error>> {
        record::parse(text).map(|record| record.map_err(|(line, why)| self.journal.damaged(line, why)))
    }
}

/// Number of obsolete headers, in addition to the number of known ones, above which the file is written again.
const SLACK: usize = 4096;

impl HeaderMap {
    fn new(stamp: Stamp, old: HashMap<HeaderHash, String>) -> Self {
        Self {
            stamp,
            places: HashMap::new(),
            checkouts: Equals::default(),
            files: Equals::default(),
            links: Vec::new(),
            generations: Generations::default(),
            old,
            is_wasteful: false,
        }
    }

    fn add(&mut self, record: HeaderRecord) {
        let HeaderCommit { checkout, instance, files } = match record {
            HeaderRecord::Committed(commit) | HeaderRecord::Learned(commit) => commit,
            HeaderRecord::Linked(CheckoutLink(two)) => return self.links.push(two),
            HeaderRecord::Stored(stored) => return self.generations.add(stored),
        };
        let checkout = self.checkouts.share(checkout.into());
        for StoredHeaders { stored, files, headers } in files {
            let (checkout, files) = (checkout.clone(), self.files.share(files.into()));
            let place = Arc::new(HeaderPlace { checkout, instance: instance.clone(), stored, files });
            for header in headers {
                self.places.entry(header).or_default().push(Arc::clone(&place));
            }
        }
    }
}

/// Returns a checkout and all that are linked to it, directly or over others.
fn linked<'a>(links: &'a [[String; 2]], one: &'a str) -> BTreeSet<&'a str> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for [a, b] in links {
        next.entry(a).or_default().push(b);
        next.entry(b).or_default().push(a);
    }
    let mut found = BTreeSet::from([one]);
    let mut open = vec![one];
    while let Some(at) = open.pop() {
        for other in next.get(at).into_iter().flatten() {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
