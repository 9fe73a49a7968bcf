//! The lines of the map, each a JSON object.

use std::collections::{BTreeSet, HashMap};

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
pub fn parse(text: &[u8]) -> Result<Vec<HeaderRecord>, (usize, String)> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let line = |(number, line): (usize, &[u8])| {
        let record: Result<HeaderRecord, _> = serde_json::from_slice(line);
        record.map_err(|error| (number + 1, error.to_string()))
    };
    lines.enumerate().map(line).collect()
}

/// Returns the records that count, oldest first, and the number of obsolete headers and generations: each declared file keeps the headers
/// of its last commits, independently of the others, and each instance its last generations.
pub fn kept(records: Vec<HeaderRecord>) -> (Vec<HeaderRecord>, usize) {
    if are_few(&records) {
        return (records, 0);
    }
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

/// Returns whether no file has more commits, and no instance more generations, than are kept: so it is nearly always.
fn are_few(records: &[HeaderRecord]) -> bool {
    let mut counts: HashMap<(&str, &str, Option<&String>), usize> = HashMap::new();
    let places = records.iter().flat_map(|record| match record {
        HeaderRecord::Stored(stored) => vec![(stored.checkout.id.as_str(), stored.instance.as_str(), None)],
        HeaderRecord::Committed(HeaderCommit { checkout, instance, files }) => {
            let declared = files.iter().flat_map(|stored| &stored.files);
            declared.map(|file| (checkout.id.as_str(), instance.as_str(), Some(file))).collect()
        }
        HeaderRecord::Learned(_) | HeaderRecord::Linked(_) => Vec::new(),
    });
    let mut places = places;
    places.all(|place| {
        let count = counts.entry(place).or_default();
        *count += 1;
        *count <= COMMITS
    })
}
