//! What to do about what was seen. Pure: it changes only the memory.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_digest::Sha256;

use super::memory::{Change, DigestStore};
use super::systemd::{Activity, Unit, Verb};
use crate::manifest::{DeployedArtifact, TargetManifest};

/// How soon to look again, in microseconds, at something that is in motion and does not tell when it is done.
const SOON: u64 = 500_000;

/// Files, units and time, as they are now.
pub(crate) struct Snapshot<'a> {
    pub(crate) manifest: &'a TargetManifest,
    /// Of the manifest; nothing when there was none yet.
    pub(crate) version: Option<Sha256>,
    /// The first fault of each artifact that is not complete.
    pub(crate) faults: BTreeMap<&'a str, String>,
    /// Of the files of complete artifacts that someone wants to hear of, by `artifact/file`.
    pub(crate) digests: BTreeMap<String, Sha256>,
    pub(crate) units: BTreeMap<String, Unit>,
    /// The machine is being switched to another configuration.
    pub(crate) switching: bool,
    /// Microseconds of the monotonic clock.
    pub(crate) now: u64,
}

/// What to tell systemd, what to tell people, and when to look again at the latest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// By verb and unit, each with what to tell people of it.
    pub(crate) orders: BTreeMap<(Verb, String), String>,
    /// What else to tell them.
    pub(crate) messages: Vec<String>,
    pub(crate) again: Option<u64>,
}

impl Decision {
    fn order(&mut self, verb: Verb, unit: &str, message: String) {
        self.orders.entry((verb, unit.to_owned())).or_insert(message);
    }

    /// The orders one by one. Sockets are started first: systemd refuses one whose service is up already.
    pub(crate) fn in_order(&self) -> Vec<(&(Verb, String), &str)> {
        let mut all: Vec<_> = self.orders.iter().map(|(order, message)| (order, message.as_str())).collect();
        all.sort_by_key(|((verb, unit), _)| (*verb, !unit.ends_with(".socket")));
        all
    }

    fn look_at(&mut self, at: u64) {
        self.again = Some(self.again.map_or(at, |before| before.min(at)));
    }
}

/// What need not outlive the watcher.
#[derive(Debug, Default)]
pub(crate) struct TransientState {
    /// Since when a running unit's artifact is not complete.
    losses: BTreeMap<String, u64>,
    /// Units of artifacts that were started since something changed. One that fails all the same is left until the next change.
    tried: BTreeSet<String>,
}

impl TransientState {
    /// Something changed: what failed before may go well now.
    pub(crate) fn try_again(&mut self) {
        self.tried.clear();
    }
}

/// Decides. A loss counts after `grace` microseconds.
pub(crate) fn decide(
    seen: &Snapshot<'_>,
    memory: &mut DigestStore,
    fleeting: &mut TransientState,
    grace: u64,
) -> Decision {
    let consumers = consumers_in_trouble(seen.manifest, &seen.faults, &seen.units);
    // A short switch is over before it is looked at.
    let another = memory.manifest.is_some() && memory.manifest != seen.version;
    let switched = memory.switching || seen.switching || another;
    memory.switching = seen.switching;
    memory.manifest.clone_from(&seen.version);
    let mut work = DecisionState { seen, memory, fleeting, grace, consumers, switched, decision: Decision::default() };
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
    if seen.switching {
        work.decision.look_at(seen.now + SOON);
    }
    work.decision
}

/// Notes that systemd took an order. Until then it is decided upon again at each look, also by another watcher: each order
/// leaves a trace in systemd by which it is known to have been carried out.
pub(crate) fn done(verb: Verb, unit: &str, memory: &mut DigestStore, fleeting: &mut TransientState) {
    match verb {
        Verb::Start => {
            fleeting.tried.insert(unit.to_owned());
            memory.waiting.remove(unit);
            memory.wanted.remove(unit);
            memory.changed.remove(unit);
        }
        Verb::Stop => {}
        Verb::TryRestart | Verb::TryReload => {
            memory.changed.remove(unit);
        }
    }
}

