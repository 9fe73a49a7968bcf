//! What to do about what was seen. Pure: it changes only the memory.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::Digest;
use super::memory::{Change, Memory};
use super::systemd::{Active, Unit, Verb};
use crate::manifest::{Artifact, Manifest};

/// How soon to look again, in microseconds, at something that is in motion and does not tell when it is done.
const SOON: u64 = 1_000_000;

/// Files, units and time, as they are now.
pub(crate) struct Seen<'a> {
    pub(crate) manifest: &'a Manifest,
    /// The first fault of each artifact that is not complete.
    pub(crate) faults: BTreeMap<&'a str, String>,
    /// Of the files of complete artifacts that somebody wants to hear of, by `artifact/file`.
    pub(crate) digests: BTreeMap<String, Digest>,
    pub(crate) units: BTreeMap<String, Unit>,
    /// The machine is being switched to another configuration.
    pub(crate) switching: bool,
    /// Microseconds of the monotonic clock.
    pub(crate) now: u64,
}

/// What to tell systemd, what to tell people, and when to look again at the latest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) orders: BTreeMap<Verb, BTreeSet<String>>,
    pub(crate) messages: Vec<String>,
    pub(crate) again: Option<u64>,
}

impl Decision {
    fn order(&mut self, verb: Verb, unit: &str) {
        self.orders.entry(verb).or_default().insert(unit.to_owned());
    }

    fn look_at(&mut self, at: u64) {
        self.again = Some(self.again.map_or(at, |before| before.min(at)));
    }
}

/// Decides. `losses` holds since when a running unit's artifact is not complete; a loss counts after `grace` microseconds.
pub(crate) fn decide(seen: &Seen<'_>, memory: &mut Memory, losses: &mut BTreeMap<String, u64>, grace: u64) -> Decision {
    let mut decision = Decision::default();
    forget(seen.manifest, memory, losses);
    for (name, artifact) in &seen.manifest.artifacts {
        match seen.faults.get(name.as_str()) {
            None => complete(seen, name.as_str(), artifact, memory, losses, &mut decision),
            Some(fault) => incomplete(seen, name.as_str(), artifact, fault, memory, losses, grace, &mut decision),
        }
    }
    bring_back(seen, memory, &mut decision);
    note_changes(seen, memory, &mut decision);
    tell_changes(seen, memory, &mut decision);
    decision
}

impl Seen<'_> {
    fn unit(&self, name: &str) -> Unit {
        self.units.get(name).cloned().unwrap_or_default()
    }

    /// A consumer that this boot wanted and never started: its artifact was not there in time.
    fn missed(&self, consumer: &str) -> bool {
        let unit = self.unit(consumer);
        let wanted = |by: &String| {
            let by = self.unit(by);
            by.queued || matches!(by.active, Active::Active | Active::Moving)
        };
        unit.active == Active::Inactive && unit.began == 0 && unit.wanted_by.iter().any(wanted)
    }
}

fn forget(manifest: &Manifest, memory: &mut Memory, losses: &mut BTreeMap<String, u64>) {
    let artifacts = &manifest.artifacts;
    memory.lost.retain(|name| artifacts.contains_key(name.as_str()));
    losses.retain(|name, _| artifacts.contains_key(name.as_str()));
    memory.waiting.retain(|unit| artifacts.values().any(|artifact| artifact.bind_units.contains(unit)));
    let files: BTreeSet<String> = artifacts
        .iter()
        .flat_map(|(name, artifact)| artifact.files.keys().map(move |f| format!("{name}/{f}")))
        .collect();
    memory.digests.retain(|file, _| files.contains(file));
}

fn complete(
    seen: &Seen<'_>,
    name: &str,
    artifact: &Artifact,
    memory: &mut Memory,
    losses: &mut BTreeMap<String, u64>,
    decision: &mut Decision,
) {
    losses.remove(name);
    let active = seen.unit(&artifact.unit).active;
    if active == Active::Moving {
        // Its own look may have come before the last file: then it fails next.
        return decision.look_at(seen.now + SOON);
    }
    let lost = memory.lost.remove(name);
    // A unit that is down and was not stopped by us was stopped by a person, or its turn comes yet.
    if active == Active::Failed || (active == Active::Inactive && lost) {
        decision.order(Verb::Start, &artifact.unit);
        decision.messages.push(format!("artifact `{name}` is complete: starting {}", artifact.unit));
    }
    if active == Active::Failed {
        memory.waiting.extend(artifact.bind_units.iter().filter(|unit| seen.missed(unit)).cloned());
    }
}

