//! Whom the admin last agreed to encrypt to, like known hosts.
//!
//! The repository says who reads what, and whoever can push to it can say so. What was agreed to is kept outside of it, a file
//! a checkout, so that a key that was slipped in shows before anything is encrypted to it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::private::Private;

/// Public recipients by file.
pub type ByFile = BTreeMap<String, BTreeSet<String>>;

/// The version of the file.
const SCHEMA: u64 = 1;

/// The readers that were agreed to in one checkout.
#[derive(Debug, Clone)]
pub struct Readers {
    folder: Private,
    name: String,
    memory: Memory,
}

/// What was agreed to of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreed {
    /// The targets that it is for.
    pub targets: BTreeSet<String>,
    /// Whom each file is encrypted to.
    pub files: ByFile,
    /// Whom files were encrypted to that are not any more. They count for nothing but that the file was secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    once: ByFile,
    /// Files that were secret and may lie in plain text.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    public: BTreeSet<String>,
}

impl Agreed {
    /// All its files are encrypted to these readers, and no others are encrypted.
    pub fn sealed(&mut self, targets: BTreeSet<String>, files: ByFile) {
        let before = std::mem::replace(&mut self.files, files);
        self.once.extend(before);
        self.once.retain(|file, _| !self.files.contains_key(file));
        self.public.retain(|file| !self.files.contains_key(file));
        self.targets = targets;
    }

    /// A file may lie in plain text.
    pub fn published(&mut self, file: &str) {
        self.public.insert(file.to_owned());
    }

    /// Whether it was agreed that a file may lie in plain text.
    pub fn is_public(&self, file: &str) -> bool {
        self.public.contains(file)
    }

    /// Whom a file is encrypted to, or was when it last was.
    pub fn last(&self, file: &str) -> Option<&BTreeSet<String>> {
        self.files.get(file).or_else(|| self.once.get(file))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    schema: u64,
    /// For a person who looks for it.
    checkout: String,
    instances: BTreeMap<String, Agreed>,
}

impl Readers {
    /// What is remembered of a checkout, by its absolute path.
    ///
    /// # Errors
    /// When it cannot be told, or others could have written it.
    pub fn open(folder: impl Into<PathBuf>, checkout: &Path) -> Result<Self, Error> {
        let folder = Private::new(folder);
        let name = format!("{:x}.json", Sha256::digest(checkout.as_os_str().as_bytes()));
        let memory = read(&folder, &name)?.unwrap_or_else(|| Memory {
            schema: SCHEMA,
            checkout: checkout.display().to_string(),
            instances: BTreeMap::new(),
        });
        Ok(Self { folder, name, memory })
    }

    /// What was agreed to of an instance.
    pub fn of(&self, instance: &str) -> Option<&Agreed> {
        self.memory.instances.get(instance)
    }

    /// Everybody who reads anything of these targets.
    pub fn of_targets(&self, targets: &BTreeSet<String>) -> BTreeSet<&str> {
        let theirs = self.memory.instances.values().filter(|agreed| !agreed.targets.is_disjoint(targets));
        theirs.flat_map(|agreed| agreed.files.values().flatten()).map(String::as_str).collect()
    }

