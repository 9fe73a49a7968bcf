//! Slices that were replaced or removed stay for a while.

use std::time::Duration;

use artifacts_spec::InstanceName;

use crate::disk::Disk;
use crate::folder::Folder;
use crate::{Error, Hex, Time};

/// How long and how many slices stay in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Older ones go.
    pub age: Duration,
    /// Of more than so many the oldest go.
    pub count: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: Duration::from_hours(30 * 24), count: 4096 }
    }
}

/// How much of an instance's name stands in that of its trash, in characters.
const LABEL: usize = 48;

/// A fresh name: the time first, so that names sort by age; the instance last, so that a person finds it.
pub(crate) fn name(now: Time, instance: &InstanceName) -> Result<String, Error> {
    let random: Hex<8> = Hex::random().map_err(|error| Error::io("", "draw a random name", error))?;
    let label: String = instance.to_string().replace('/', "+").chars().take(LABEL).collect();
    Ok(format!("{now}-{random}-{label}"))
}

/// Removes what has been there long enough, and what is no trash of ours.
pub(crate) fn empty(disk: &Disk, trash: &Folder, now: Time, keep: Keep) -> Result<(), Error> {
    let mut entries: Vec<_> = trash.entries()?.into_iter().map(|(name, kind)| (time_of(&name), name, kind)).collect();
    entries.sort_by(|(one, a, _), (other, b, _)| (other, b).cmp(&(one, a)));
    let fresh = |time: &Option<Time>| time.is_some_and(|time| time + keep.age > now);
    for (at, (time, name, kind)) in entries.iter().enumerate() {
        if at >= keep.count || !fresh(time) {
            disk.remove("remove old trash", trash, name, *kind)?;
        }
    }
    Ok(())
}

fn time_of(name: &str) -> Option<Time> {
    let (time, _) = name.split_once("Z-")?;
    format!("{time}Z").parse().ok()
}
