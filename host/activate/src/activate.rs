//! The steps for each instance: generate, deploy, link.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_on_target::place::{FilePermissions, Lock, PlaceError};
use artifacts_plan::{Instance, reach};
use artifacts_report::Failure;
use artifacts_seam::Secret;

use crate::access::{accesses, link_path};
use crate::context::ActivationContext;
use crate::failure::{about, failure};
use crate::generate::generate;
use crate::inputs::Instances;

/// Names what was done about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivationResult {
    /// It was generated.
    Generated,
    /// It was generated, and replaced the values of before.
    Regenerated,
    /// It was present.
    Present,
}

/// Generates those of the chosen instances that are generated on the target and are not present, dependencies first, and puts all
/// their files into their places. A present one is kept, unless something that it was generated from is regenerated. A failure
/// stops what depends on it and nothing else.
///
/// `ordered` has all instances, dependencies first.
pub fn activate(
    context: &mut ActivationContext<'_>,
    all: &BTreeMap<InstanceName, Instance>,
    ordered: &[InstanceName],
    chosen: &BTreeSet<InstanceName>,
) -> BTreeMap<InstanceName, Result<ActivationResult, Failure>> {
    let reach = reach(all, chosen);
    let mut results = BTreeMap::new();
    let mut instances = Instances { all, here: BTreeSet::new() };
    for instance in ordered.iter().filter_map(|name| all.get(name)) {
        let regenerated = |name| matches!(results.get(name), Some(Ok(ActivationResult::Regenerated)));
        let follows = instance.dependencies.values().any(regenerated) && context.is_present(instance);
        if !follows && !reach.contains(&instance.name) {
            continue;
        }
        let result = match context.generates(instance) {
            Ok(false) => continue,
            Ok(true) => {
                instances.here.insert(instance.name.clone());
                let failed = instance.dependencies.values().find(|d| results.get(*d).is_some_and(Result::is_err));
                match failed {
                    Some(failed) => Err(failure(instance, format!("skipped: its dependency {failed} failed"))),
                    None => activate_one(context, &instances, instance),
                }
            }
            Err(failure) => Err(failure),
        };
        results.insert(instance.name.clone(), result);
    }
    results
}

fn activate_one(
    context: &mut ActivationContext<'_>,
    instances: &Instances<'_>,
    instance: &Instance,
) -> Result<ActivationResult, Failure> {
    let failed = |e: PlaceError| about(instance, e);
    let access = accesses(instance, context.user)?;
    let artifact = instance.name.artifact();
    // An earlier run that could not generate it after its dependency marked it.
    let is_outdated = context.is_present(instance) && context.farm.is_outdated(artifact).map_err(failed)?;
    let files = if is_complete(context, instance).map_err(failed)? && !is_outdated {
        None
    } else {
        Some(generate(context, instances, instance)?)
    };
    let lock = context.farm.lock().map_err(failed)?;
    // Another run may have been faster: the values of the first one are kept.
    let is_wanted = is_outdated || !is_complete(context, instance).map_err(failed)?;
    let result = match files.filter(|_| is_wanted) {
        None => ActivationResult::Present,
        Some(files) => put(context, instances, instance, &lock, (&files, &access)).map_err(failed)?,
    };
    settle(context, instance, &lock, &access).map_err(failed)?;
    Ok(result)
}

/// Returns whether exactly the declared files are deployed.
fn is_complete(context: &ActivationContext<'_>, instance: &Instance) -> Result<bool, PlaceError> {
    let declared: BTreeSet<String> = instance.artifact.files.keys().map(ToString::to_string).collect();
    Ok(context.farm.files(instance.name.artifact())? == Some(declared))
}

/// Deploys the files of an instance, in place of those of before.
fn put(
    context: &ActivationContext<'_>,
    instances: &Instances<'_>,
    instance: &Instance,
    lock: &Lock,
    (files, access): (&BTreeMap<Name, Secret>, &BTreeMap<Name, FilePermissions>),
) -> Result<ActivationResult, PlaceError> {
    let result = if context.is_present(instance) { ActivationResult::Regenerated } else { ActivationResult::Generated };
    if result == ActivationResult::Regenerated {
        outdate_dependents(context, instances, instance, lock)?;
    }
    let files =
        files.iter().filter_map(|(name, value)| Some((name.clone(), (value.expose(), access.get(name).copied()?))));
    context.farm.put(lock, instance.name.artifact(), &files.collect())?;
    Ok(result)
}

/// Sets owner, group and mode of the deployed files, and links to them from their declared paths.
fn settle(
    context: &ActivationContext<'_>,
    instance: &Instance,
    lock: &Lock,
    access: &BTreeMap<Name, FilePermissions>,
) -> Result<(), PlaceError> {
    let artifact = instance.name.artifact();
    for (name, file) in &instance.artifact.files {
        if let Some(access) = access.get(name) {
            context.farm.settle(lock, artifact, name, *access)?;
        }
        if let Some(path) = link_path(file, context) {
            context.farm.link(lock, artifact, name, &path)?;
        }
    }
    Ok(())
}

/// Marks what was generated from an instance, before its bytes change: a run that is stopped in between generates more than it has
/// to, and never less.
fn outdate_dependents(
    context: &ActivationContext<'_>,
    instances: &Instances<'_>,
    instance: &Instance,
    lock: &Lock,
) -> Result<(), PlaceError> {
    let depends = |other: &&Instance| other.dependencies.values().any(|name| *name == instance.name);
    for other in instances.all.values().filter(depends).filter(|other| context.is_present(other)) {
        context.farm.outdate(lock, other.name.artifact())?;
    }
    Ok(())
}
