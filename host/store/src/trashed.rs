//! What this machine moved to the trash, recorded outside of every checkout: what else is in a trash, a push could have brought.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use artifacts_declared::InstanceName;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::trash::time_of;
use crate::{Durability, Error, Fingerprint, Time, TrashPolicy};

/// Version of a record.
const SCHEMA: u64 = 1;
/// Longest record that is read, in bytes.
const MAX_RECORD: u64 = 64 << 10;

/// Holds one file for each trashed entry, with the name that the entry has in the trash.
#[derive(Debug, Clone)]
pub struct TrashRecord(PathBuf);

/// Records one trashed entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trashed {
    pub(crate) schema: u64,
    /// Instance of the entry.
    pub instance: InstanceName,
    /// Absolute path of its storage at that time.
    pub storage: PathBuf,
    /// Fingerprint of its content.
    pub fingerprint: String,
    /// Fingerprint of another entry of the instance that is there in its place, if a run that exchanged the two was killed before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<String>,
    /// Command that moved it to the trash, as `prune`; none in what earlier versions recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Trashed {
    /// Records an entry, given by its storage's absolute path and its content.
    pub(crate) fn new(instance: &InstanceName, storage: &Path, fingerprint: Fingerprint) -> Self {
        Self {
            schema: SCHEMA,
            instance: instance.clone(),
            storage: storage.to_owned(),
            fingerprint: fingerprint.to_string(),
            exchanged: None,
            command: None,
        }
    }

    /// Returns whether this is the entry that was recorded.
    pub fn is(&self, fingerprint: Fingerprint) -> bool {
        let found = fingerprint.to_string();
        self.fingerprint == found || self.exchanged.as_ref() == Some(&found)
    }
}

impl TrashRecord {
    /// Uses a directory, which is created with the first record.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// Reads the record of a trashed entry, by its name in the trash.
    ///
    /// # Errors
    /// If it cannot be read, or another user could have written it.
    pub fn read(&self, name: &str) -> Result<Option<Trashed>, Error> {
        if time_of(name).is_none() || name.contains('/') {
            return Ok(None);
        }
        let path = self.0.join(name);
        let failed = |error: io::Error| Error::io(path.to_string_lossy(), "read what was trashed", error);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() && found.len() <= MAX_RECORD => {}
            Ok(_) => return Err(failed(io::Error::from(io::ErrorKind::InvalidData))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        self.check()?;
        let text = fs::read(&path).map_err(failed)?;
        let record: Trashed = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        Ok((record.schema == SCHEMA).then_some(record))
    }

    /// Returns the names of all trashed entries that are recorded, the oldest first, whatever checkout they are of.
    ///
    /// # Errors
    /// If the directory cannot be read, or another user could have written it.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |error: io::Error| Error::io(self.0.to_string_lossy(), "read what was trashed", error);
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        self.check()?;
        let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().ok()));
        let mut names: Vec<String> = names.filter_map(Result::transpose).collect::<Result<_, Error>>()?;
        names.retain(|name| time_of(name).is_some());
        names.sort();
        Ok(names)
    }

    /// Records an entry before it goes to the trash.
    pub(crate) fn add(&self, disk: &Disk, name: &str, record: &Trashed) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io(self.0.to_string_lossy(), "record what goes to the trash", error);
        let text = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        (disk.hooks.step)("record what goes to the trash").map_err(failed)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        self.check()?;
        let unfinished = self.0.join(format!(".{name}"));
        let write = || {
            let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(&text)?;
            if disk.durability == Durability::Full {
                file.sync_all()?;
            }
            fs::rename(&unfinished, self.0.join(name))
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            failed(error)
        })
    }

    /// Removes the record of an entry that left the trash. That it fails is no matter: an entry that is not there is not offered.
    pub(crate) fn forget(&self, name: &str) {
        let _ = fs::remove_file(self.0.join(name));
    }

    /// Removes records of what is in no trash any more. That it fails is no matter.
    pub(crate) fn tidy(&self, now: Time, keep: TrashPolicy) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let time = name.to_str().and_then(|name| time_of(name.trim_start_matches('.')));
            if time.is_some_and(|time| time + keep.age <= now) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Checks that no other user can write the directory: otherwise it proves nothing.
    fn check(&self) -> Result<(), Error> {
        let failed = |error: io::Error| Error::io(self.0.to_string_lossy(), "trust the record of the trash", error);
        let found = fs::symlink_metadata(&self.0).map_err(failed)?;
        let user = rustix::process::geteuid().as_raw();
        if found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0 {
            return Ok(());
        }
        Err(failed(io::Error::from(io::ErrorKind::PermissionDenied)))
    }
}
