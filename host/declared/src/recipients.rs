use std::collections::{BTreeMap, BTreeSet, btree_map};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Shared};

/// Maps each secret file to the recipients that it is encrypted to. A file may be encrypted to no one. A copy shares all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Recipients(Shared<BTreeMap<Name, BTreeSet<String>>>);

impl Recipients {
    /// Returns the recipients of no file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the recipients of a file.
    pub fn get(&self, file: &str) -> Option<&BTreeSet<String>> {
        self.0.get(file)
    }

    /// Returns whether a file is among these.
    pub fn contains(&self, file: &str) -> bool {
        self.0.contains_key(file)
    }

    /// Returns the files, in order.
    pub fn files(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// Returns the recipients of all files, file by file.
    pub fn of_all_files(&self) -> impl Iterator<Item = &String> {
        self.0.values().flatten()
    }

    /// Returns each file with its recipients, in order.
    pub fn iter(&self) -> btree_map::Iter<'_, Name, BTreeSet<String>> {
        self.0.iter()
    }

    /// Returns whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the recipients of a file.
    pub fn insert(&mut self, file: Name, recipients: BTreeSet<String>) {
        self.0.insert(file, recipients);
    }

    /// Keeps some of the files.
    pub fn retain(&mut self, mut keeps: impl FnMut(&Name) -> bool) {
        self.0.retain(|file, _| keeps(file));
    }

    /// Returns the same files with unknown recipients.
    #[must_use]
    pub fn unknown(self) -> Self {
        self.0.into_inner().into_keys().map(|file| (file, BTreeSet::new())).collect()
    }
}

impl From<BTreeMap<Name, BTreeSet<String>>> for Recipients {
    fn from(by_file: BTreeMap<Name, BTreeSet<String>>) -> Self {
        Self(by_file.into())
    }
}

impl FromIterator<(Name, BTreeSet<String>)> for Recipients {
    fn from_iter<I: IntoIterator<Item = (Name, BTreeSet<String>)>>(files: I) -> Self {
        files.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

impl Extend<(Name, BTreeSet<String>)> for Recipients {
    fn extend<I: IntoIterator<Item = (Name, BTreeSet<String>)>>(&mut self, files: I) {
        self.0.extend(files);
    }
}

impl IntoIterator for Recipients {
    type Item = (Name, BTreeSet<String>);
    type IntoIter = btree_map::IntoIter<Name, BTreeSet<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_inner().into_iter()
    }
}

impl<'a> IntoIterator for &'a Recipients {
    type Item = (&'a Name, &'a BTreeSet<String>);
    type IntoIter = btree_map::Iter<'a, Name, BTreeSet<String>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
