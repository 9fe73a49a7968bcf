//! Appends to the log: under a lock, linked to the line before, with one write.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::call::{Call, CallEnd, CallStart};
use crate::error::Error;
use crate::head::{Head, HeadFile, HeadState};
use crate::line::{Line, LineLink, SCHEMA, sha256};
use crate::link::{link, next};
use crate::record_kind::{ConsentRecord, RecordKind, RunRecord};
use crate::request::{CallRequest, Operation};

/// The first moment after those that RFC 3339 can express, in seconds since 1970.
const AFTER_YEAR_9999: u64 = 253_402_300_800;

/// Whether a run waits until what it recorded is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// After each consent, and at the end of a run that stored or decrypted something. What the last moments before a loss of
    /// power did may be missing; verification says so.
    Yes,
    /// Never, for measurements.
    No,
}

/// A log that is appended to. Copies are the same run's.
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// What the run is, until its line is written.
    about: Option<RunRecord>,
    run: String,
    calls: u64,
    sync: SyncMode,
    /// Whether something was recorded that is worth to wait for at the end.
    unsynced: bool,
    files: Option<Files>,
    clock: fn() -> SystemTime,
}

/// Both files, open.
#[derive(Debug)]
struct Files {
    log: File,
    /// None where the log is no regular file: what was written to a pipe or a device cannot be read back.
    head: Option<HeadFile>,
    /// The head of a log without a head file.
    remembered: HeadState,
}

impl AuditLog {
    /// Describes a log that the first line opens, or creates for its owner alone. A file that was moved away is created again and
    /// goes on where the other one ended, which is how one rotates. `clock` returns the time of a line.
    pub fn new(path: impl Into<PathBuf>, about: RunRecord, sync: SyncMode, clock: fn() -> SystemTime) -> Self {
        let run = run_id(clock);
        let (path, about, files) = (path.into(), Some(about), None);
        Self(Arc::new(Mutex::new(Inner { path, about, run, calls: 0, sync, unsynced: false, files, clock })))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.with(|inner| inner.path.clone())
    }

    /// Writes the line of the run, unless it is written. Where that fails, nothing of the run may begin.
    ///
    /// # Errors
    /// When a file cannot be opened or written, or is a symbolic link.
    pub fn begin(&self) -> Result<(), Error> {
        self.with(|inner| inner.append(Vec::new(), false))
    }

    /// Writes what the admin accepted, and waits until it is on the disk.
    ///
    /// # Errors
    /// As for [`Self::begin`]; then nothing was accepted.
    pub fn consent(&self, consents: Vec<ConsentRecord>) -> Result<(), Error> {
        if consents.is_empty() {
            return Ok(());
        }
        self.with(|inner| inner.append(consents.into_iter().map(RecordKind::Consent).collect(), true))
    }

    /// Writes that calls are about to begin, and returns their numbers, in their order. Where that fails, none of them may begin.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn begun(&self, calls: Vec<CallRequest>) -> Result<Vec<u64>, Error> {
        self.with(|inner| {
            let numbers: Vec<u64> = (inner.calls + 1..).take(calls.len()).collect();
            let are_checks = calls.iter().all(|call| call.operation == Operation::Check);
            let begun = numbers.iter().zip(calls).map(|(call, observed)| CallStart { call: *call, observed });
            inner.append(begun.map(RecordKind::Begun).collect(), false)?;
            inner.calls += numbers.len() as u64;
            inner.unsynced |= !are_checks;
            Ok(numbers)
        })
    }

    /// Writes what came of calls, each by its number.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn ended(&self, calls: Vec<(u64, Call<'_>)>) -> Result<(), Error> {
        let ended = |(number, call)| RecordKind::Ended(Box::new(CallEnd::new(number, call)));
        self.with(|inner| inner.append(calls.into_iter().map(ended).collect(), false))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(files) = self.files.as_ref().filter(|_| self.unsynced && self.sync == SyncMode::Yes) {
            let _ = files.sync();
        }
    }
}

impl Inner {
    /// Appends these, after the line of the run.
    fn append(&mut self, entries: Vec<RecordKind>, wait: bool) -> Result<(), Error> {
        let entries: Vec<RecordKind> = self.about.iter().cloned().map(RecordKind::Run).chain(entries).collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.open().map_err(|e| Error::new(&self.path, "open", e))?;
        self.write(entries).map_err(|e| Error::new(&self.path, "write", e))?;
        self.about = None;
        let synced = self.files.as_ref().filter(|_| wait && self.sync == SyncMode::Yes).map_or(Ok(()), Files::sync);
        synced.map_err(|e| Error::new(&self.path, "write", e))
    }

    /// Opens the files, again where the log was moved away since.
    fn open(&mut self) -> io::Result<()> {
        if let Some(files) = &self.files {
            let (open, now) = (files.log.metadata()?, std::fs::symlink_metadata(&self.path).ok());
            if now.is_some_and(|now| (now.dev(), now.ino()) == (open.dev(), open.ino())) {
                return Ok(());
            }
        }
        if let Some(dir) = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let options = || {
            let mut options = File::options();
            options.append(true).create(true).mode(0o600).custom_flags(flags);
            options
        };
        let log = options().open(&self.path)?;
        let regular = log.metadata()?.is_file();
        let log = if regular { options().read(true).open(&self.path)? } else { log };
        let head = if regular { Some(HeadFile::open(&self.path)?) } else { None };
        self.files = Some(Files { log, head, remembered: HeadState::Missing });
        Ok(())
    }

    fn write(&mut self, entries: Vec<RecordKind>) -> io::Result<()> {
        let time = rfc3339((self.clock)());
        let Some(files) = &mut self.files else { return Err(io::ErrorKind::NotFound.into()) };
        let lines = |mut link: LineLink| {
            let mut bytes = Vec::new();
            let mut last = (0, String::new());
            for entry in entries {
                let (number, run) = (link.number, Some(self.run.clone()));
                let line = Line { schema: SCHEMA, link: Some(link), time: time.clone(), run, entry };
                let text = serde_json::to_vec(&line)?;
                last = (number, sha256(&text));
                bytes.extend_from_slice(&text);
                bytes.push(b'\n');
                let (number, previous) = (last.0 + 1, last.1.clone());
                link = LineLink { number, previous, first: false, skipped: None, head_lost: false };
            }
            Ok::<_, io::Error>((bytes, last))
        };
        let Some(head) = &files.head else {
            let link = next(&files.remembered, 1, None);
            let (bytes, last) = lines(link)?;
            files.log.write_all(&bytes)?;
            files.remembered = HeadState::Valid(Head::new(last.0, last.1, 1));
            return Ok(());
        };
        let locked = head.lock()?;
        let link = link(&files.log, &locked)?;
        let (bytes, (number, hash)) = lines(link)?;
        files.log.write_all(&bytes)?;
        locked.write(&Head::new(number, hash, files.log.metadata()?.len()))
    }
}

impl Files {
    /// The log first: a head must not be ahead of what it is the head of.
    fn sync(&self) -> io::Result<()> {
        if let Some(head) = &self.head {
            self.log.sync_data()?;
            head.sync()?;
        }
        Ok(())
    }
}

/// Formats a moment as lines have it. A time that cannot be written becomes the nearest that can.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(AFTER_YEAR_9999 - 1);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// Chooses a name for a run that no other has.
fn run_id(clock: fn() -> SystemTime) -> String {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.is_err() {
        let now = clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        bytes.copy_from_slice(&sha256(format!("{now} {}", std::process::id()).as_bytes()).as_bytes()[..8]);
    }
    format!("{:016x}", u64::from_be_bytes(bytes))
}
