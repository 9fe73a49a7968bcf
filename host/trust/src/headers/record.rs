//! The lines of the map, each a JSON object.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use artifacts_digest::{Generation, HeaderHash};
use serde::{Deserialize, Serialize};

/// Number of commits of a declared file whose headers are kept, and of generations of an instance.
pub const COMMITS: usize = 1024;

/// Describes one root of one repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckoutRecord {
    /// Identity of the checkout, see [`crate::CheckoutId`].
    pub id: String,
    /// Path, for people.
    pub path: String,
}

/// Represents one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeaderRecord {
    /// This machine stored an entry.
    Committed(HeaderCommit),
    /// Another machine stored the entry with these headers.
    Learned(HeaderCommit),
    /// Two checkouts are one to the admin.
    Linked(CheckoutLink),
    /// This machine stored a generation.
    Stored(GenerationCommit),
}

/// Describes a generation that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationCommit {
    /// Checkout of the entry.
    pub checkout: CheckoutRecord,
    /// Instance of the entry.
    pub instance: String,
    /// The generation.
    pub generation: Generation,
    /// When it was generated, in seconds since 1970.
    pub generated: u64,
    /// The generation that it replaced, if that is not a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Generation>,
}

/// Links two checkouts, by their identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutLink(pub [String; 2]);

/// Lists the headers of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderCommit {
    /// Checkout of the entry.
    pub checkout: CheckoutRecord,
    /// Instance of the entry.
    pub instance: String,
    /// Files of the entry that contain a header.
    pub files: Vec<StoredHeaders>,
}

/// Lists the headers of one file of an entry that belong to the same declared files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredHeaders {
    /// Name of the file in the entry.
    pub stored: String,
    /// Declared files that are encrypted under these headers.
    pub files: BTreeSet<String>,
    /// The headers.
    pub headers: BTreeSet<HeaderHash>,
}

impl HeaderRecord {
    /// Renders the line, with its line break.
    pub fn to_line(&self) -> Vec<u8> {
        // Only a map with keys that are no strings could fail, and there is none.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Reads complete lines. The error has the number of the line, from 1, and what is wrong with it.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Result<HeaderRecord, (usize, String)>> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    (1..).zip(lines).map(|(number, line)| serde_json::from_slice(line).map_err(|error| (number, error.to_string())))
}

/// Returns the records that count, oldest first, and the number of obsolete headers and generations: each declared file keeps the headers
/// of its last commits, independently of the others, and each instance its last generations.
pub fn kept(records: Vec<HeaderRecord>) -> (Vec<HeaderRecord>, usize) {
    let mut commits: HashMap<(String, String, String), usize> = HashMap::new();
    let mut generations: HashMap<(String, String), usize> = HashMap::new();
    let mut forgotten = 0;
    let mut kept = Vec::with_capacity(records.len());
    for record in records.into_iter().rev() {
        if let HeaderRecord::Stored(stored) = &record {
            let count = generations.entry((stored.checkout.id.clone(), stored.instance.clone())).or_default();
            *count += 1;
            if *count > COMMITS {
                forgotten += 1;
                continue;
            }
        }
        let HeaderRecord::Committed(mut commit) = record else {
            kept.push(record);
            continue;
        };
        let declared: BTreeSet<String> = commit.files.iter().flat_map(|stored| stored.files.clone()).collect();
        let mut recent = BTreeSet::new();
        for file in declared {
            let place = (commit.checkout.id.clone(), commit.instance.clone(), file.clone());
            let count = commits.entry(place).or_default();
            *count += 1;
            if *count <= COMMITS {
                recent.insert(file);
            }
        }
        commit.files.retain(|stored| {
            let counts = !stored.files.is_disjoint(&recent);
            forgotten += if counts { 0 } else { stored.headers.len() };
            counts
        });
        if !commit.files.is_empty() {
            kept.push(HeaderRecord::Committed(commit));
        }
    }
    kept.reverse();
    (kept, forgotten)
}

/// Counts commits and generations by the hash of what they are of.
#[derive(Default)]
pub struct Counts(HashMap<u64, usize>);

impl Counts {
    /// Counts a record. Returns whether all records until now certainly count, as nearly always.
    pub fn add(&mut self, record: &HeaderRecord) -> bool {
        match record {
            HeaderRecord::Stored(stored) => self.is_kept((&stored.checkout.id, &stored.instance, None)),
            HeaderRecord::Committed(HeaderCommit { checkout, instance, files }) => {
                let mut declared = files.iter().flat_map(|stored| &stored.files);
                declared.all(|file| self.is_kept((&checkout.id, instance, Some(file))))
            }
            HeaderRecord::Learned(_) | HeaderRecord::Linked(_) => true,
        }
    }

    /// Where two have one hash, more is counted than there is.
    fn is_kept(&mut self, place: (&String, &String, Option<&String>)) -> bool {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        let count = self.0.entry(hasher.finish()).or_default();
        *count += 1;
        *count <= COMMITS
    }
}
