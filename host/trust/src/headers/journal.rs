//! A file of lines that survives a full disk and a kill.
//!
//! Lines are appended under a lock and synced. Only the last one can be incomplete: it is read as absent, and cut off before the
//! next one is written.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use crate::Error;
use crate::ownership::check_ownership;
use crate::state_dir::StateDir;

const FILE: &str = "headers";

/// Represents the file, in a directory that only this user can write.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: StateDir,
}

/// Identifies a state of the file: its inode and its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(u64, u64);

/// Keeps other runs from writing while it exists.
pub struct Held(#[expect(dead_code, reason = "it is held, not used")] File);

impl Journal {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: StateDir::new(directory) }
    }

    /// Reads all complete lines, and the state of the file.
    pub fn read(&self) -> Result<(Vec<u8>, Stamp), Error> {
        let stamp = self.stamp()?;
        let mut text = self.directory.read(FILE)?.unwrap_or_default();
        text.truncate(complete(&text));
        Ok((text, stamp))
    }

    /// Returns the state of the file now.
    pub fn stamp(&self) -> Result<Stamp, Error> {
        let path = self.path();
        match fs::symlink_metadata(&path) {
            Ok(found) => Ok(Stamp(found.ino(), found.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Stamp::default()),
            Err(source) => Err(Error::File { path, what: "read", source }),
        }
    }

    /// Waits until no other run writes.
    pub fn lock(&self) -> Result<Held, Error> {
        self.directory.lock("lock").map(Held)
    }

    /// Writes lines to the end. They are durable afterwards, or none of them is there.
    pub fn append(&self, _: &Held, lines: &[u8]) -> Result<Stamp, Error> {
        let path = self.path();
        check_ownership(&path)?;
        let failed = |source| Error::File { path: path.clone(), what: "write", source };
        let options = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).clone();
        let mut file = options.open(&path).map_err(failed)?;
        let end = repair(&mut file).map_err(failed)?;
        let written = file.write_all(lines).and_then(|()| file.sync_all());
        if let Err(source) = written {
            // What stays of it all the same is an incomplete line, or lines of what was never stored.
            let _ = file.set_len(end);
            return Err(failed(source));
        }
        if end == 0 {
            self.sync()?;
        }
        self.stamp()
    }

    /// Replaces the file as a whole.
    pub fn replace(&self, _: &Held, lines: &[u8]) -> Result<(), Error> {
        self.directory.write(FILE, lines)
    }

    /// Reports a line that no run of this program wrote.
    pub fn damaged(&self, line: usize, why: String) -> Error {
        Error::DamagedLine { path: self.path(), line, why }
    }

    fn path(&self) -> PathBuf {
        self.directory.at(FILE)
    }

    /// Syncs the directory, so that what was created or renamed in it survives a power cut.
    fn sync(&self) -> Result<(), Error> {
        let path = self.directory.at("");
        let synced = File::open(&path).and_then(|directory| directory.sync_all());
        synced.map_err(|source| Error::File { path, what: "sync", source })
    }
}

/// Returns the length of the complete lines, in bytes.
fn complete(text: &[u8]) -> usize {
    text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// Cuts off an incomplete last line, and goes to the end.
fn repair(file: &mut File) -> std::io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == [b'\n'] {
        return file.seek(SeekFrom::End(0));
    }
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    let end = complete(&text) as u64;
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end))
}