/// The consumers of each artifact that is not complete, or whose unit is not up.
pub(crate) fn consumers_in_trouble<'a>(
    manifest: &'a TargetManifest,
    faults: &BTreeMap<&str, String>,
    units: &BTreeMap<String, Unit>,
) -> BTreeMap<&'a str, BTreeSet<String>> {
    let own: BTreeSet<&str> = manifest.artifacts.values().map(|artifact| artifact.unit.as_str()).collect();
    let up = |artifact: &DeployedArtifact| units.get(&artifact.unit).is_some_and(|unit| unit.active == Activity::Up);
    let troubled =
        manifest.artifacts.iter().filter(|(name, artifact)| faults.contains_key(name.as_str()) || !up(artifact));
    troubled.map(|(name, artifact)| (name.as_str(), consumers(artifact, &own, units))).collect()
}

/// Units that stop with an artifact's, at first or at second hand: those that are declared, and what systemd knows besides.
/// A target is among them only where it is declared: to start one starts all that it wants, also what a person stopped.
fn consumers(artifact: &DeployedArtifact, own: &BTreeSet<&str>, units: &BTreeMap<String, Unit>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let of = |name: &str| units.get(name).map(|unit| unit.dependents.as_slice()).unwrap_or_default();
    let mut open: Vec<&String> = artifact.bind_units.iter().chain(of(&artifact.unit)).collect();
    while let Some(name) = open.pop() {
        let undeclared_target = name.ends_with(".target") && !artifact.bind_units.contains(name);
        if !own.contains(name.as_str()) && !undeclared_target && found.insert(name.clone()) {
            open.extend(of(name));
        }
    }
    found
}

impl Snapshot<'_> {
    fn unit(&self, name: &str) -> Unit {
        self.units.get(name).cloned().unwrap_or_default()
    }

    fn activity(&self, unit: &str) -> Activity {
        self.units.get(unit).map(|unit| unit.active).unwrap_or_default()
    }

    /// Whether something that is up, or on its way there, wants a unit.
    fn wanted(&self, unit: &Unit, counts: impl Fn(&str) -> bool) -> bool {
        let up = |by: &String| {
            let by = self.unit(by);
            by.queued || matches!(by.active, Activity::Up | Activity::Moving | Activity::Stopping)
        };
        unit.wanted_by.iter().any(|by| counts(by) && up(by))
    }

    /// Whether something wants a unit that is down, and no person is why it is down: in this boot systemd never came as far as
    /// to start it, or a switch just could not. A switch starts all that targets want, also what a person stopped before.
    fn missed(&self, name: &str, switched: bool) -> bool {
        let unit = self.unit(name);
        let never = !unit.tried && self.wanted(&unit, |_| true);
        let now = || switched && self.wanted(&unit, |by| by.ends_with(".target"));
        unit.active == Activity::Down && !unit.queued && (never || now())
    }
}

struct DecisionState<'a> {
    seen: &'a Snapshot<'a>,
    memory: &'a mut DigestStore,
    fleeting: &'a mut TransientState,
    grace: u64,
    /// Of artifacts that are not complete, or whose unit is not up.
    consumers: BTreeMap<&'a str, BTreeSet<String>>,
    /// A switch is under way, or ended since the last look.
    switched: bool,
    decision: Decision,
}

