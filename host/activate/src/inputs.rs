//! What a generator on the target reads of other artifacts.

use std::collections::BTreeMap;
use std::path::Path;

use artifacts_declared::{InstanceName, Name};
use artifacts_on_target::manifest::expand;
use artifacts_on_target::place;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_text::Explain;

use crate::generate::{ActivationContext, failure};

/// A larger file is no secret, in bytes.
const LARGEST: u64 = 16 << 20;

const OTHER_BACKEND: &str = "use an on-target backend for both";

type Files = BTreeMap<Name, Secret>;

/// The files of everything that an instance depends on.
pub fn inputs(
    context: &ActivationContext<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    generated_here: impl Fn(&Instance) -> bool,
) -> Result<BTreeMap<Name, Files>, Failure> {
    let of = |(name, dependency): (&Name, &InstanceName)| {
        let found = instances
            .get(dependency)
            .ok_or_else(|| failure(instance, format!("its dependency {dependency} has a configuration error")))?;
        let files = if generated_here(found) {
            from_farm(context, instance, found)
        } else {
            from_paths(context, instance, found)
        };
        Ok((name.clone(), files?))
    };
    instance.dependencies.iter().map(of).collect()
}

fn from_farm(context: &ActivationContext<'_>, instance: &Instance, dependency: &Instance) -> Result<Files, Failure> {
    let read = |file: &Name| {
        let bytes = context.farm.read(dependency.name.artifact(), file);
        let mut bytes =
            bytes.map_err(|e| failure(instance, format!("cannot read its dependency {}: {e}", dependency.name)))?;
        Ok((file.clone(), Secret::new(std::mem::take(&mut *bytes))))
    };
    dependency.artifact.files.keys().map(read).collect()
}

/// Of another backend's artifact only what it put on this target can be had.
fn from_paths(context: &ActivationContext<'_>, instance: &Instance, dependency: &Instance) -> Result<Files, Failure> {
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