#[allow(clippy::too_many_arguments)]
fn incomplete(
    seen: &Seen<'_>,
    name: &str,
    artifact: &Artifact,
    fault: &str,
    memory: &mut Memory,
    losses: &mut BTreeMap<String, u64>,
    grace: u64,
    decision: &mut Decision,
) {
    match seen.unit(&artifact.unit).active {
        Active::Moving => decision.look_at(seen.now + SOON),
        Active::Inactive | Active::Failed => {
            losses.remove(name);
        }
        Active::Active => {
            let since = losses.entry(name.to_owned()).or_insert(seen.now);
            let installing = |unit: &String| seen.unit(unit).active == Active::Moving;
            if seen.switching || artifact.installers.iter().any(installing) {
                *since = seen.now;
                decision.look_at(seen.now + SOON);
            } else if seen.now < *since + grace {
                decision.look_at(*since + grace);
            } else {
                losses.remove(name);
                memory.lost.insert(name.to_owned());
                let running = |unit: &&String| seen.unit(unit).active != Active::Inactive;
                memory.waiting.extend(artifact.bind_units.iter().filter(running).cloned());
                decision.order(Verb::Stop, &artifact.unit);
                decision.messages.push(format!("artifact `{name}` is lost: {fault}: stopping {}", artifact.unit));
            }
        }
    }
}

/// Starts consumers whose artifacts are all complete again.
fn bring_back(seen: &Seen<'_>, memory: &mut Memory, decision: &mut Decision) {
    let blocked = |unit: &String| {
        seen.manifest
            .artifacts
            .iter()
            .any(|(name, a)| a.bind_units.contains(unit) && seen.faults.contains_key(name.as_str()))
    };
    let (still, ready) = std::mem::take(&mut memory.waiting).into_iter().partition(blocked);
    memory.waiting = still;
    for unit in BTreeSet::from(ready) {
        decision.order(Verb::Start, &unit);
        decision.messages.push(format!("its artifacts are complete: starting {unit}"));
    }
}

fn note_changes(seen: &Seen<'_>, memory: &mut Memory, decision: &mut Decision) {
    for (name, artifact) in &seen.manifest.artifacts {
        for (file_name, file) in &artifact.files {
            let key = format!("{name}/{file_name}");
            let Some(new) = seen.digests.get(&key) else { continue };
            // What is seen for the first time is no change: so no consumer is restarted at boot.
            if memory.digests.insert(key, new.clone()).is_none_or(|old| old == *new) {
                continue;
            }
            decision.messages.push(format!("artifact `{name}`: the content of file `{file_name}` changed"));
            for unit in &file.reload_units {
                let known = memory.changed.get(unit).is_some_and(|change| change.restart);
                memory.changed.insert(unit.clone(), Change { restart: known, at: seen.now });
            }
            for unit in &file.restart_units {
                memory.changed.insert(unit.clone(), Change { restart: true, at: seen.now });
            }
        }
    }
}