impl DecisionState<'_> {
    /// Lets go of what is no longer declared, and of what is there again.
    fn forget(&mut self) {
        let artifacts = &self.seen.manifest.artifacts;
        self.memory.lost.retain(|name| artifacts.contains_key(name.as_str()));
        self.fleeting.losses.retain(|name, _| artifacts.contains_key(name.as_str()));
        self.memory.waiting.retain(|unit, of| {
            of.retain(|name| artifacts.contains_key(name.as_str()));
            let now = self.seen.unit(unit);
            // A switch took it away, or what wanted it.
            let for_a_target = || now.wanted_by.iter().any(|by| by.ends_with(".target"));
            let dropped = now.gone || (self.memory.wanted.contains(unit) && !for_a_target());
            !of.is_empty() && !dropped && (now.active != Activity::Up || now.queued)
        });
        self.memory.wanted.retain(|unit| self.memory.waiting.contains_key(unit));
        let key = |name, file| format!("{name}/{file}");
        let files: BTreeSet<String> =
            artifacts.iter().flat_map(|(name, a)| a.files.keys().map(move |file| key(name, file))).collect();
        self.memory.digests.retain(|file, _| files.contains(file));
    }

    fn complete(&mut self, name: &str, artifact: &DeployedArtifact) {
        self.fleeting.losses.remove(name);
        let unit = self.seen.unit(&artifact.unit);
        if unit.active == Activity::Up {
            self.memory.lost.remove(name);
            return;
        }
        if matches!(unit.active, Activity::Moving | Activity::Stopping)
            || (unit.active == Activity::Down && unit.queued)
        {
            // Its own look may have come before the last file: then it fails next.
            return self.decision.look_at(self.seen.now + SOON);
        }
        if unit.active == Activity::Unknown {
            return;
        }
        // A unit that is down, and not because of us or of another unit, was stopped by a person.
        let ours = unit.active == Activity::Failed
            || self.memory.lost.contains(name)
            || self.seen.missed(&artifact.unit, false);
        if !ours {
            return;
        }
        self.note_missed(name);
        if !self.fleeting.tried.contains(&artifact.unit) {
            let message = format!("artifact `{name}` is complete: starting {}", artifact.unit);
            self.decision.order(Verb::Start, &artifact.unit, message);
            self.decision.look_at(self.seen.now + SOON);
        }
    }

    fn incomplete(&mut self, name: &str, artifact: &DeployedArtifact, fault: &str) {
        // When it is complete again, what failed before may go well.
        self.fleeting.tried.remove(&artifact.unit);
        let now = self.seen.now;
        let unit = self.seen.unit(&artifact.unit);
        match unit.active {
            Activity::Unknown => {}
            Activity::Moving | Activity::Stopping => self.decision.look_at(now + SOON),
            Activity::Down | Activity::Failed => {
                self.fleeting.losses.remove(name);
                if unit.queued {
                    self.decision.look_at(now + SOON);
                }
                self.note_missed(name);
            }
            Activity::Up => {
                let since = self.fleeting.losses.entry(name.to_owned()).or_insert(now);
                let installing =
                    |unit: &String| matches!(self.seen.activity(unit), Activity::Moving | Activity::Stopping);
                if self.seen.switching || artifact.installers.iter().any(installing) {
                    *since = now;
                    self.decision.look_at(now + SOON);
                } else if now < *since + self.grace {
                    self.decision.look_at(*since + self.grace);
                } else if now < *since + 2 * self.grace && self.is_any_unknown(name) {
                    // Anyone who could not be asked whether it is to come back is asked once more, and not for ever.
                    self.decision.look_at(now + SOON);
                } else {
                    self.lose(name, artifact, fault);
                }
            }
        }
    }

    fn is_any_unknown(&self, name: &str) -> bool {
        self.consumers.get(name).into_iter().flatten().any(|unit| self.seen.activity(unit) == Activity::Unknown)
    }

    /// What could not start without this artifact starts with it.
    fn note_missed(&mut self, name: &str) {
        let switched = self.switched;
        self.wait_for(name, |seen, unit| seen.missed(unit, switched));
    }

    /// Stops the unit, and with it its consumers: those that run, or failed and are wanted, are to come back.
    fn lose(&mut self, name: &str, artifact: &DeployedArtifact, fault: &str) {
        self.fleeting.losses.remove(name);
        self.memory.lost.insert(name.to_owned());
        self.wait_for(name, |seen, unit| match seen.activity(unit) {
            Activity::Up | Activity::Moving => true,
            Activity::Failed => seen.wanted(&seen.unit(unit), |_| true),
            // What the watcher has stopped itself waits already. What else is on its way down, a person stops.
            Activity::Stopping | Activity::Down | Activity::Unknown => false,
        });
        let message = format!("artifact `{name}` is incomplete: {fault}; stopping {}", artifact.unit);
        self.decision.order(Verb::Stop, &artifact.unit, message);
    }

    /// Has those of an artifact's consumers wait for it that `which` tells.
    fn wait_for(&mut self, name: &str, which: impl Fn(&Snapshot<'_>, &str) -> bool) {
        for unit in self.consumers.get(name).into_iter().flatten().filter(|unit| which(self.seen, unit)) {
            let wanted = || self.seen.wanted(&self.seen.unit(unit), |by| by.ends_with(".target"));
            if !self.memory.waiting.contains_key(unit) && wanted() {
                self.memory.wanted.insert(unit.clone());
            }
            self.memory.waiting.entry(unit.clone()).or_default().insert(name.to_owned());
        }
    }

    /// Starts consumers once all units that they stop with are up.
    fn bring_back(&mut self) {
        let orders = self.decision.orders.keys();
        let stopping: BTreeSet<String> =
            orders.filter(|(verb, _)| *verb == Verb::Stop).map(|(_, unit)| unit.clone()).collect();
        let down = |name: &str| {
            let artifact = self.seen.manifest.artifacts.get(name);
            artifact.is_some_and(|a| stopping.contains(&a.unit) || self.seen.activity(&a.unit) != Activity::Up)
        };
        let blocked = |unit: &String, of: &BTreeSet<String>| {
            let also = self.consumers.iter().filter(|(_, consumers)| consumers.contains(unit)).map(|(name, _)| *name);
            of.iter().map(String::as_str).chain(also).any(down)
        };
        let known = |unit: &String| self.seen.activity(unit) != Activity::Unknown;
        for (unit, _) in self.memory.waiting.iter().filter(|(unit, of)| known(unit) && !blocked(unit, of)) {
            self.decision.order(Verb::Start, unit, format!("its artifacts are complete: starting {unit}"));
        }
    }

    fn note_changes(&mut self) {
        let at = self.seen.now;
        for (name, artifact) in &self.seen.manifest.artifacts {
            for (file_name, file) in &artifact.files {
                let key = format!("{name}/{file_name}");
                let Some(new) = self.seen.digests.get(&key) else { continue };
                // What is seen for the first time is no change: so no consumer is restarted at boot.
                if self.memory.digests.insert(key, *new).is_none_or(|old| old == *new) {
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
        // A switch starts most of them itself, and what started after the change has read it.
        if self.seen.switching {
            return;
        }
        let (seen, decision) = (self.seen, &mut self.decision);
        self.memory.changed.retain(|name, change| {
            if seen.activity(name) == Activity::Unknown {
                return true;
            }
            let Some((verb, word)) = seen.answer(&seen.unit(name), *change) else { return false };
            decision.order(verb, name, format!("{word} {name}"));
            true
        });
    }
}

impl Snapshot<'_> {
    /// What a change asks of a unit; nothing when it does not run, or heard of it already.
    fn answer(&self, unit: &Unit, change: Change) -> Option<(Verb, &'static str)> {
        if unit.began > change.at {
            return None;
        }
        // It was up when the content changed, still is, and did something since: it can only be a reload.
        let reloaded = unit.began <= unit.entered && unit.entered <= change.at && unit.stirred > change.at;
        match unit.active {
            Activity::Up | Activity::Moving | Activity::Stopping if change.restart => {
                Some((Verb::TryRestart, "restarting"))
            }
            Activity::Up | Activity::Moving | Activity::Stopping => {
                (!reloaded).then_some((Verb::TryReload, "reloading"))
            }
            // The old content may be why.
            Activity::Failed => self.wanted(unit, |_| true).then_some((Verb::Start, "starting")),
            Activity::Down | Activity::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::watch::digest::DigestKey;

    const GRACE: u64 = 3_000_000;

    /// A machine with the artifacts `a` and `b`, both bound to `x.service`, and `y.service` bound to `a` alone.
    struct Machine {
        manifest: TargetManifest,
        memory: DigestStore,
        fleeting: TransientState,
        units: BTreeMap<String, Unit>,
        faults: BTreeMap<&'static str, String>,
        digests: BTreeMap<String, Sha256>,
        switching: bool,
        version: String,
        now: u64,
        /// Units for which systemd takes no order.
        refused: BTreeSet<&'static str>,
    }

    fn digest(text: &str) -> Sha256 {
        let key: DigestKey = serde_json::from_str(&format!("{:?}", [7; 32])).unwrap();
        key.digest_all(text.as_bytes()).unwrap()
    }

    impl Machine {
        fn new() -> Self {
            let text = r#"{"artifacts":{
                "a":{"unit":"artifact-a.service","bindUnits":["x.service","y.service"],"installers":["in.service"],
                     "files":{"f":{"path":"/a","mode":"0400","restartUnits":["r.service"],"reloadUnits":["l.service"]}}},
                "b":{"unit":"artifact-b.service","bindUnits":["x.service"],"files":{}}}}"#;
            let memory = format!(
                r#"{{"key":{:?},"digests":{{}},"lost":[],"waiting":{{}},"wanted":[],"changed":{{}},"switching":false,"manifest":null}}"#,
                [7; 32]
            );
            let mut machine = Self {
                manifest: serde_json::from_str(text).unwrap(),
                memory: serde_json::from_str(&memory).unwrap(),
                fleeting: TransientState::default(),
                units: BTreeMap::new(),
                faults: BTreeMap::new(),
                digests: BTreeMap::new(),
                switching: false,
                version: "1".to_owned(),
                now: 10,
                refused: BTreeSet::new(),
            };
            for unit in ["artifact-a", "artifact-b", "x", "y", "r", "l"] {
                machine.set(unit, Activity::Up);
            }
            machine
        }

        fn set(&mut self, unit: &str, active: Activity) {
            let unit = self.units.entry(format!("{unit}.service")).or_default();
            unit.active = active;
            unit.tried = true;
            (unit.began, unit.entered, unit.stirred) = (5, 6, 7);
        }

        fn unit(&mut self, unit: &str) -> &mut Unit {
            self.units.get_mut(&format!("{unit}.service")).unwrap()
        }

        /// A unit that never ran, and what wants it.
        fn never(&mut self, unit: &str, wanted_by: &str) {
            *self.unit(unit) = Unit { wanted_by: vec![wanted_by.to_owned()], ..Unit::default() };
        }

        fn look(&mut self) -> (Vec<String>, Option<u64>) {
            let seen = Snapshot {
                manifest: &self.manifest,
                version: Some(digest(&self.version)),
                faults: self.faults.clone(),
                digests: self.digests.clone(),
                units: self.units.clone(),
                switching: self.switching,
                now: self.now,
            };
            let decision = decide(&seen, &mut self.memory, &mut self.fleeting, GRACE);
            let orders = decision.orders.keys();
            for (verb, unit) in orders.clone().filter(|(_, unit)| !self.refused.contains(unit.as_str())) {
                done(*verb, unit, &mut self.memory, &mut self.fleeting);
            }
            (orders.map(|(verb, unit)| format!("{verb:?} {unit}")).collect(), decision.again)
        }

        fn orders(&mut self) -> Vec<String> {
            self.look().0
        }

        fn lose(&mut self, artifact: &'static str) {
            self.faults.insert(artifact, "gone".to_owned());
        }
    }

    #[test]
    fn a_socket_is_started_before_its_service() {
        let mut decision = Decision::default();
        for (verb, unit) in [(Verb::Stop, "b.socket"), (Verb::Start, "x.service"), (Verb::Start, "x.socket")] {
            decision.order(verb, unit, String::new());
        }
        let told: Vec<_> = decision.in_order().into_iter().map(|((_, unit), _)| unit).collect();
        assert_eq!(told, ["x.socket", "x.service", "b.socket"]);
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
        m.unit("x").wanted_by = vec!["multi-user.target".to_owned()];
        m.never("y", "multi-user.target");
        m.lose("a");
        assert_eq!(m.look(), (vec![], None));
        // x ran in this boot: a person stopped it. y is wanted by a target that is not up.
        m.faults.clear();
        assert_eq!(m.look(), (vec!["Start artifact-a.service".to_owned()], Some(m.now + SOON)));
        assert!(m.memory.waiting.is_empty());
        let target = Unit { queued: true, ..Unit::default() };
        m.units.insert("multi-user.target".to_owned(), target);
        m.look();
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.look(), (vec!["Start y.service".to_owned()], None));
    }

    #[test]
    fn whoever_starts_it_by_hand_need_not_start_its_consumers() {
        let mut m = Machine::new();
        m.units.insert("multi-user.target".to_owned(), Unit { active: Activity::Up, ..Unit::default() });
        m.set("artifact-a", Activity::Failed);
        m.never("y", "multi-user.target");
        m.lose("a");
        m.look();
        m.faults.clear();
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), ["Start y.service"]);
        m.unit("y").tried = true;
        assert_eq!(m.orders(), Vec::<String>::new());
    }

    #[test]
    fn an_artifact_whose_boot_waited_in_vain_for_a_mount_starts_when_it_is_there() {
        let mut m = Machine::new();
        m.never("artifact-a", "multi-user.target");
        m.units.insert("multi-user.target".to_owned(), Unit { active: Activity::Up, ..Unit::default() });
        m.never("y", "multi-user.target");
        m.lose("a");
        assert_eq!(m.look(), (vec![], None));
        m.faults.clear();
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), ["Start y.service"]);
    }

    #[test]
    fn a_unit_whose_turn_comes_is_left_to_systemd() {
        let mut m = Machine::new();
        m.never("artifact-a", "multi-user.target");
        m.unit("artifact-a").queued = true;
        m.units.insert("multi-user.target".to_owned(), Unit { queued: true, ..Unit::default() });
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.lose("a");
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
    }

    #[test]
    fn a_condition_that_does_not_hold_is_nobodys_lateness() {
        let mut m = Machine::new();
        m.units.insert("multi-user.target".to_owned(), Unit { active: Activity::Up, ..Unit::default() });
        m.set("artifact-a", Activity::Failed);
        m.never("y", "multi-user.target");
        m.unit("y").tried = true;
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), Vec::<String>::new());
    }

    #[test]
    fn what_stops_with_a_consumer_comes_back_with_it_and_never_before_all_artifacts() {
        let mut m = Machine::new();
        for (unit, dependents) in [("x", vec!["deep"]), ("deep", vec!["x", "whole"]), ("artifact-a", vec!["hand"])] {
            m.set(unit, Activity::Up);
            let kind = |unit: &str| if unit == "whole" { "whole.target".to_owned() } else { format!("{unit}.service") };
            m.unit(unit).dependents = dependents.into_iter().map(kind).collect();
        }
        m.set("hand", Activity::Up);
        m.units.insert("whole.target".to_owned(), Unit { active: Activity::Up, ..Unit::default() });
        for artifact in ["a", "b"] {
            m.lose(artifact);
        }
        m.look();
        m.now += GRACE;
        assert_eq!(m.orders(), ["Stop artifact-a.service", "Stop artifact-b.service"]);
        for unit in ["artifact-a", "artifact-b", "x", "y", "deep", "hand"] {
            m.set(unit, Activity::Down);
        }
        m.faults.remove("a");
        m.look();
        m.set("artifact-a", Activity::Up);
        // What systemd unloaded meanwhile is not forgotten.
        m.units.remove("deep.service");
        m.unit("x").dependents.clear();
        assert_eq!(m.orders(), ["Start hand.service", "Start y.service"]);
        m.faults.clear();
        m.look();
        m.set("artifact-b", Activity::Up);
        // The target would start all that it wants.
        assert_eq!(m.orders(), ["Start deep.service", "Start x.service"]);
    }

    #[test]
    fn a_consumer_that_a_switch_could_not_start_waits_for_its_artifact() {
        for (wanted_by, seen) in [("multi-user.target", true), ("multi-user.target", false), ("other.service", true)] {
            let mut m = Machine::new();
            m.units.insert(wanted_by.to_owned(), Unit { active: Activity::Up, ..Unit::default() });
            m.set("artifact-a", Activity::Failed);
            m.lose("a");
            // Long ago a person stopped one.
            m.set("y", Activity::Down);
            m.unit("y").wanted_by = vec![wanted_by.to_owned()];
            m.look();
            assert!(m.memory.waiting.is_empty());
            if seen {
                m.switching = true;
                m.unit("y").queued = true;
                assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
                m.switching = false;
                m.unit("y").queued = false;
            } else {
                m.version.push('2');
            }
            assert_eq!(m.look(), (vec![], None));
            m.faults.clear();
            m.look();
            m.set("artifact-a", Activity::Up);
            // A switch starts what targets want and nothing else.
            let expected = if wanted_by.ends_with(".target") { vec!["Start y.service"] } else { vec![] };
            assert_eq!(m.orders(), expected, "{wanted_by}");
        }
    }

    #[test]
    fn what_runs_again_is_not_waited_for() {
        let mut m = Machine::new();
        m.memory.waiting.insert("y.service".to_owned(), ["a".to_owned()].into());
        m.unit("y").queued = true;
        m.set("artifact-a", Activity::Moving);
        m.look();
        assert!(!m.memory.waiting.is_empty(), "its stop is still to come");
        m.unit("y").queued = false;
        m.look();
        assert!(m.memory.waiting.is_empty());
    }

    #[test]
    fn what_a_switch_took_away_is_not_brought_back_and_what_a_person_started_is() {
        for (wanted_by, still, gone, comes_back) in [
            (Some("multi-user.target"), true, false, true),
            (Some("multi-user.target"), false, false, false),
            (Some("down.target"), false, false, true),
            (Some("other.service"), false, false, true),
            (None, false, false, true),
            (Some("multi-user.target"), true, true, false),
        ] {
            let mut m = Machine::new();
            m.unit("y").wanted_by = wanted_by.iter().map(ToString::to_string).collect();
            for wants in ["multi-user.target", "other.service"] {
                m.units.insert(wants.to_owned(), Unit { active: Activity::Up, ..Unit::default() });
            }
            m.set("x", Activity::Down);
            m.lose("a");
            m.look();
            m.now += GRACE;
            assert_eq!(m.orders(), ["Stop artifact-a.service"]);
            for unit in ["artifact-a", "y"] {
                m.set(unit, Activity::Down);
            }
            // A switch: it is bound no longer.
            m.version.push('2');
            m.manifest.artifacts.values_mut().for_each(|artifact| artifact.bind_units.clear());
            m.unit("y").gone = gone;
            if !still {
                m.unit("y").wanted_by.clear();
            }
            m.look();
            m.faults.clear();
            assert_eq!(m.orders(), ["Start artifact-a.service"]);
            m.set("artifact-a", Activity::Up);
            let expected = if comes_back { vec!["Start y.service"] } else { vec![] };
            assert_eq!(m.orders(), expected, "{wanted_by:?}, still: {still}, gone: {gone}");
            assert!(m.memory.waiting.is_empty() && m.memory.wanted.is_empty());
        }
    }

    #[test]
    fn what_a_person_is_stopping_does_not_come_back_and_what_is_on_its_way_up_does() {
        for stopping in [true, false] {
            let mut m = Machine::new();
            m.set("y", if stopping { Activity::Stopping } else { Activity::Moving });
            m.lose("a");
            m.look();
            m.now += GRACE;
            assert_eq!(m.orders(), ["Stop artifact-a.service"]);
            assert_eq!(m.memory.waiting.contains_key("y.service"), !stopping);
            assert!(m.memory.waiting.contains_key("x.service"));
        }
    }

    #[test]
    fn upon_what_systemd_does_not_tell_nothing_is_decided() {
        let mut m = Machine::new();
        // The artifact's own unit: its loss goes on.
        m.lose("a");
        m.look();
        m.now += GRACE;
        m.set("artifact-a", Activity::Unknown);
        assert_eq!(m.orders(), Vec::<String>::new());
        m.set("artifact-a", Activity::Up);
        // A consumer: it is asked once more whether it is to come back.
        m.set("y", Activity::Unknown);
        assert_eq!(m.look(), (vec![], Some(m.now + SOON)));
        m.set("y", Activity::Up);
        assert_eq!(m.orders(), ["Stop artifact-a.service"]);
        for (unit, active) in [("artifact-a", Activity::Down), ("x", Activity::Down), ("y", Activity::Unknown)] {
            m.set(unit, active);
        }
        m.faults.clear();
        m.look();
        m.set("artifact-a", Activity::Up);
        assert_eq!(m.orders(), ["Start x.service"]);
        m.set("y", Activity::Down);
        assert_eq!(m.orders(), ["Start y.service"]);
        // An artifact's own unit again: it is not started.
        m.memory.lost.insert("a".to_owned());
        m.set("artifact-a", Activity::Unknown);
        assert_eq!(m.orders(), Vec::<String>::new());
        m.set("artifact-a", Activity::Up);
        // Anyone who is to hear of a change hears of it later.
        m.digests.insert("a/f".to_owned(), digest("1"));
        m.look();
        m.set("r", Activity::Unknown);
        m.digests.insert("a/f".to_owned(), digest("2"));
        assert_eq!(m.orders(), ["TryReload l.service"]);
        m.set("r", Activity::Up);
        assert_eq!(m.orders(), ["TryRestart r.service"]);
    }

    #[test]
    fn a_consumer_that_never_is_told_of_keeps_no_lost_artifact_up() {
        let mut m = Machine::new();
        m.set("y", Activity::Unknown);
        m.lose("a");
        m.look();
        m.now += 2 * GRACE;
        assert_eq!(m.orders(), ["Stop artifact-a.service"]);
    }

    #[test]
    fn a_failed_consumer_comes_back_only_where_something_wants_it() {
        for wanted in [true, false] {
            let mut m = Machine::new();
            m.units.insert("multi-user.target".to_owned(), Unit { active: Activity::Up, ..Unit::default() });
            for unit in ["y", "r"] {
                m.set(unit, Activity::Failed);
                m.unit(unit).wanted_by = if wanted { vec!["multi-user.target".to_owned()] } else { vec![] };
            }
            m.digests.insert("a/f".to_owned(), digest("1"));
            m.look();
            m.digests.insert("a/f".to_owned(), digest("2"));
            let changed =
                if wanted { vec!["Start r.service", "TryReload l.service"] } else { vec!["TryReload l.service"] };
            assert_eq!(m.orders(), changed, "the old content may be why it failed");
            m.unit("r").began = m.now + 1;
            m.lose("a");
            m.look();
            m.now += GRACE;
            m.look();
            assert_eq!(m.memory.waiting.contains_key("y.service"), wanted);
        }
    }

    #[test]
    fn a_unit_that_fails_although_all_is_there_is_started_once_a_change() {
        let mut m = Machine::new();
        m.memory.waiting.insert("x.service".to_owned(), ["a".to_owned()].into());
        m.set("artifact-a", Activity::Failed);
        m.set("x", Activity::Down);
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        assert_eq!(m.look(), (vec![], None));
        m.fleeting.try_again();
        assert_eq!(m.orders(), ["Start artifact-a.service"]);
        assert_eq!(m.look(), (vec![], None));
        // As by a mount, which is no change of a file.
        m.lose("a");
        assert_eq!(m.look(), (vec![], None));
        m.faults.clear();
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
        for unit in ["artifact-a", "x", "y"] {
            m.set(unit, Activity::Down);
        }
        m.faults.clear();
        let start = ["Start artifact-a.service"];
        m.refused.insert("artifact-a.service");
        assert_eq!(m.orders(), start);
        m.refused.clear();
        assert_eq!(m.orders(), start, "nobody stopped it but the watcher");
        assert_eq!(m.orders(), Vec::<String>::new());
        m.set("artifact-a", Activity::Up);
        m.refused.insert("y.service");
        assert_eq!(m.orders(), ["Start x.service", "Start y.service"]);
        m.refused.clear();
        assert_eq!(m.orders(), ["Start y.service"]);
        m.set("y", Activity::Up);
        m.digests.insert("a/f".to_owned(), digest("1"));
        m.look();
        m.digests.insert("a/f".to_owned(), digest("2"));
        m.refused.insert("l.service");
        assert_eq!(m.orders(), ["TryRestart r.service", "TryReload l.service"]);
        m.refused.clear();
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
        m.unit("r").began = m.now + 1;
        m.now += 100;
        m.switching = false;
        assert_eq!(m.orders(), ["TryReload l.service"]);
    }

    #[test]
    fn whoever_reloaded_since_hears_nothing_and_whoever_came_up_since_hears_it() {
        for (began, entered, stirred, hears) in
            [(5, 6, 7, true), (5, 6, 11, false), (5, 11, 11, true), (5, 3, 11, true), (11, 12, 12, false)]
        {
            let mut m = Machine::new();
            m.memory.changed.insert("l.service".to_owned(), Change { restart: false, at: 10 });
            (m.unit("l").began, m.unit("l").entered, m.unit("l").stirred) = (began, entered, stirred);
            assert_eq!(m.orders() == ["TryReload l.service"], hears, "{began} {entered} {stirred}");
            assert!(m.memory.changed.is_empty());
        }
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
