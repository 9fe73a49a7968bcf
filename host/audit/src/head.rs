//! The end of the log as it was written last: kept in a file of its own, which is also the lock of anyone who appends.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Bytes of the head file: all of it is replaced by one write.
const BYTES: usize = 256;
const SCHEMA: u64 = 1;

/// Describes the last line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    schema: u64,
    /// Its number.
    pub number: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Bytes of the log up to and with it.
    pub(crate) size: u64,
}

/// Returns the path of a log's head file: the log's own with `.head` at its end.
pub fn head_path(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".head");
    path.into()
}

/// What is in the head file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadState {
    Missing,
    Damaged,
    Valid(Head),
}

/// The head file of a log.
#[derive(Debug)]
pub(crate) struct HeadFile(File);

impl Head {
    pub(crate) fn new(number: u64, sha256: String, size: u64) -> Self {
        Self { schema: SCHEMA, number, sha256, size }
    }
}

impl HeadFile {
    /// Opens or makes it.
    pub(crate) fn open(log: &Path) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let path = head_path(log);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(path)?;
        Ok(Self(file))
    }

    /// Opens it to look; none when it does not exist.
    pub(crate) fn find(log: &Path) -> io::Result<Option<Self>> {
        match File::open(head_path(log)) {
            Ok(file) => Ok(Some(Self(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until it is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Waits until no other run appends, and keeps others from it as long as the guard lives.
    pub(crate) fn lock(&self) -> io::Result<LockedHead<'_>> {
        self.0.lock()?;
        Ok(LockedHead(&self.0))
    }

    /// Waits until no run appends, and keeps all from it as long as the guard lives.
    pub(crate) fn lock_shared(&self) -> io::Result<LockedHead<'_>> {
        self.0.lock_shared()?;
        Ok(LockedHead(&self.0))
    }
}

/// The head file while no other run appends.
pub(crate) struct LockedHead<'a>(&'a File);

impl LockedHead<'_> {
    pub(crate) fn read(&self) -> io::Result<HeadState> {
        let mut bytes = [0; BYTES + 1];
        let mut length = 0;
        while length < bytes.len() {
            match self.0.read_at(bytes.get_mut(length..).unwrap_or_default(), length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        let text = bytes.get(..length).unwrap_or_default();
        if text.is_empty() {
            return Ok(HeadState::Missing);
        }
        let head = serde_json::from_slice::<Head>(text).ok();
        Ok(head.filter(|head| head.schema == SCHEMA && length == BYTES).map_or(HeadState::Damaged, HeadState::Valid))
    }

    pub(crate) fn write(&self, head: &Head) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(head)?;
        bytes.resize(BYTES - 1, b' ');
        bytes.push(b'\n');
        self.0.write_all_at(&bytes, 0)?;
        if self.0.metadata()?.len() == BYTES as u64 { Ok(()) } else { self.0.set_len(BYTES as u64) }
    }
}

impl Drop for LockedHead<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
