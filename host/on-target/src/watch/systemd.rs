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
    /// On its way up, or reloading.
    Moving,
    /// On its way down.
    Stopping,
    /// systemd does not tell. Nothing is decided upon it.
    Unknown,
}

/// A unit as systemd sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) active: Activity,
    /// systemd finds no file for it: it cannot be started.
    pub(crate) gone: bool,
    /// When it last began to start, in microseconds of the monotonic clock; zero when it never did.
    pub(crate) began: u64,
    /// When it last came up.
    pub(crate) entered: u64,
    /// When its state last changed in any way, as by a reload.
    pub(crate) stirred: u64,
    /// systemd came as far as to look at its conditions. Anyone who waits in vain for another unit never does.
    pub(crate) tried: bool,
    /// A job is waiting or running for it.
    pub(crate) queued: bool,
    /// Units that want or require it.
    pub(crate) wanted_by: Vec<String>,
    /// Units that stop with it.
    pub(crate) dependents: Vec<String>,
}

const PROPERTIES: &str = "--property=LoadState,ActiveState,Job,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,\
    StateChangeTimestampMonotonic,ConditionTimestampMonotonic,WantedBy,RequiredBy,RequisiteOf,BoundBy,ConsistsOf,PropagatesStopTo";

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

/// Anyone who runs units.
pub(crate) trait Manager {
    /// States of units. What it does not know is down, and what it does not tell of is unknown.
    fn show(&self, names: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>>;

    /// Tells it and does not wait for it to be done.
    fn command(&self, verb: Verb, name: &str) -> io::Result<()>;
}

type Show<'a> = dyn Fn(&BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>> + 'a;

/// The system's manager, or a user's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Systemctl {
    pub(crate) user: bool,
}

impl Manager for Systemctl {
    /// What systemd refuses to tell of is unknown, as long as it tells anything at all.
    fn show(&self, names: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.show_all(names).or_else(|_| {
            self.run(&["show", "--property=Version"], &BTreeSet::new())?;
            Ok(show_parts(names, &|part| self.show_all(part)))
        })
    }

    fn command(&self, verb: Verb, name: &str) -> io::Result<()> {
        self.run(&[verb.word(), "--no-block", "--"], &BTreeSet::from([name])).map(drop)
    }
}

impl Systemctl {
    fn show_all(self, names: &BTreeSet<&str>) -> io::Result<BTreeMap<String, Unit>> {
        let output = self.run(&["show", PROPERTIES, "--"], names)?;
        let units = parse(&String::from_utf8_lossy(&output.stdout));
        if units.len() != names.len() {
            let why = format!("systemctl show answered for {} of {} units", units.len(), names.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(names.iter().map(ToString::to_string).zip(units).collect())
    }

    /// Whether it still starts what a boot wants.
    pub(crate) fn is_booting(self) -> io::Result<bool> {
        let output = self.run(&["show", "--property=SystemState", "--value"], &BTreeSet::new())?;
        Ok(matches!(String::from_utf8_lossy(&output.stdout).trim(), "initializing" | "starting"))
    }

    /// Restarts units and waits until they are up or failed, as their own journal says.
    pub(crate) fn restart(self, names: &BTreeSet<&str>) {
        let _ = self.run(&["restart", "--"], names);
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
        Err(io::Error::other(format!("systemctl {}: {}: {}", what(words, names), output.status, said.trim())))
    }
}

/// Finds by halves which names spoil the answer for all others: mostly there is one, and few questions lead to it.
fn show_parts(names: &BTreeSet<&str>, show: &Show<'_>) -> BTreeMap<String, Unit> {
    let names: Vec<&str> = names.iter().copied().collect();
    if let [name] = names[..] {
        return BTreeMap::from([(name.to_owned(), Unit { active: Activity::Unknown, ..Unit::default() })]);
    }
    let halves = names.split_at(names.len() / 2);
    let of = |half: &[&str]| {
        let half = half.iter().copied().collect();
        show(&half).unwrap_or_else(|_| show_parts(&half, show))
    };
    of(halves.0).into_iter().chain(of(halves.1)).collect()
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
                    "activating" | "reloading" | "refreshing" | "maintenance" => Activity::Moving,
                    "deactivating" => Activity::Stopping,
                    _ => Activity::Down,
                }
            }
            "LoadState" => unit.gone = value == "not-found",
            "InactiveExitTimestampMonotonic" => unit.began = value.parse().unwrap_or_default(),
            "ActiveEnterTimestampMonotonic" => unit.entered = value.parse().unwrap_or_default(),
            "StateChangeTimestampMonotonic" => unit.stirred = value.parse().unwrap_or_default(),
            "ConditionTimestampMonotonic" => unit.tried = value.parse::<u64>().is_ok_and(|at| at != 0),
            "Job" => unit.queued = !value.is_empty(),
            "WantedBy" => unit.wanted_by.extend(words(value)),
            "RequiredBy" => {
                unit.wanted_by.extend(words(value));
                unit.dependents.extend(words(value));
            }
            "RequisiteOf" | "BoundBy" | "ConsistsOf" | "PropagatesStopTo" => unit.dependents.extend(words(value)),
            _ => {}
        }
    }
    unit
}

