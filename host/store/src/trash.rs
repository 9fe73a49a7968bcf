//! Slices that were replaced or removed stay for a while.

use std::time::Duration;

use artifacts_spec::InstanceName;

use crate::disk::Disk;
use crate::folder::Folder;
use crate::{Error, Hex, Time};

/// How long entries stay in the trash. Nothing is removed by count: whoever can push could fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Older ones go.
    pub age: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: Duration::from_hours(30 * 24) }
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
    for (name, kind) in trash.entries()? {
        if time_of(&name).is_none_or(|time| time + keep.age <= now) {
            disk.remove("remove old trash", trash, &name, kind)?;
        }
    }
    Ok(())
}

pub(crate) fn time_of(name: &str) -> Option<Time> {
    let (time, _) = name.split_once("Z-")?;
    format!("{time}Z").parse().ok()
}
