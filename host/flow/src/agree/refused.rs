//! What follows from a no: one failure, however much it is about. Who said it knows why, and needs no flag.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_text::{agreeing, listed};

use crate::chain::Base;
use crate::failure;
use crate::run::Run;
use crate::tools::Answer;

/// Returns the one failure of a no to everything.
pub(crate) fn nothing(what: &str) -> Failure {
    Failure::declined(format!("nothing changed: {what}"))
}

/// Lets these steps leave the chain, with what depends on them where steps do. None of it is tried again in this run. Returns what
/// depends on them, each with the dependency.
fn leave_out(
    base: &mut Base<'_>,
    names: &BTreeSet<InstanceName>,
    is_chained: bool,
) -> BTreeMap<InstanceName, InstanceName> {
    if !is_chained {
        base.progress.decline(names);
        return BTreeMap::new();
    }
    let left = base.skip(|_, instance| names.contains(&instance.name)).into_iter();
    left.filter(|(name, _)| !names.contains(name)).filter_map(|(name, dependency)| Some((name, dependency?))).collect()
}

/// The admin said no to `what`, which is about these steps.
pub(crate) fn refuse(base: &mut Base<'_>, names: &BTreeSet<InstanceName>, what: &str, is_chained: bool) {
    let dependents = leave_out(base, names, is_chained).len();
    let is_all = base.progress.is_empty() && base.run.state.settled.is_empty();
    let failure = match dependents {
        _ if is_all => nothing(what),
        0 => Failure::declined(format!("{what}; these artifacts are unchanged")),
        _ => {
            let depend = agreeing(dependents, "depends", "depend");
            Failure::declined(format!("{what}; these artifacts, and {dependents} that {depend} on them, are unchanged"))
        }
    };
    base.progress.fail(failure);
}

/// No one could be asked about these steps: what depends on them is named, too.
pub(crate) fn drop_out(base: &mut Base<'_>, names: &BTreeSet<InstanceName>, failure: Failure, is_chained: bool) {
    base.progress.fail(failure);
    for (name, dependency) in leave_out(base, names, is_chained) {
        if let Some(instance) = base.run.instances.get(&name) {
            base.progress.fail(failure::skipped_dependency(instance, &dependency));
        }
    }
}

/// Leaves the steps without a fault. A no is one failure for all others, and is about `what` of their names; where no one could be
/// asked each has its own, with what to pass.
pub(crate) fn keep_allowed(
    base: &mut Base<'_>,
    answer: &Answer,
    fault: impl Fn(&Run, &Instance) -> Option<Failure>,
    what: impl Fn(&str) -> String,
) {
    let Base { run, progress, .. } = &mut *base;
    let run = &**run;
    if *answer != Answer::No {
        return progress.keep_chained(&run.instances, |instance| fault(run, instance));
    }
    let steps = progress.names();
    let refused = run.among(&steps).filter(|instance| fault(run, instance).is_some());
    let refused: BTreeSet<InstanceName> = refused.map(|instance| instance.name.clone()).collect();
    let names: Vec<String> = refused.iter().map(ToString::to_string).collect();
    refuse(base, &refused, &what(&listed(&names)), true);
}
