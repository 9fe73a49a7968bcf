//! Walks over lines from the first byte to the last and compares each link.

use std::io::{self, BufRead, BufReader, Read as _};

use artifacts_digest::Hasher;

use crate::chain::{Chain, Finding};
use crate::line::{Line, LineLink, NONE_BEFORE, Skipped, sha256};

/// Limit for a line that is read, in bytes. What is longer is not a line of this program.
pub(crate) const LONGEST: u64 = 1 << 28;

/// Represents a line that the walk meets.
pub(crate) struct Met<'a> {
    /// Bytes of the line, without the line break.
    pub bytes: &'a [u8],
}

impl Met<'_> {
    /// Returns whether it is part of the chain.
    pub fn is_linked(&self) -> bool {
        LineLink::parse(self.bytes).is_some()
    }
}

/// Describes the end of the chain after a walk.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// Number and SHA-256 of the last linked line.
    pub last: Option<(u64, String)>,
    /// Bytes up to and with it.
    pub size: u64,
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

/// Collects what stands between two linked lines.
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
