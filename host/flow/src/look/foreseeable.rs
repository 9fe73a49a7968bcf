//! What is certain to fail: told before anyone is asked anything, and by a dry run, too.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Instance, InstanceState};
use artifacts_report::Failure;

use super::rekeyable::unopenable;
use super::survey::{Survey, SurveyedInstance};
use crate::failure;

/// Why an instance cannot be read back, as far as can be determined without opening it.
pub fn unreadable(instance: &Instance, found: &SurveyedInstance) -> Option<Failure> {
    match &found.state {
        InstanceState::Absent => Some(failure::absent(instance)),
        InstanceState::OnTarget => Some(failure::on_target(instance)),
        _ => unopenable(instance, found),
    }
}

/// Why an instance cannot be made: it depends on what these steps do not make, is not at hand and no one can read.
pub fn foreseeable_error(
    instance: &Instance,
    instances: &BTreeMap<InstanceName, Instance>,
    survey: &Survey,
    steps: &BTreeSet<InstanceName>,
    is_at_hand: impl Fn(&InstanceName) -> bool,
) -> Option<Failure> {
    let at_hand = |name: &InstanceName| is_at_hand(name) || steps.contains(name);
    instance.dependencies.values().filter(|name| !at_hand(name)).find_map(|name| {
        let (dependency, found) = (instances.get(name)?, survey.found.get(name)?);
        // A person may read an older value; nothing is made from one.
        let older = failure::older(dependency, found.state.reasons());
        let why = older.or_else(|| unreadable(dependency, found))?;
        Some(failure::unread_dependency(instance, name, &why))
    })
}
