use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Record;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// Why the record cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, written or read.
    #[error("the audit record {path} cannot be {what}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// What to do.
    pub fn help(&self) -> Option<&'static str> {
        Some("name a file that this user can write, outside of the repository, with `--audit-log FILE`")
    }
}

/// A record that is appended to, one line a call.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens or makes the record, for its owner alone. What is there is kept; a file that was moved away in between runs is
    /// made anew, which is how one rotates.
    ///
    /// # Errors
    /// When it cannot be opened for appending, or is a link.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), what: "opened", source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file =
            File::options().append(true).create(true).mode(0o600).custom_flags(flags).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Appends a record, whole: one write, so that two runs at once do not mix lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<(), Error> {
        let failed = |source| Error::File { path: self.path.clone(), what: "written", source };
        let mut line = serde_json::to_vec(record).map_err(|e| failed(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)
    }
}

/// Which records are wanted; what is not set wants all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this backend.
    pub backend: Option<String>,
    /// At or after this moment.
    pub since: Option<SystemTime>,
    /// Before this moment.
    pub until: Option<SystemTime>,
}

impl Filter {
    /// Whether a record is wanted. One whose time cannot be read is.
    pub fn wants(&self, record: &Record) -> bool {
        let time = humantime::parse_rfc3339(&record.time).ok();
        self.backend.as_ref().is_none_or(|backend| *backend == record.host.backend)
            && self.since.zip(time).is_none_or(|(since, time)| time >= since)
            && self.until.zip(time).is_none_or(|(until, time)| time < until)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Read {
    /// The records that were wanted, oldest first.
    pub records: Vec<Record>,
    /// Lines that are no records: their numbers, from 1.
    pub damaged: Vec<usize>,
}

/// Reads a record back. A line that cannot be read is told, and costs no other.
///
/// # Errors
/// When the file cannot be read. One that is not there is empty.
pub fn read(path: &Path, filter: &Filter) -> Result<Read, Error> {
    let failed = |source| Error::File { path: path.to_owned(), what: "read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Read::default()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Read::default();
    let mut reader = BufReader::new(file);
    for number in 1.. {
        let mut line = Vec::new();
        let length = std::io::Read::take(&mut reader, LONGEST).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        match serde_json::from_slice::<Record>(&line) {
            Ok(record) if filter.wants(&record) => found.records.push(record),
            Ok(_) => {}
            Err(_) => found.damaged.push(number),
        }
    }
    Ok(found)
}
