use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Instance, InstanceState, TargetName};

use super::survey::{Survey, SurveyedInstance};

/// Which stored values are replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replaces {
    /// None.
    #[default]
    Nothing,
    /// Those that expired, or whose validation or dependencies changed.
    Outdated,
    /// All, whatever their state.
    All,
}

/// What the person wants made.
#[derive(Debug, Clone, Copy, Default)]
pub struct GenerateScope {
    /// What of that which is stored.
    pub replaces: Replaces,
    /// Nothing that is absent.
    pub only_stored: bool,
}

impl GenerateScope {
    /// Whether something in this state is to be made. Only absence leads to it by itself; what cannot be determined is never touched. What
    /// is stale gets a new value only where the old one is outdated: for any other reason the value can be kept.
    pub fn covers(self, state: &InstanceState) -> bool {
        match state {
            InstanceState::Absent => !self.only_stored,
            InstanceState::Stale(reasons) => {
                let outdated = reasons.iter().any(|reason| reason.kind.is_outdated());
                match self.replaces {
                    Replaces::Nothing => false,
                    Replaces::Outdated => outdated && may_follow(state),
                    Replaces::All => true,
                }
            }
            InstanceState::Present => self.replaces == Replaces::All,
            InstanceState::OnTarget | InstanceState::Blocked | InstanceState::Error(_) => false,
        }
    }
}

/// One instance to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: InstanceName,
    /// Whether an entry is stored already.
    pub again: bool,
    /// The storage of the entry, where that is not the one of the instance's backend.
    pub storage: String,
}

impl Step {
    /// Returns a step of a stored instance.
    pub fn again(name: InstanceName) -> Self {
        Self { name, again: true, storage: String::new() }
    }
}

/// What is to be made, dependencies first. `ordered` has all instances in that order; `chosen` those that the person
/// named. An absent dependency of something that is made is made too; and what is made of something that is regenerated is,
/// among the chosen, regenerated when what is outdated is wanted, unless it has to be looked at first.
pub fn steps(
    instances: &BTreeMap<InstanceName, Instance>,
    ordered: &[InstanceName],
    chosen: &BTreeSet<InstanceName>,
    survey: &Survey,
    wanted: GenerateScope,
) -> Vec<Step> {
    let state = |name: &InstanceName| survey.found.get(name).map(|found| &found.state);
    let dependencies = |name: &InstanceName| instances.get(name).into_iter().flat_map(|i| i.dependencies.values());
    let mut making: BTreeSet<&InstanceName> = BTreeSet::new();
    loop {
        let before = making.len();
        for name in ordered {
            let Some(state) = state(name) else { continue };
            let outdated = wanted.replaces == Replaces::Outdated
                && may_follow(state)
                && dependencies(name).any(|d| making.contains(d));
            if chosen.contains(name) && (wanted.covers(state) || outdated) {
                making.insert(name);
            }
        }
        // From the last to the first: who depends on something stands behind it.
        for name in ordered.iter().rev().filter(|name| making.contains(name)).collect::<Vec<_>>() {
            making.extend(dependencies(name).filter(|d| state(d) == Some(&InstanceState::Absent)));
        }
        // An absent dependency may itself be one that others were made of.
        if making.len() == before {
            break;
        }
    }
    let step =
        |name: &InstanceName| Some(Step { again: *state(name)? != InstanceState::Absent, ..Step::again(name.clone()) });
    ordered.iter().filter(|name| making.contains(name)).filter_map(step).collect()
}

/// Whether something in this state is stored, and nothing speaks against a new value once the old one is outdated.
fn may_follow(state: &InstanceState) -> bool {
    match state {
        InstanceState::Present => true,
        InstanceState::Stale(reasons) => !reasons.iter().any(|reason| reason.kind.is_unclear()),
        InstanceState::Absent | InstanceState::OnTarget | InstanceState::Blocked | InstanceState::Error(_) => false,
    }
}

/// What cannot be made before another evaluation, each with the instance that is the reason: what is blocked, what cannot be determined
/// and is not stored, and whatever depends on one of those or on what is `unknown`.
pub fn waiting(
    instances: &BTreeMap<InstanceName, Instance>,
    ordered: &[InstanceName],
    unknown: &BTreeMap<InstanceName, TargetName>,
    survey: &Survey,
) -> BTreeMap<InstanceName, InstanceName> {
    let mut waiting: BTreeMap<&InstanceName, &InstanceName> = unknown.keys().map(|name| (name, name)).collect();
    for name in ordered {
        let mut dependencies = instances.get(name).into_iter().flat_map(|instance| instance.dependencies.values());
        let reason = if survey.found.get(name).is_some_and(waits) {
            Some(name)
        } else {
            dependencies.find_map(|dependency| waiting.get(dependency).copied())
        };
        waiting.extend(reason.map(|reason| (name, reason)));
    }
    waiting.into_iter().map(|(name, reason)| (name.clone(), reason.clone())).collect()
}

impl Survey {
    /// What would be made and waits for another evaluation is blocked, whatever it is by itself.
    pub fn mark_blocked(&mut self, waiting: &BTreeMap<InstanceName, InstanceName>, wanted: GenerateScope) {
        let held =
            self.found.iter_mut().filter(|(name, found)| waiting.contains_key(*name) && wanted.covers(&found.state));
        held.for_each(|(_, found)| found.state = InstanceState::Blocked);
    }
}

fn waits(found: &SurveyedInstance) -> bool {
    match found.state {
        InstanceState::Blocked => true,
        // What is stored can be read, whatever is wrong with what is declared now.
        InstanceState::Error(_) => found.fingerprint.is_none(),
        _ => false,
    }
}
