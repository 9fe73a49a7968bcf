//! Entries that were replaced or removed stay for a while.

use std::time::Duration;

use artifacts_declared::InstanceName;

use crate::disk::Disk;
use crate::store_dir::StoreDir;
use crate::{Error, FileKind, Hex, Time};

/// Decides how long entries stay in the trash. None is removed by their number: anyone who can push could fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrashPolicy {
    /// Age at which an entry is removed, once a second run finds it so.
    pub age: Duration,
}

impl Default for TrashPolicy {
    fn default() -> Self {
        Self { age: Duration::from_hours(30 * 24) }
    }
}

/// Longest part of an instance's name in the name of its trashed entry, in characters.
const LABEL: usize = 48;

/// Draws a name for a trashed entry: the time first, so that names sort by age; the instance last, so that people find
/// it.
pub(crate) fn name(now: Time, instance: &InstanceName) -> Result<String, Error> {
    let random: Hex<8> = Hex::random().map_err(|error| Error::io("", "draw a random name", error))?;
    let label: String = instance.to_string().replace('/', "+").chars().take(LABEL).collect();
    Ok(format!("{now}-{random}-{label}"))
}

/// Name of the file with the time at which a run first found an expired entry.
const SEEN: &str = "expired";
/// Time that an expired entry stays after it was first found: a clock that jumps ahead lets everything expire at once.
const SECOND_LOOK: Duration = Duration::from_hours(24);

/// Removes what is no trash of ours, and what had been there long enough when an earlier run looked, a day ago or longer. Returns when
/// that was.
pub(crate) fn empty(
    disk: &Disk,
    work_dir: &StoreDir,
    trash: &StoreDir,
    now: Time,
    keep: TrashPolicy,
) -> Result<Option<Time>, Error> {
    let noted = seen(work_dir)?.filter(|at| *at <= now);
    let second = noted.filter(|at| *at + SECOND_LOOK <= now);
    let mut is_first = false;
    for (name, kind) in trash.entries()? {
        let expired = time_of(&name).map(|time| time + keep.age);
        if expired.is_none_or(|expired| second.is_some_and(|at| expired <= at)) {
            disk.remove("remove old trash", trash, &name, kind)?;
        } else {
            is_first |= expired.is_some_and(|expired| expired <= now);
        }
    }
    if is_first && (noted.is_none() || second.is_some()) {
        if let Some(kind) = work_dir.kind(SEEN)? {
            disk.remove("remove when trash was looked at", work_dir, SEEN, kind)?;
        }
        disk.write(work_dir, SEEN, format!("{now}\n").as_bytes(), 0o600)?;
    }
    Ok(second)
}

/// Reads that time; a file that does not hold one counts as absent.
fn seen(work_dir: &StoreDir) -> Result<Option<Time>, Error> {
    if work_dir.kind(SEEN)? != Some(FileKind::File) {
        return Ok(None);
    }
    let text = work_dir.read(SEEN, 64).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.and_then(|text| text.trim_end().parse().ok()))
}

/// Returns when an entry went to the trash, by its name there; `None` of any other name.
pub fn time_of(name: &str) -> Option<Time> {
    let (time, _) = name.split_once("Z-")?;
    format!("{time}Z").parse().ok()
}
