//! Walks a log from its first byte to its last and compares each link.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use artifacts_digest::Hasher;
use serde::Serialize;

use crate::Head;
use crate::head::{HeadFile, HeadState, head_path};
use crate::line::{Line, LineLink, NONE_BEFORE, Skipped, sha256};
use crate::log::Error;

/// The longest line that is read, in bytes. What is longer is not a line of this program.
pub(crate) const LONGEST: u64 = 1 << 28;

/// Holds what verification found of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Linked lines in this file.
    pub linked: u64,
    /// Lines of schema 1 before the first linked one.
    pub unlinked: u64,
    /// Number of the first linked line; above 1 in a log that was rotated.
    pub begins: Option<u64>,
    /// The last line, as the head file has it.
    pub head: Option<Head>,
    /// What is wrong, in the order of the lines.
    pub findings: Vec<Finding>,
}

impl Chain {
    /// Returns whether lines were removed, changed, reordered or added. Damage that the next line accounts for is none of this.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(Finding::breaks)
    }
}

/// Something that is wrong with a log. Lines count from 1 in their file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// A line has no line break: its writing was interrupted.
    Incomplete {
        /// The line.
        line: u64,
    },
    /// A line is not a record, and the line after it says so: its writing was interrupted.
    Damaged {
        /// The line.
        line: u64,
    },
    /// A line is not part of the chain: it was added, or changed.
    Foreign {
        /// The line.
        line: u64,
    },
    /// Records are missing before a line.
    Missing {
        /// The line.
        line: u64,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The record before a line is not the one that was written there.
    Changed {
        /// The line.
        line: u64,
        /// The number of the record that was changed.
        record: u64,
    },
    /// A record is out of order, or there twice.
    Order {
        /// The line.
        line: u64,
        /// Its number.
        record: u64,
    },
    /// Bytes that stood before a line were removed or changed: an incomplete line, or records of schema 1.
    Before {
        /// The line.
        line: u64,
    },
    /// Records are missing at the end, or the last one was changed.
    End {
        /// The last record that is there; 0 when there is none.
        found: u64,
        /// The last record that was written.
        expected: u64,
    },
    /// The log is empty or missing, though records were written: it was moved away and not continued yet, or removed.
    Empty {
        /// The last record that was written.
        expected: u64,
    },
    /// The head file was missing or damaged: what was removed at the end before cannot be determined.
    Head {
        /// The line before which that was noticed; none at the end, where it is damaged.
        line: Option<u64>,
    },
    /// There is no head file beside the log, as for one that was moved away: what was removed at the end cannot be determined.
    NoHead,
}

impl Finding {
    /// Returns whether it says that the log was changed, and not only that writing it was interrupted, or that its end cannot be
    /// verified.
    pub fn breaks(&self) -> bool {
        !matches!(self, Self::Incomplete { .. } | Self::Damaged { .. } | Self::NoHead)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { line } => write!(f, "line {line} is incomplete: writing it was interrupted"),
            Self::Damaged { line } => write!(f, "line {line} is not an audit record: writing it was interrupted"),
            Self::Foreign { line } => write!(f, "line {line} is not part of the chain: it was added or changed"),
            Self::Missing { line, from, to } if from == to => write!(f, "record {from} is missing before line {line}"),
            Self::Missing { line, from, to } => write!(f, "records {from} to {to} are missing before line {line}"),
            Self::Changed { line, record } => write!(f, "record {record}, before line {line}, was changed"),
            Self::Order { line, record } => write!(f, "line {line} is out of order: it is record {record}"),
            Self::Before { line } => write!(f, "text before line {line} was removed or changed"),
            Self::End { found, expected } if found < expected => {
                write!(f, "the log ends with record {found}; record {expected} was written last")
            }
            Self::End { found, .. } => {
                write!(f, "record {found}, the last one, was changed or not written by artifacts")
            }
            Self::Empty { expected } => write!(
                f,
                "the log is empty and record {expected} was written last: it was removed, or moved away and not continued yet"
            ),
            Self::Head { line: Some(line) } => {
                write!(f, "the head file was missing or damaged before line {line}: records removed there go unnoticed")
            }
            Self::Head { line: None } => {
                write!(f, "the head file is damaged: records removed at the end go unnoticed")
            }
            Self::NoHead => write!(f, "no head file beside it: records removed at the end go unnoticed"),
        }
    }
}