fn tell_changes(seen: &Seen<'_>, memory: &mut Memory, decision: &mut Decision) {
    if memory.changed.is_empty() {
        return;
    }
    if seen.switching {
        // The switch starts most of them itself, and what started after the change has read it.
        return decision.look_at(seen.now + SOON);
    }
    for (name, change) in std::mem::take(&mut memory.changed) {
        let unit = seen.unit(&name);
        let runs = matches!(unit.active, Active::Active | Active::Moving);
        if runs && unit.began <= change.at {
            let verb = if change.restart { Verb::TryRestart } else { Verb::TryReload };
            decision.order(verb, &name);
            let word = if change.restart { "restarting" } else { "reloading" };
            decision.messages.push(format!("{word} {name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::watch::digest::Key;

    const GRACE: u64 = 3_000_000;

    /// A machine with the artifacts `a` and `b`, both bound to `x.service`, and `y.service` bound to `a` alone.
    struct Machine {
        manifest: Manifest,
        memory: Memory,
        losses: BTreeMap<String, u64>,
        units: BTreeMap<String, Unit>,
        faults: BTreeMap<&'static str, String>,
        digests: BTreeMap<String, Digest>,
        switching: bool,
        now: u64,
    }

    fn digest(text: &str) -> Digest {
        let key: Key = serde_json::from_str(&format!("{:?}", [7; 32])).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), text).unwrap();
        key.of(&dir.path().join("f")).unwrap()
    }

    impl Machine {
        fn new() -> Self {
            let text = r#"{"artifacts":{
                "a":{"unit":"artifact-a.service","bindUnits":["x.service","y.service"],"installers":["in.service"],
                     "files":{"f":{"path":"/a","mode":"0400","restartUnits":["r.service"],"reloadUnits":["l.service"]}}},
                "b":{"unit":"artifact-b.service","bindUnits":["x.service"],"files":{}}}}"#;
            let memory = format!(r#"{{"key":{:?},"digests":{{}},"lost":[],"waiting":[],"changed":{{}}}}"#, [7; 32]);
            let mut machine = Self {
                manifest: serde_json::from_str(text).unwrap(),
                memory: serde_json::from_str(&memory).unwrap(),
                losses: BTreeMap::new(),
                units: BTreeMap::new(),
                faults: BTreeMap::new(),
                digests: BTreeMap::new(),
                switching: false,
                now: 10,
            };
            for unit in ["artifact-a", "artifact-b", "x", "y", "r", "l"] {
                machine.set(unit, Active::Active);
            }
            machine
        }

        fn set(&mut self, unit: &str, active: Active) {
            let unit = self.units.entry(format!("{unit}.service")).or_default();
            unit.active = active;
            unit.began = 5;
        }

        fn look(&mut self) -> (Vec<String>, Option<u64>) {
            let seen = Seen {
                manifest: &self.manifest,
                faults: self.faults.clone(),
                digests: self.digests.clone(),
                units: self.units.clone(),
                switching: self.switching,
                now: self.now,
            };
            let decision = decide(&seen, &mut self.memory, &mut self.losses, GRACE);
            let orders =
                decision.orders.iter().flat_map(|(verb, units)| units.iter().map(move |u| format!("{verb:?} {u}")));
            (orders.collect(), decision.again)
        }

        fn orders(&mut self) -> Vec<String> {
            self.look().0
        }

        fn lose(&mut self, artifact: &'static str) {
            self.faults.insert(artifact, "gone".to_owned());
        }
    }

    #[test]
    fn a_healthy_machine_is_left_alone() {
        assert_eq!(Machine::new().look(), (vec![], None));
    }

    #[test]
    fn a_loss_counts_only_when_it_lasts() {
        let mut m = Machine::new();
        m.lose("a");
        assert_eq!(m.look(), (vec![], Some(10 + GRACE)));
        m.now += GRACE - 1;
        assert_eq!(m.look(), (vec![], Some(10 + GRACE)));
        m.faults.clear();
        assert_eq!(m.look(), (vec![], None));
        m.now += 1;
        m.lose("a");
        assert_eq!(m.orders(), Vec::<String>::new());
        m.now += GRACE;
        assert_eq!(m.orders(), ["Stop artifact-a.service"]);
    }

    #[test]
    fn what_the_loss_stopped_comes_back_and_nothing_else() {
        let mut m = Machine::new();
        m.set("y", Active::Inactive);
        m.lose("a");
        m.look();
        m.now += GRACE;
        m.look();
        m.set("artifact-a", Active::Inactive);
        m.set("x", Active::Inactive);
        assert_eq!(m.orders(), Vec::<String>::new());
        m.faults.clear();
        assert_eq!(m.orders(), ["Start artifact-a.service", "Start x.service"]);
        m.set("artifact-a", Active::Active);
        assert_eq!(m.look(), (vec![], None));
    }

    #[test]
    fn a_consumer_of_two_artifacts_waits_for_both() {
        let mut m = Machine::new();
        m.lose("a");
        m.look();
        m.now += GRACE;
        m.look();
        for unit in ["artifact-a", "x", "y"] {
            m.set(unit, Active::Inactive);
        }
        m.lose("b");
        m.look();
        m.now += GRACE;
        assert_eq!(m.orders(), ["Stop artifact-b.service"]);
        m.set("artifact-b", Active::Inactive);
        m.faults.remove("a");
        assert_eq!(m.orders(), ["Start artifact-a.service", "Start y.service"]);
        m.set("artifact-a", Active::Active);
        m.faults.clear();
        assert_eq!(m.orders(), ["Start artifact-b.service", "Start x.service"]);
    }

    #[test]
    fn nothing_is_stopped_while_a_switch_or_an_installer_is_at_work() {
        for switching in [true, false] {
            let mut m = Machine::new();
            m.switching = switching;
            m.set("in", if switching { Active::Inactive } else { Active::Moving });
            m.lose("a");
            for _ in 0..9 {
                m.now += GRACE;
                assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
            }
            m.switching = false;
            m.set("in", Active::Active);
            m.now += GRACE - 1;
            assert_eq!(m.orders(), Vec::<String>::new());
            m.now += 1;
            assert_eq!(m.orders(), ["Stop artifact-a.service"]);
        }
    }

    #[test]
    fn what_a_person_stopped_stays_stopped() {
        let mut m = Machine::new();
        m.set("artifact-a", Active::Inactive);
        assert_eq!(m.look(), (vec![], None));
        m.lose("a");
        m.look();
        m.now += 2 * GRACE;
        m.look();
        m.faults.clear();
        assert_eq!(m.look(), (vec![], None));
    }

    #[test]
    fn what_came_too_late_for_the_boot_starts_with_its_consumers() {
        let mut m = Machine::new();
        m.set("artifact-a", Active::Failed);
        m.set("x", Active::Inactive);
        let y = m.units.get_mut("y.service").unwrap();
        *y = Unit { wanted_by: vec!["multi-user.target".to_owned()], ..Unit::default() };
        m.lose("a");
        assert_eq!(m.look(), (vec![], None));
        m.faults.clear();
        // x ran in this boot: a person stopped it. y is wanted by a target that is not up.
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        let target = Unit { queued: true, ..Unit::default() };
        m.units.insert("multi-user.target".to_owned(), target);
        assert_eq!(m.orders(), ["Start artifact-a.service", "Start y.service"]);
    }

    #[test]
    fn a_unit_in_motion_is_looked_at_again() {
        let mut m = Machine::new();
        m.set("artifact-a", Active::Moving);
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.lose("a");
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.memory.lost.insert("a".to_owned());
        m.faults.clear();
        m.look();
        m.set("artifact-a", Active::Inactive);
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
    }

    #[test]
    fn consumers_hear_of_a_new_content_once_and_never_of_the_first() {
        let mut m = Machine::new();
        m.digests.insert("a/f".to_owned(), digest("1"));
        assert_eq!(m.orders(), Vec::<String>::new());
        m.digests.insert("a/f".to_owned(), digest("2"));
        assert_eq!(m.orders(), ["TryRestart r.service", "TryReload l.service"]);
        assert_eq!(m.orders(), Vec::<String>::new());
    }

    #[test]
    fn after_a_switch_only_those_hear_of_it_that_did_not_start_since() {
        let mut m = Machine::new();
        m.digests.insert("a/f".to_owned(), digest("1"));
        m.look();
        m.switching = true;
        m.digests.insert("a/f".to_owned(), digest("2"));
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.units.get_mut("r.service").unwrap().began = m.now + 1;
        m.now += 100;
        m.switching = false;
        assert_eq!(m.orders(), ["TryReload l.service"]);
    }

    #[test]
    fn what_does_not_run_is_not_restarted() {
        let mut m = Machine::new();
        m.digests.insert("a/f".to_owned(), digest("1"));
        m.look();
        m.set("r", Active::Inactive);
        m.set("l", Active::Failed);
        m.digests.insert("a/f".to_owned(), digest("2"));
        assert_eq!(m.orders(), Vec::<String>::new());
        assert!(m.memory.changed.is_empty());
    }

    #[test]
    fn what_is_no_longer_declared_is_forgotten() {
        let mut m = Machine::new();
        m.digests.insert("a/f".to_owned(), digest("1"));
        m.lose("a");
        m.look();
        m.now += GRACE;
        m.look();
        m.manifest.artifacts.clear();
        m.digests.clear();
        m.faults.clear();
        assert_eq!(m.look(), (vec![], None));
        assert!(m.memory.lost.is_empty() && m.memory.waiting.is_empty() && m.memory.digests.is_empty());
    }
}
