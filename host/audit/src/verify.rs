//! Verifies a log and its head.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::chain::{Chain, Finding};
use crate::error::Error;
use crate::head::{HeadFile, HeadState, LockedHead, head_path};
use crate::walk::{End, Met, walk};

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
        let state = locked.as_ref().map_or(Ok(HeadState::Missing), LockedHead::read).map_err(failed)?;
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
