//! What the watcher remembers from one start to the next, in RAM: gone with the next boot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use artifacts_digest::Sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::digest::DigestKey;
use crate::ram::in_ram;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DigestStore {
    /// Makes the digests.
    pub(crate) key: DigestKey,
    /// Of contents, by path.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) digests: BTreeMap<String, Sha256>,
    /// Artifacts whose unit the watcher stopped.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) lost: BTreeSet<String>,
    /// Consumers to start when all artifacts that they stop with are up, and for which of those they wait.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) waiting: BTreeMap<String, BTreeSet<String>>,
    /// Those of them that a target wanted when that was noted. Once none does any more, a switch took them away.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) wanted: BTreeSet<String>,
    /// Consumers that have not yet heard of a change.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) changed: BTreeMap<String, Change>,
    /// The machine was being switched at the last look.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) switching: bool,
    /// Of the manifest that was seen last. Another one is another configuration.
    #[serde(default, deserialize_with = "or_nothing")]
    pub(crate) manifest: Option<Sha256>,
}

/// What another version of the watcher wrote otherwise counts as nothing, and the rest stays.
fn or_nothing<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A change that a consumer has not heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// It wants to be restarted, not only reloaded.
    pub(crate) restart: bool,
    /// When, in microseconds of the monotonic clock.
    pub(crate) at: u64,
}

/// The directory in RAM where the memory is.
pub(crate) struct Store {
    file: PathBuf,
    /// Of what is stored.
    saved: Option<Sha256>,
    /// Is called before each thing that is done to the file system; an error ends it there. For tests.
    step: Box<dyn Fn() -> io::Result<()>>,
}

impl Store {
    /// Opens the store and recalls what is in it. A memory that cannot be read counts as none: nothing is restarted for it.
    pub(crate) fn open(directory: &Path) -> io::Result<(Self, DigestStore)> {
        if !in_ram(fs::File::open(directory)?)? {
            let why = format!(
                "{} is not on a RAM-backed file system: digests of secrets must not outlive the boot",
                directory.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut store = Self { file: directory.join("watch.json"), saved: None, step: Box::new(|| Ok(())) };
        let recalled = fs::read_to_string(&store.file).ok().and_then(|text| serde_json::from_str(&text).ok());
        let memory = match recalled {
            Some(memory) => memory,
            None => DigestStore {
                key: DigestKey::new()?,
                digests: BTreeMap::new(),
                lost: BTreeSet::new(),
                waiting: BTreeMap::new(),
                wanted: BTreeSet::new(),
                changed: BTreeMap::new(),
                switching: false,
                manifest: None,
            },
        };
        store.save(&memory)?;
        Ok((store, memory))
    }

    /// Has `step` called before each step.
    #[cfg(test)]
    pub(crate) fn with_steps(&mut self, step: impl Fn() -> io::Result<()> + 'static) {
        self.step = Box::new(step);
    }

    /// Writes the memory when it changed, whole or not at all.
    pub(crate) fn save(&mut self, memory: &DigestStore) -> io::Result<()> {
        let text = serde_json::to_string(memory)?;
        let digest = Sha256::digest(&text);
        if Some(digest) == self.saved {
            return Ok(());
        }
        let new = self.file.with_extension("new");
        (self.step)()?;
        let _ = fs::remove_file(&new);
        (self.step)()?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        (self.step)()?;
        file.write_all(text.as_bytes())?;
        (self.step)()?;
        fs::rename(&new, &self.file)?;
        self.saved = Some(digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_recalled_from_ram_and_refused_on_disk() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (mut store, mut memory) = Store::open(dir.path()).unwrap();
        memory.lost.insert("attic".to_owned());
        let digest = memory.key.digest(&dir.path().canonicalize().unwrap().join("watch.json"));
        memory.digests.insert("attic/f".to_owned(), digest.unwrap());
        store.save(&memory).unwrap();
        let (_, again) = Store::open(dir.path()).unwrap();
        assert!(again.lost.contains("attic") && again.digests == memory.digests);
        assert_eq!(serde_json::to_string(&again.key).unwrap(), serde_json::to_string(&memory.key).unwrap());
        let message = Store::open(Path::new(env!("CARGO_MANIFEST_DIR"))).err().unwrap().to_string();
        assert!(message.contains("not on a RAM-backed file system"), "{message}");
    }

    #[test]
    fn what_another_version_wrote_otherwise_is_forgotten_alone() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (_, memory) = Store::open(dir.path()).unwrap();
        let key = serde_json::to_string(&memory.key).unwrap();
        let older = format!(r#"{{"key":{key},"lost":["attic"],"waiting":["x.service"],"another":1}}"#);
        std::fs::write(dir.path().join("watch.json"), older).unwrap();
        let (_, again) = Store::open(dir.path()).unwrap();
        assert_eq!(serde_json::to_string(&again.key).unwrap(), key);
        assert!(again.lost.contains("attic") && again.waiting.is_empty() && again.manifest.is_none());
    }

    #[test]
    fn a_spoiled_memory_counts_as_none() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        std::fs::write(dir.path().join("watch.json"), "{").unwrap();
        assert!(Store::open(dir.path()).unwrap().1.lost.is_empty());
    }
}
