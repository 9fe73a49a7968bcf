//! systemd, asked and told through `systemctl`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::{Command, Output, Stdio};

/// What matters of a unit's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Activity {
    /// Up.
    Up,
    /// Down, or unknown to systemd.
    #[default]
    Down,
    /// It failed.
    Failed,
    /// On its way up or down, or reloading.
    Moving,
}

/// A unit as systemd sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) active: Activity,
    /// When it last began to start, in microseconds of the monotonic clock; zero when it never did.
    pub(crate) began: u64,
    /// A job is waiting or running for it.
    pub(crate) queued: bool,
    /// Units that want or require it.
    pub(crate) wanted_by: Vec<String>,
}

/// What the watcher tells systemd. Nothing of it waits for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    /// Start it.
    Start,
    /// Stop it, and with it what is bound to it.
    Stop,
    /// Restart it if it runs.
    TryRestart,
    /// Reload it if it runs, or restart it where it cannot reload.
    TryReload,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::TryRestart => "try-restart",
            Self::TryReload => "try-reload-or-restart",
        }
    }
}

/// The system's manager, or a user's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Systemctl {
    pub(crate) user: bool,
}

impl Systemctl {
    /// States of units. What systemd does not know is inactive, and so is what it refuses to tell of, as long as it tells of
    /// any other.
    pub(crate) fn show(self, names: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.show_all(names).or_else(|why| {
            let each = names.iter().filter_map(|name| self.show_all(&BTreeSet::from([*name])).ok());
            let mut units: BTreeMap<String, Unit> = each.flatten().collect();
            if units.is_empty() {
                return Err(why);
            }
            for name in names {
                units.entry((*name).to_owned()).or_default();
            }
            Ok(units)
        })
    }

    fn show_all(self, names: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>> {
        let properties = "--property=LoadState,ActiveState,Job,InactiveExitTimestampMonotonic,WantedBy,RequiredBy";
        let output = self.run(&["show", properties, "--"], names)?;
        let units = parse(&String::from_utf8_lossy(&output.stdout));
        if units.len() != names.len() {
            let why = format!("systemctl show answered for {} of {} units", units.len(), names.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(names.iter().map(ToString::to_string).zip(units).collect())
    }

    /// Tells systemd and does not wait for it to be done.
    pub(crate) fn tell(self, verb: Verb, name: &str) -> io::Result<()> {
        self.run(&["--no-block", verb.word(), "--"], &BTreeSet::from([name])).map(drop)
    }

    fn run(self, words: &[&str], names: &BTreeSet<&str>) -> io::Result<Output> {
        let manager = if self.user { "--user" } else { "--system" };
        let mut command = Command::new("systemctl");
        command.arg(manager).args(words).args(names).stdin(Stdio::null()).env("SYSTEMD_COLORS", "0");
        let output = command.output()?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("systemctl {}: {}: {}", words[0], output.status, said.trim())))
    }
}

fn parse(text: &str) -> Vec<Unit> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(unit).collect()
}

fn unit(block: &str) -> Unit {
    let mut unit = Unit::default();
    for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "ActiveState" => {
                unit.active = match value {
                    "active" => Activity::Up,
                    "failed" => Activity::Failed,
                    "activating" | "deactivating" | "reloading" | "refreshing" | "maintenance" => Activity::Moving,
                    _ => Activity::Down,
                }
            }
            "InactiveExitTimestampMonotonic" => unit.began = value.parse().unwrap_or_default(),
            "Job" => unit.queued = !value.is_empty(),
            "WantedBy" | "RequiredBy" => unit.wanted_by.extend(value.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_block_by_block() {
        let text = "LoadState=loaded\nActiveState=active\nJob=3\nInactiveExitTimestampMonotonic=17\nWantedBy=multi-user.target\n\
                    RequiredBy=b.service\n\nLoadState=not-found\nActiveState=inactive\n\nActiveState=reloading\n";
        let units = parse(text);
        assert_eq!(units.len(), 3);
        assert_eq!((units[0].active, units[0].queued, units[0].began), (Activity::Up, true, 17));
        assert_eq!(units[0].wanted_by, ["multi-user.target", "b.service"]);
        assert_eq!(units[1], Unit::default());
        assert_eq!(units[2].active, Activity::Moving);
    }
}