/// The verb, and the unit where there is one.
fn what(words: &[&str], names: &BTreeSet<&str>) -> String {
    let unit = names.first().filter(|_| names.len() == 1);
    words.iter().take(1).chain(unit).copied().collect::<Vec<_>>().join(" ")
}

fn words(value: &str) -> impl Iterator<Item = String> {
    value.split_whitespace().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn one_odd_name_costs_few_questions_and_nobody_else_is_unknown() {
        let names: Vec<String> = (0..64).map(|n| format!("{n:02}.service")).collect();
        for odd in [0, 20, 63] {
            let asked = Cell::new(0);
            let show = |part: &BTreeSet<&str>| {
                asked.set(asked.get() + 1);
                if part.contains(names[odd].as_str()) {
                    return Err(io::Error::other("odd"));
                }
                let up = |name: &&str| (name.to_string(), Unit { active: Activity::Up, ..Unit::default() });
                Ok(part.iter().map(up).collect())
            };
            let units = show_parts(&names.iter().map(String::as_str).collect(), &show);
            assert_eq!(units.len(), 64);
            let unknown: Vec<_> = units.iter().filter(|(_, unit)| unit.active != Activity::Up).collect();
            assert!(unknown.len() == 1 && unknown[0].0 == &names[odd] && unknown[0].1.active == Activity::Unknown);
            assert_eq!(asked.get(), 12);
        }
    }

    #[test]
    fn a_failure_says_what_was_asked() {
        let one = BTreeSet::from(["x.service"]);
        assert_eq!(what(&["start", "--no-block", "--"], &one), "start x.service");
        assert_eq!(what(&["show", PROPERTIES, "--"], &BTreeSet::from(["x.service", "y.service"])), "show");
    }

    #[test]
    fn an_answer_is_read_block_by_block() {
        let text = "LoadState=loaded\nActiveState=active\nJob=3\nInactiveExitTimestampMonotonic=17\nWantedBy=multi-user.target\n\
                    RequiredBy=b.service\nBoundBy=c.mount d.service\nConditionTimestampMonotonic=16\nStateChangeTimestampMonotonic=18\n\n\
                    LoadState=not-found\nActiveState=inactive\nConditionTimestampMonotonic=0\n\nActiveState=reloading\n\n\
                    ActiveState=deactivating\n";
        let units = parse(text);
        assert_eq!(units.len(), 4);
        assert_eq!((units[0].active, units[0].queued, units[0].began), (Activity::Up, true, 17));
        assert_eq!((units[0].tried, units[0].stirred), (true, 18));
        assert_eq!(units[0].wanted_by, ["multi-user.target", "b.service"]);
        assert_eq!(units[0].dependents, ["b.service", "c.mount", "d.service"]);
        assert_eq!(units[1], Unit { gone: true, ..Unit::default() });
        assert_eq!(units[2].active, Activity::Moving);
        assert_eq!(units[3].active, Activity::Stopping);
    }
}