/// A line as the walk meets it.
pub(crate) struct Met<'a> {
    /// Its bytes, without the line break.
    pub bytes: &'a [u8],
}

impl Met<'_> {
    /// Whether it is part of the chain.
    pub fn is_linked(&self) -> bool {
        LineLink::parse(self.bytes).is_some()
    }
}

/// Where the chain stands after a walk.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// Number and SHA-256 of the last linked line.
    pub last: Option<(u64, String)>,
    /// Bytes up to and with it.
    pub size: u64,
}

/// Verifies a log and its head.
///
/// # Errors
/// When one of the files cannot be read. One that does not exist is empty.
pub fn verify(path: &Path) -> Result<Chain, Error> {
    walk_locked(path, |_| {})
}

/// Walks while no run appends; `each` gets every line.
pub(crate) fn walk_locked(path: &Path, each: impl FnMut(&Met<'_>)) -> Result<Chain, Error> {
    let failed = |source| Error::new(path, "read", source);
    let head = HeadFile::find(path).map_err(|e| Error::new(&head_path(path), "read", e))?;
    let log = match File::open(path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    // Only the lengths are read under the lock: anyone who appends does not wait for the walk.
    let (state, size) = {
        let locked = head.as_ref().map(HeadFile::lock_shared).transpose().map_err(failed)?;
        let state = locked.as_ref().map_or(Ok(HeadState::Missing), crate::head::LockedHead::read).map_err(failed)?;
        (state, log.as_ref().map_or(Ok(0), |file| file.metadata().map(|found| found.len())).map_err(failed)?)
    };
    let mut chain = Chain::default();
    let mut known = Vec::new();
    let head = if let HeadState::Valid(head) = &state { Some(head) } else { None };
    let end = match &log {
        Some(file) => walk(&mut file.take(size), &mut chain, each, |number, hash| {
            if head.is_some_and(|head| head.number == number) {
                known.push(hash.to_owned());
            }
        })
        .map_err(failed)?,
        None => End::default(),
    };
    compare(&mut chain, &state, &end, size, &known);
    chain.head = head.cloned();
    Ok(chain)
}

/// Compares the end of the chain with the head. A head that is behind is one whose run was killed before it wrote it.
fn compare(chain: &mut Chain, state: &HeadState, end: &End, size: u64, known: &[String]) {
    let last = end.last.as_ref().map_or(0, |(number, _)| *number);
    let finding = match state {
        HeadState::Damaged => Some(Finding::Head { line: None }),
        HeadState::Missing => (last > 0).then_some(Finding::NoHead),
        HeadState::Valid(head) if size == 0 => Some(Finding::Empty { expected: head.number }),
        HeadState::Valid(head) if known.contains(&head.sha256) => None,
        HeadState::Valid(head) => Some(Finding::End { found: last, expected: head.number }),
    };
    chain.findings.extend(finding);
}

/// Walks over lines to the end.
pub(crate) fn walk(
    log: &mut dyn io::Read,
    chain: &mut Chain,
    mut each: impl FnMut(&Met<'_>),
    mut linked: impl FnMut(u64, &str),
) -> io::Result<End> {
    let mut reader = BufReader::new(log);
    let mut end = End::default();
    let mut between = Between::default();
    let (mut position, mut number) = (0, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = (&mut reader).take(LONGEST).read_until(b'\n', &mut text)?;
        if length == 0 {
            break;
        }
        number += 1;
        position += length as u64;
        let complete = text.last() == Some(&b'\n');
        let bytes = text.strip_suffix(b"\n").unwrap_or(&text);
        each(&Met { bytes });
        match LineLink::parse(bytes).filter(|_| complete) {
            Some(link) => {
                let hash = sha256(bytes);
                between.accounted(&link, &end, number, chain);
                follow(&link, &end, number, chain);
                linked(link.number, &hash);
                end = End { last: Some((link.number, hash)), size: position };
                between = Between::default();
                chain.linked += 1;
            }
            None => between.add(&text, number, complete),
        }
    }
    between.unaccounted(&end, chain);
    Ok(end)
}

/// Compares a line's link with the line before it.
fn follow(link: &LineLink, end: &End, at: u64, chain: &mut Chain) {
    if link.head_lost {
        chain.findings.push(Finding::Head { line: Some(at) });
    }
    let finding = match &end.last {
        None => {
            chain.begins = Some(link.number);
            let first = if link.number == 1 { link.previous == NONE_BEFORE } else { link.first };
            (!first).then_some(if link.number > 1 {
                Finding::Missing { line: at, from: 1, to: link.number - 1 }
            } else {
                Finding::Changed { line: at, record: 0 }
            })
        }
        Some((before, hash)) => match link.number.checked_sub(*before) {
            Some(1) if link.previous == *hash => None,
            Some(1) => Some(Finding::Changed { line: at, record: *before }),
            Some(more) if more > 1 => Some(Finding::Missing { line: at, from: before + 1, to: link.number - 1 }),
            _ => Some(Finding::Order { line: at, record: link.number }),
        },
    };
    chain.findings.extend(finding);
}

/// What stands between two linked lines.
#[derive(Default)]
struct Between {
    lines: Vec<(u64, GapKind)>,
    bytes: u64,
    hash: Hasher,
}

#[derive(Clone, Copy, PartialEq)]
enum GapKind {
    /// A record of schema 1.
    Unlinked,
    /// JSON that is no linked record.
    Json,
    Garbage,
    Incomplete,
}

impl Between {
    fn add(&mut self, line: &[u8], number: u64, complete: bool) {
        self.bytes += line.len() as u64;
        self.hash.update(line);
        let kind = if !complete {
            GapKind::Incomplete
        } else if Line::parse(line).is_some_and(|line| line.schema == 1) {
            GapKind::Unlinked
        } else if serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok() {
            GapKind::Json
        } else {
            GapKind::Garbage
        };
        self.lines.push((number, kind));
    }

    /// What a linked line says of what stands before it.
    fn accounted(&mut self, link: &LineLink, end: &End, at: u64, chain: &mut Chain) {
        let found =
            (self.bytes > 0).then(|| Skipped { bytes: self.bytes, sha256: self.hash.clone().finish().to_string() });
        let accounted = found == link.skipped;
        let start = end.last.is_none() && link.number == 1;
        for (number, kind) in self.lines.drain(..) {
            match kind {
                GapKind::Unlinked if start => chain.unlinked += 1,
                GapKind::Garbage | GapKind::Incomplete if accounted => {
                    chain.findings.push(Finding::Damaged { line: number });
                }
                _ => chain.findings.push(Finding::Foreign { line: number }),
            }
        }
        if !accounted && (link.skipped.is_some() || start) {
            chain.findings.push(Finding::Before { line: at });
        }
    }

    /// What no linked line comes after.
    fn unaccounted(self, end: &End, chain: &mut Chain) {
        for (line, kind) in self.lines {
            match kind {
                GapKind::Unlinked if end.last.is_none() => chain.unlinked += 1,
                GapKind::Incomplete => chain.findings.push(Finding::Incomplete { line }),
                GapKind::Garbage if end.last.is_none() => chain.findings.push(Finding::Damaged { line }),
                _ => chain.findings.push(Finding::Foreign { line }),
            }
        }
    }
}