    /// Remembers these instances' readers from now on.
    ///
    /// # Errors
    /// When it cannot be written, or others could write there too.
    pub fn agree(&mut self, instances: BTreeMap<String, Agreed>) -> Result<(), Error> {
        if instances.iter().all(|(name, agreed)| self.memory.instances.get(name) == Some(agreed)) {
            return Ok(());
        }
        // Two runs over two storages of one checkout lose nothing of each other.
        let _held = self.folder.lock("lock")?;
        if let Some(now) = read(&self.folder, &self.name)? {
            self.memory = now;
        }
        self.memory.instances.extend(instances);
        let mut text = serde_json::to_vec_pretty(&self.memory).unwrap_or_default();
        text.push(b'\n');
        self.folder.write(&self.name, &text)
    }
}

fn read(folder: &Private, name: &str) -> Result<Option<Memory>, Error> {
    let Some(text) = folder.read(name)? else { return Ok(None) };
    let damaged = |why: String| Error::Damaged { path: folder.at(name), why };
    let memory: Memory = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if memory.schema == SCHEMA { Ok(Some(memory)) } else { Err(damaged(format!("it has schema {}", memory.schema))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn agreed(targets: &[&str], readers: &[&str]) -> Agreed {
        let mut agreed = Agreed::default();
        agreed.sealed(set(targets), BTreeMap::from([("f".to_owned(), set(readers))]));
        agreed
    }

    #[test]
    fn what_was_agreed_to_is_known_to_the_next_run_of_that_checkout_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("readers");
        let mut readers = Readers::open(&state, Path::new("/one")).unwrap();
        assert_eq!(readers.of("shared/a"), None);
        readers.agree(BTreeMap::from([("shared/a".to_owned(), agreed(&["web1"], &["k1", "k2"]))])).unwrap();
        let again = Readers::open(&state, Path::new("/one")).unwrap();
        assert_eq!(again.of("shared/a").unwrap().files["f"], set(&["k1", "k2"]));
        assert_eq!(Readers::open(&state, Path::new("/two")).unwrap().of("shared/a"), None);
    }

    #[test]
    fn a_target_s_readers_are_those_of_all_its_instances() {
        let folder = tempfile::tempdir().unwrap();
        let mut readers = Readers::open(folder.path().join("readers"), Path::new("/one")).unwrap();
        let instances = [("a", agreed(&["web1"], &["k1"])), ("b", agreed(&["web1", "web2"], &["k1", "k2"]))];
        readers.agree(instances.map(|(name, agreed)| (name.to_owned(), agreed)).into()).unwrap();
        assert_eq!(readers.of_targets(&set(&["web1"])), BTreeSet::from(["k1", "k2"]));
        assert!(readers.of_targets(&set(&["web3"])).is_empty());
    }

    #[test]
    fn what_was_secret_stays_known_until_it_may_be_public() {
        let mut it = agreed(&["web1"], &["k1"]);
        for _ in 0..2 {
            it.sealed(set(&["web1"]), BTreeMap::from([("g".to_owned(), set(&["k2"]))]));
            assert_eq!((it.last("f"), it.is_public("f")), (Some(&set(&["k1"])), false));
        }
        it.published("f");
        assert!(it.is_public("f"));
        it.sealed(set(&["web1"]), BTreeMap::from([("f".to_owned(), set(&["k3"]))]));
        assert_eq!((it.last("f"), it.is_public("f")), (Some(&set(&["k3"])), false), "it is secret again");
        assert_eq!((it.last("g"), it.last("h")), (Some(&set(&["k2"])), None));
        assert_eq!(serde_json::from_str::<Agreed>(&serde_json::to_string(&it).unwrap()).unwrap(), it);
    }

    #[test]
    fn whoever_read_what_is_not_encrypted_any_more_is_no_reader_of_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let mut readers = Readers::open(folder.path().join("readers"), Path::new("/one")).unwrap();
        let mut it = agreed(&["web1"], &["gone"]);
        it.sealed(set(&["web1"]), BTreeMap::from([("g".to_owned(), set(&["k2"]))]));
        readers.agree(BTreeMap::from([("a".to_owned(), it)])).unwrap();
        assert_eq!(readers.of_targets(&set(&["web1"])), BTreeSet::from(["k2"]));
    }

    #[test]
    fn two_runs_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Readers::open(folder.path().join("readers"), Path::new("/one")).unwrap();
        let (mut one, mut other) = (open(), open());
        one.agree(BTreeMap::from([("a".to_owned(), agreed(&[], &["k1"]))])).unwrap();
        other.agree(BTreeMap::from([("b".to_owned(), agreed(&[], &["k2"]))])).unwrap();
        assert!(open().of("a").is_some() && open().of("b").is_some());
    }

    #[test]
    fn a_damaged_memory_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("readers");
        let mut readers = Readers::open(&state, Path::new("/one")).unwrap();
        readers.agree(BTreeMap::from([("a".to_owned(), agreed(&[], &["k1"]))])).unwrap();
        std::fs::write(state.join(&readers.name), "{}").unwrap();
        assert!(matches!(Readers::open(&state, Path::new("/one")), Err(Error::Damaged { .. })));
    }
}
