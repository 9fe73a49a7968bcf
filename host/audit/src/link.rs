//! Links the next line to what is in the log.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

use artifacts_digest::Hasher;

use crate::chain::Chain;
use crate::head::{Head, HeadState, LockedHead};
use crate::line::{LineLink, NONE_BEFORE, Skipped};
use crate::walk::{LONGEST, walk};

/// Returns the link of the next line. A last line that is incomplete gets its line break, and keeps every byte.
pub(crate) fn link(log: &File, locked: &LockedHead<'_>) -> io::Result<LineLink> {
    let state = locked.read()?;
    let size = complete_last_line(log)?;
    match &state {
        HeadState::Valid(head) if head.size == size || size == 0 => Ok(next(&state, size, None)),
        HeadState::Valid(head) if head.size < size => {
            // A run that was killed before it wrote the head, or a line that is not of this program.
            let mut tail = log;
            tail.seek(SeekFrom::Start(head.size))?;
            let mut end = (Some((head.number, head.sha256.clone())), head.size);
            let walked = walk(&mut tail, &mut Chain::default(), |_| {}, |_, _| {})?;
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
            let walked = walk(&mut whole, &mut Chain::default(), |_| {}, |_, _| {})?;
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

/// Returns the link of a line after this one and all bytes that come after it.
fn after(log: &File, size: u64, (last, end): (Option<(u64, String)>, u64), head_lost: bool) -> io::Result<LineLink> {
    let skipped = skipped(log, end, size)?;
    let state = last.map_or(HeadState::Missing, |(number, hash)| HeadState::Valid(Head::new(number, hash, end)));
    Ok(LineLink { head_lost, ..next(&state, size, skipped) })
}

/// Returns the link of a line after the last one of this state.
pub(crate) fn next(state: &HeadState, size: u64, skipped: Option<Skipped>) -> LineLink {
    let (number, previous) = match state {
        HeadState::Valid(head) => (head.number + 1, head.sha256.clone()),
        HeadState::Missing | HeadState::Damaged => (1, NONE_BEFORE.to_owned()),
    };
    LineLink { number, previous, first: size == 0, skipped, head_lost: false }
}

/// Reads the link of the line that begins there.
fn first_link(log: &File, at: u64) -> io::Result<Option<LineLink>> {
    let mut log = log;
    log.seek(SeekFrom::Start(at))?;
    let mut line = Vec::new();
    io::BufRead::read_until(&mut io::BufReader::new(log.take(LONGEST)), b'\n', &mut line)?;
    Ok(LineLink::parse(&line))
}

/// Adds the line break that an incomplete last line lacks, and returns the size in bytes.
fn complete_last_line(log: &File) -> io::Result<u64> {
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
