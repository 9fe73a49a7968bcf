use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::{Instance, State};
use artifacts_spec::InstanceName;

use crate::Survey;

/// What the person wants made, beyond what is absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// What is stale too.
    pub stale: bool,
    /// What is present or stale too.
    pub regenerate: bool,
}

/// One instance to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: InstanceName,
    /// Whether a slice lies there already.
    pub again: bool,
}

/// What is to be made, dependencies first. `ordered` has all instances in that order; `chosen` those that the person
/// named. An absent dependency of something that is made is made too.
pub fn steps(
    instances: &BTreeMap<InstanceName, Instance>,
    ordered: &[InstanceName],
    chosen: &BTreeSet<InstanceName>,
    survey: &Survey,
    wanted: Wanted,
) -> Vec<Step> {
    let mut needed: BTreeSet<&InstanceName> = BTreeSet::new();
    // From the last to the first: who depends on something stands behind it.
    let mut steps: Vec<Step> = Vec::new();
    for name in ordered.iter().rev() {
        let Some(state) = survey.found.get(name).map(|found| &found.state) else { continue };
        let asked_for = chosen.contains(name) && wants(state, wanted);
        let missing = needed.contains(name) && *state == State::Absent;
        if asked_for || missing {
            needed.extend(instances.get(name).into_iter().flat_map(|i| i.dependencies.values()));
            steps.push(Step { name: name.clone(), again: *state != State::Absent });
        }
    }
    steps.reverse();
    steps
}

/// Only absence leads to generation by itself; what cannot be told is never touched.
fn wants(state: &State, wanted: Wanted) -> bool {
    match state {
        State::Absent => true,
        State::Stale(_) => wanted.stale || wanted.regenerate,
        State::Present => wanted.regenerate,
        State::OnTarget | State::Blocked | State::Error(_) => false,
    }
}
