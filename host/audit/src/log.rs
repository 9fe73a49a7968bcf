//! Appending to the log: under a lock, linked to the line before, one write.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use artifacts_digest::Hasher;
use artifacts_text::Explain;

use crate::head::{Head, HeadFile, HeadState, LockedHead};
use crate::line::{Line, LineLink, NONE_BEFORE, SCHEMA, Skipped, sha256};
use crate::verify::{self, Chain};
use crate::{Call, CallEnd, CallRequest, CallStart, ConsentRecord, RecordKind, RunRecord};

/// The first moment after those that RFC 3339 can express, in seconds since 1970.
const AFTER_YEAR_9999: u64 = 253_402_300_800;

/// Why the log cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened, written or read.
    #[error("cannot {what} the audit log {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn new(path: &Path, what: &'static str, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), what, source }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "audit"
    }

    fn hint(&self) -> Option<String> {
        Some("pass `--audit-log FILE` with a writable file outside the repository".to_owned())
    }
}

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
    /// A log that is opened, or made for its owner alone, by the first line. A file that was moved away is regenerated and goes
    /// on where the other one ended, which is how one rotates.
    pub fn new(path: impl Into<PathBuf>, about: RunRecord, sync: SyncMode) -> Self {
        let run = run_id();
        let (path, about, files) = (path.into(), Some(about), None);
        Self(Arc::new(Mutex::new(Inner {
            path,
            about,
            run,
            calls: 0,
            sync,
            unsynced: false,
            files,
            clock: SystemTime::now,
        })))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.with(|inner| inner.path.clone())
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> SystemTime) -> Self {
        self.with(|inner| inner.clock = clock);
        self
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

    /// Writes that a call is about to begin, and returns its number. Where that fails, the call must not begin.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn begun(&self, observed: CallRequest) -> Result<u64, Error> {
        self.with(|inner| {
            let call = inner.calls + 1;
            let check = observed.operation == crate::Operation::Check;
            inner.append(vec![RecordKind::Begun(CallStart { call, observed })], false)?;
            inner.calls = call;
            inner.unsynced |= !check;
            Ok(call)
        })
    }

    /// Writes what came of a call.
    ///
    /// # Errors
    /// As for [`Self::begin`].
    pub fn ended(&self, number: u64, call: Call<'_>) -> Result<(), Error> {
        let ended = RecordKind::Ended(Box::new(CallEnd::new(number, call)));
        self.with(|inner| inner.append(vec![ended], false))
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

/// How the next line is linked to what is there. A last line that is incomplete gets its line break, and keeps every byte.
fn link(log: &File, locked: &LockedHead<'_>) -> io::Result<LineLink> {
    let state = locked.read()?;
    let size = repair(log)?;
    match &state {
        HeadState::Valid(head) if head.size == size || size == 0 => Ok(next(&state, size, None)),
        HeadState::Valid(head) if head.size < size => {
            // A run that was killed before it wrote the head, or a line that is none of ours.
            let mut tail = log;
            tail.seek(SeekFrom::Start(head.size))?;
            let mut end = (Some((head.number, head.sha256.clone())), head.size);
            let walked = verify::walk(&mut tail, &mut Chain::default(), |_| {}, |_, _| {})?;
            let follows = || first_link(log, head.size).ok().flatten();
            if let Some(last) = walked.last
                && follows().is_some_and(|link| link.number == head.number + 1 && link.previous == head.sha256)
            {
                end = (Some(last), head.size + walked.size);
            }
            after(log, size, end, false)
        }
        _ => {
            // Where the chain ends is in the log alone; what the head says counts more.
            let mut whole = log;
            whole.seek(SeekFrom::Start(0))?;
            let walked = verify::walk(&mut whole, &mut Chain::default(), |_| {}, |_, _| {})?;
            let head_lost = state == HeadState::Damaged || (state == HeadState::Missing && walked.last.is_some());
            let last = if let HeadState::Valid(head) = &state {
                Some((head.number, head.sha256.clone()))
            } else {
                walked.last
            };
            after(log, size, (last, walked.size), head_lost)
        }
    }
}

/// The link of a line after this one and all bytes that come after it.
fn after(log: &File, size: u64, (last, end): (Option<(u64, String)>, u64), head_lost: bool) -> io::Result<LineLink> {
    let skipped = skipped(log, end, size)?;
    let state = last.map_or(HeadState::Missing, |(number, hash)| HeadState::Valid(Head::new(number, hash, end)));
    Ok(LineLink { head_lost, ..next(&state, size, skipped) })
}

fn next(state: &HeadState, size: u64, skipped: Option<Skipped>) -> LineLink {
    let (number, previous) = match state {
        HeadState::Valid(head) => (head.number + 1, head.sha256.clone()),
        HeadState::Missing | HeadState::Damaged => (1, NONE_BEFORE.to_owned()),
    };
    LineLink { number, previous, first: size == 0, skipped, head_lost: false }
}

/// The link of the line that begins there.
fn first_link(log: &File, at: u64) -> io::Result<Option<LineLink>> {
    let mut log = log;
    log.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    io::BufRead::read_until(&mut io::BufReader::new(log.take(verify::LONGEST)), b'\n', &mut line)?;
    Ok(LineLink::parse(&line))
}

/// Adds the line break that an incomplete last line lacks, and returns the size.
fn repair(log: &File) -> io::Result<u64> {
    let size = log.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        log.read_exact_at(&mut last, size - 1)?;
    }
    if last == *b"\n" {
        return Ok(size);
    }
    let mut log = log;
    log.write_all(b"\n")?;
    Ok(size + 1)
}

fn skipped(log: &File, from: u64, to: u64) -> io::Result<Option<Skipped>> {
    if from >= to {
        return Ok(None);
    }
    let mut log = log;
    log.seek(SeekFrom::Start(from))?;
    let mut hash = Hasher::new();
    let bytes = io::copy(&mut log.take(to - from), &mut hash)?;
    Ok(Some(Skipped { bytes, sha256: hash.finish().to_string() }))
}

/// A moment as lines have it. A clock that is set to a time that cannot be written stands at the nearest that can.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(AFTER_YEAR_9999 - 1);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// A name for a run that no other has.
fn run_id() -> String {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if filled.is_err() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        bytes.copy_from_slice(&sha256(format!("{now} {}", std::process::id()).as_bytes()).as_bytes()[..8]);
    }
    format!("{:016x}", u64::from_be_bytes(bytes))
}
