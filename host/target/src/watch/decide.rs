//! What to do about what was seen. Pure: it changes only the memory.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::Digest;
use super::memory::{Change, Memory};
use super::systemd::{Activity, Unit, Verb};
use crate::manifest::{Artifact, Manifest};

/// How soon to look again, in microseconds, at something that is in motion and does not tell when it is done.
const SOON: u64 = 500_000;

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

/// What need not outlive the watcher.
#[derive(Debug, Default)]
pub(crate) struct Fleeting {
    /// Since when a running unit's artifact is not complete.
    losses: BTreeMap<String, u64>,
    /// Artifacts whose unit was started since something changed. One that fails all the same is left until the next change.
    tried: BTreeSet<String>,
}

impl Fleeting {
    /// Something changed: what failed before may go well now.
    pub(crate) fn try_again(&mut self) {
        self.tried.clear();
    }
}

/// Decides. A loss counts after `grace` microseconds.
pub(crate) fn decide(seen: &Seen<'_>, memory: &mut Memory, fleeting: &mut Fleeting, grace: u64) -> Decision {
    let mut work = Work { seen, memory, fleeting, grace, decision: Decision::default() };
    work.forget();
    for (name, artifact) in &seen.manifest.artifacts {
        match seen.faults.get(name.as_str()) {
            None => work.complete(name.as_str(), artifact),
            Some(fault) => work.incomplete(name.as_str(), artifact, fault),
        }
    }
    work.bring_back();
    work.note_changes();
    work.tell_changes();
    work.decision
}

/// Forgets an order that systemd refused: it is decided upon anew.
pub(crate) fn undo(verb: Verb, unit: &str, seen: &Seen<'_>, memory: &mut Memory, fleeting: &mut Fleeting) {
    let artifacts = &seen.manifest.artifacts;
    match verb {
        Verb::Start => {
            fleeting.tried.retain(|name| artifacts.get(name.as_str()).is_none_or(|artifact| artifact.unit != unit));
            if artifacts.values().any(|artifact| artifact.bind_units.iter().any(|bound| bound == unit)) {
                memory.waiting.insert(unit.to_owned());
            }
        }
        // What is lost is found to be lost again.
        Verb::Stop => {}
        Verb::TryRestart | Verb::TryReload => {
            memory.changed.insert(unit.to_owned(), Change { restart: verb == Verb::TryRestart, at: seen.now });
        }
    }
}

impl Seen<'_> {
    fn unit(&self, name: &str) -> Unit {
        self.units.get(name).cloned().unwrap_or_default()
    }

    fn activity(&self, unit: &str) -> Activity {
        self.units.get(unit).map(|unit| unit.active).unwrap_or_default()
    }

    /// A consumer that this boot wanted and never started: its artifact was not there in time.
    fn missed(&self, consumer: &str) -> bool {
        let unit = self.unit(consumer);
        let wanted = |by: &String| {
            let by = self.unit(by);
            by.queued || matches!(by.active, Activity::Up | Activity::Moving)
        };
        unit.active == Activity::Down && unit.began == 0 && unit.wanted_by.iter().any(wanted)
    }
}

struct Work<'a> {
    seen: &'a Seen<'a>,
    memory: &'a mut Memory,
    fleeting: &'a mut Fleeting,
    grace: u64,
    decision: Decision,
}

