use std::collections::BTreeMap;

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_spec::{InstanceName, Name};

use crate::failure;

/// The files of what this run made, kept while something still to be made depends on them.
#[derive(Default)]
pub struct Fresh(BTreeMap<InstanceName, BTreeMap<Name, Secret>>);

impl Fresh {
    pub fn keep(&mut self, name: InstanceName, files: BTreeMap<Name, Secret>) {
        self.0.insert(name, files);
    }

    /// What an instance's generator finds in `$in`.
    pub fn inputs(&self, instance: &Instance) -> Result<BTreeMap<Name, BTreeMap<Name, Secret>>, Failure> {
        let mut inputs = BTreeMap::new();
        for (name, dependency) in &instance.dependencies {
            let files = self.0.get(dependency).ok_or_else(|| {
                let why = format!("it depends on {dependency}, which was not made in this run, and stored secrets cannot be read back yet");
                let help = format!("make both in one run: `artifacts generate --regenerate {dependency} {}`", instance.name);
                failure::of(instance, why).help(Some(help))
            })?;
            inputs.insert(name.clone(), files.clone());
        }
        Ok(inputs)
    }
}
