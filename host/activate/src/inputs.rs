//! The files of other artifacts that a generator on the target reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifacts_declared::{InstanceName, Name};
use artifacts_on_target::manifest::expand;
use artifacts_on_target::place;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_text::Explain;

use crate::context::ActivationContext;
use crate::failure::failure;

/// Limit for a file of another backend, in bytes.
const LARGEST: u64 = 16 << 20;

const OTHER_BACKEND: &str = "use an on-target backend for both";

/// Holds the instances that are declared.
pub(crate) struct Instances<'a> {
    /// All of them.
    pub all: &'a BTreeMap<InstanceName, Instance>,
    /// Those that are generated on this target.
    pub here: BTreeSet<InstanceName>,
}

/// Maps files of one instance to their content.
type DependencyFiles = BTreeMap<Name, Secret>;

/// Reads the files of all that an instance depends on, by the name of the dependency.
pub(crate) fn inputs(
    context: &ActivationContext<'_>,
    instances: &Instances<'_>,
    instance: &Instance,
) -> Result<BTreeMap<Name, DependencyFiles>, Failure> {
    let of = |(name, dependency): (&Name, &InstanceName)| {
        let found = instances
            .all
            .get(dependency)
            .ok_or_else(|| failure(instance, format!("its dependency {dependency} has a configuration error")))?;
        let is_here = instances.here.contains(&found.name);
        let read = if is_here { generated_here } else { deployed };
        Ok((name.clone(), read(context, instance, found)?))
    };
    instance.dependencies.iter().map(of).collect()
}

fn generated_here(
    context: &ActivationContext<'_>,
    instance: &Instance,
    dependency: &Instance,
) -> Result<DependencyFiles, Failure> {
    let read = |file: &Name| {
        let bytes = context.farm.read(dependency.name.artifact(), file);
        let mut bytes =
            bytes.map_err(|e| failure(instance, format!("cannot read its dependency {}: {e}", dependency.name)))?;
        Ok((file.clone(), Secret::new(std::mem::take(&mut *bytes))))
    };
    dependency.artifact.files.keys().map(read).collect()
}

/// Reads the files of another backend's artifact: only those that it deployed to this target exist.
fn deployed(
    context: &ActivationContext<'_>,
    instance: &Instance,
    dependency: &Instance,
) -> Result<DependencyFiles, Failure> {
    let read = |(name, file): (&Name, &artifacts_declared::DeclaredFile)| {
        let lacks = |why: String| {
            failure(instance, format!("file `{name}` of its dependency {} {why}", dependency.name))
                .hint(Some(OTHER_BACKEND))
        };
        let path =
            file.path.as_ref().filter(|_| file.deploy).ok_or_else(|| lacks("is not on this target".to_owned()))?;
        let mut bytes = place::read(Path::new(&expand(path, context.runtime.as_deref())), LARGEST).map_err(|e| {
            lacks(format!("cannot be read: {e}")).hint(e.hint().or_else(|| Some(OTHER_BACKEND.to_owned())))
        })?;
        Ok((name.clone(), Secret::new(std::mem::take(&mut *bytes))))
    };
    dependency.artifact.files.iter().map(read).collect()
}