impl Work<'_> {
    /// Lets go of what is no longer declared.
    fn forget(&mut self) {
        let artifacts = &self.seen.manifest.artifacts;
        self.memory.lost.retain(|name| artifacts.contains_key(name.as_str()));
        self.fleeting.losses.retain(|name, _| artifacts.contains_key(name.as_str()));
        self.memory.waiting.retain(|unit| artifacts.values().any(|artifact| artifact.bind_units.contains(unit)));
        let key = |name, file| format!("{name}/{file}");
        let files: BTreeSet<String> =
            artifacts.iter().flat_map(|(name, a)| a.files.keys().map(move |file| key(name, file))).collect();
        self.memory.digests.retain(|file, _| files.contains(file));
    }

    fn complete(&mut self, name: &str, artifact: &Artifact) {
        self.fleeting.losses.remove(name);
        let activity = self.seen.activity(&artifact.unit);
        if activity == Activity::Moving {
            // Its own look may have come before the last file: then it fails next.
            return self.decision.look_at(self.seen.now + SOON);
        }
        if activity == Activity::Up {
            self.memory.lost.remove(name);
            return;
        }
        let lost = self.memory.lost.contains(name);
        if lost && self.seen.unit(&artifact.unit).queued {
            self.decision.look_at(self.seen.now + SOON);
        }
        // A unit that is down and was not stopped by us was stopped by a person, or its turn comes yet.
        let ours = activity == Activity::Failed || (activity == Activity::Down && lost);
        if ours && self.fleeting.tried.insert(name.to_owned()) {
            self.decision.order(Verb::Start, &artifact.unit);
            self.decision.messages.push(format!("artifact `{name}` is complete: starting {}", artifact.unit));
            self.decision.look_at(self.seen.now + SOON);
        }
        if activity == Activity::Failed {
            let missed = artifact.bind_units.iter().filter(|unit| self.seen.missed(unit)).cloned();
            self.memory.waiting.extend(missed);
        }
    }

    fn incomplete(&mut self, name: &str, artifact: &Artifact, fault: &str) {
        let now = self.seen.now;
        match self.seen.activity(&artifact.unit) {
            Activity::Moving => self.decision.look_at(now + SOON),
            Activity::Down | Activity::Failed => {
                self.fleeting.losses.remove(name);
            }
            Activity::Up => {
                let since = self.fleeting.losses.entry(name.to_owned()).or_insert(now);
                let installing = |unit: &String| self.seen.activity(unit) == Activity::Moving;
                if self.seen.switching || artifact.installers.iter().any(installing) {
                    *since = now;
                    self.decision.look_at(now + SOON);
                } else if now < *since + self.grace {
                    self.decision.look_at(*since + self.grace);
                } else {
                    self.lose(name, artifact, fault);
                }
            }
        }
    }

    /// Stops the unit, and with it what is bound to it: that is to come back.
    fn lose(&mut self, name: &str, artifact: &Artifact, fault: &str) {
        self.fleeting.losses.remove(name);
        self.memory.lost.insert(name.to_owned());
        let running = |unit: &&String| self.seen.activity(unit) != Activity::Down;
        self.memory.waiting.extend(artifact.bind_units.iter().filter(running).cloned());
        self.decision.order(Verb::Stop, &artifact.unit);
        self.decision.messages.push(format!("artifact `{name}` is lost: {fault}: stopping {}", artifact.unit));
    }

    /// Starts consumers once all units that they are bound to are up.
    fn bring_back(&mut self) {
        let artifacts = &self.seen.manifest.artifacts;
        let stopping = self.decision.orders.get(&Verb::Stop).cloned().unwrap_or_default();
        let blocked = |unit: &String| {
            let mut of_it = artifacts.values().filter(|artifact| artifact.bind_units.contains(unit));
            of_it
                .any(|artifact| stopping.contains(&artifact.unit) || self.seen.activity(&artifact.unit) != Activity::Up)
        };
        let waiting = std::mem::take(&mut self.memory.waiting);
        let (still, ready): (BTreeSet<_>, BTreeSet<_>) = waiting.into_iter().partition(blocked);
        self.memory.waiting = still;
        for unit in ready {
            self.decision.order(Verb::Start, &unit);
            self.decision.messages.push(format!("its artifacts are complete: starting {unit}"));
        }
    }

    fn note_changes(&mut self) {
        let at = self.seen.now;
        for (name, artifact) in &self.seen.manifest.artifacts {
            for (file_name, file) in &artifact.files {
                let key = format!("{name}/{file_name}");
                let Some(new) = self.seen.digests.get(&key) else { continue };
                // What is seen for the first time is no change: so no consumer is restarted at boot.
                if self.memory.digests.insert(key, new.clone()).is_none_or(|old| old == *new) {
                    continue;
                }
                self.decision.messages.push(format!("artifact `{name}`: the content of file `{file_name}` changed"));
                let changed = &mut self.memory.changed;
                for unit in &file.reload_units {
                    let restart = changed.get(unit).is_some_and(|change| change.restart);
                    changed.insert(unit.clone(), Change { restart, at });
                }
                for unit in &file.restart_units {
                    changed.insert(unit.clone(), Change { restart: true, at });
                }
            }
        }
    }

    fn tell_changes(&mut self) {
        if self.memory.changed.is_empty() {
            return;
        }
        if self.seen.switching {
            // The switch starts most of them itself, and what started after the change has read it.
            return self.decision.look_at(self.seen.now + SOON);
        }
        for (name, change) in std::mem::take(&mut self.memory.changed) {
            let unit = self.seen.unit(&name);
            let runs = matches!(unit.active, Activity::Up | Activity::Moving);
            if runs && unit.began <= change.at {
                let (verb, word) =
                    if change.restart { (Verb::TryRestart, "restarting") } else { (Verb::TryReload, "reloading") };
                self.decision.order(verb, &name);
                self.decision.messages.push(format!("{word} {name}"));
            }
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
        fleeting: Fleeting,
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
                fleeting: Fleeting::default(),
                units: BTreeMap::new(),
                faults: BTreeMap::new(),
                digests: BTreeMap::new(),
                switching: false,
                now: 10,
            };
            for unit in ["artifact-a", "artifact-b", "x", "y", "r", "l"] {
                machine.set(unit, Activity::Up);
            }
            machine
        }

        fn set(&mut self, unit: &str, active: Activity) {
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
            let decision = decide(&seen, &mut self.memory, &mut self.fleeting, GRACE);
            let orders =
                decision.orders.iter().flat_map(|(verb, units)| units.iter().map(move |u| format!("{verb:?} {u}")));
            (orders.collect(), decision.again)
        }

        fn undo(&mut self, verb: Verb, unit: &str) {
            let seen = Seen {
                manifest: &self.manifest,
                faults: BTreeMap::new(),
                digests: BTreeMap::new(),
                units: BTreeMap::new(),
                switching: false,
                now: self.now,
            };
            undo(verb, unit, &seen, &mut self.memory, &mut self.fleeting);
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
        m.set("y", Activity::Down);
        m.lose("a");
        m.look();
        m.now += GRACE;
        m.look();
        m.set("artifact-a", Activity::Down);
        m.set("x", Activity::Down);
        assert_eq!(m.orders(), Vec::<String>::new());
        m.faults.clear();
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.look(), (vec!["Start x.service".to_owned()], None));
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
            m.set(unit, Activity::Down);
        }
        m.lose("b");
        m.look();
        m.now += GRACE;
        assert_eq!(m.orders(), ["Stop artifact-b.service"]);
        m.set("artifact-b", Activity::Down);
        m.faults.remove("a");
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), ["Start y.service"]);
        m.faults.clear();
        assert_eq!(m.orders(), ["Start artifact-b.service"]);
        m.set("artifact-b", Activity::Up);
        assert_eq!(m.orders(), ["Start x.service"]);
    }

    #[test]
    fn nothing_is_stopped_while_a_switch_or_an_installer_is_at_work() {
        for switching in [true, false] {
            let mut m = Machine::new();
            m.switching = switching;
            m.set("in", if switching { Activity::Down } else { Activity::Moving });
            m.lose("a");
            for _ in 0..9 {
                m.now += GRACE;
                assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
            }
            m.switching = false;
            m.set("in", Activity::Up);
            m.now += GRACE - 1;
            assert_eq!(m.orders(), Vec::<String>::new());
            m.now += 1;
            assert_eq!(m.orders(), ["Stop artifact-a.service"]);
        }
    }

    #[test]
    fn what_a_person_stopped_stays_stopped() {
        let mut m = Machine::new();
        m.set("artifact-a", Activity::Down);
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
        m.set("artifact-a", Activity::Failed);
        m.set("x", Activity::Down);
        m.units.get_mut("x.service").unwrap().wanted_by =
            vec!["y-wants.target".to_owned(), "multi-user.target".to_owned()];
        let y = m.units.get_mut("y.service").unwrap();
        *y = Unit { wanted_by: vec!["multi-user.target".to_owned()], ..Unit::default() };
        m.lose("a");
        assert_eq!(m.look(), (vec![], None));
        m.faults.clear();
        // x ran in this boot: a person stopped it. y is wanted by a target that is not up.
        assert_eq!(m.look(), (vec!["Start artifact-a.service".to_owned()], Some(m.now + SOON)));
        assert!(m.memory.waiting.is_empty());
        let target = Unit { queued: true, ..Unit::default() };
        m.units.insert("multi-user.target".to_owned(), target);
        m.look();
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.look(), (vec!["Start y.service".to_owned()], None));
    }

    #[test]
    fn a_unit_that_fails_although_all_is_there_is_started_once_a_change() {
        let mut m = Machine::new();
        m.memory.waiting.insert("x.service".to_owned());
        m.set("artifact-a", Activity::Failed);
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        assert_eq!(m.look(), (vec![], None));
        m.fleeting.try_again();
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), ["Start x.service"]);
    }

    #[test]
    fn what_systemd_refused_is_decided_upon_anew() {
        let mut m = Machine::new();
        m.lose("a");
        m.look();
        m.now += GRACE;
        m.look();
        m.set("artifact-a", Activity::Down);
        m.faults.clear();
        let start = ["Start artifact-a.service"];
        assert_eq!(m.orders(), start);
        assert_eq!(m.orders(), Vec::<String>::new());
        m.undo(Verb::Start, "artifact-a.service");
        assert_eq!(m.orders(), start, "nobody stopped it but the watcher");
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), ["Start x.service", "Start y.service"]);
        m.undo(Verb::Start, "y.service");
        assert_eq!(m.orders(), ["Start y.service"]);
        m.undo(Verb::TryReload, "l.service");
        assert_eq!(m.orders(), ["TryReload l.service"]);
        assert_eq!(m.look(), (vec![], None));
    }

    #[test]
    fn a_unit_in_motion_is_looked_at_again() {
        let mut m = Machine::new();
        m.set("artifact-a", Activity::Moving);
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.lose("a");
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.memory.lost.insert("a".to_owned());
        m.faults.clear();
        m.look();
        m.set("artifact-a", Activity::Down);
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
        m.set("r", Activity::Down);
        m.set("l", Activity::Failed);
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
