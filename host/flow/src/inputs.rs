use std::collections::{BTreeMap, BTreeSet};

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_spec::{InstanceName, Name};

use crate::{Rooms, Step, failure, retrieve};

type Files = BTreeMap<Name, Secret>;

/// What generators find in `$in`: files of what was stored before, and of what this run makes.
#[derive(Default)]
pub struct Inputs(BTreeMap<InstanceName, Result<Files, Failure>>);

impl Inputs {
    /// Reads back whatever these steps depend on, do not make themselves, and this run did not make before. It is done before
    /// anybody is asked for anything.
    pub fn read(&mut self, rooms: &mut Rooms<'_>, instances: &BTreeMap<InstanceName, Instance>, steps: &[Step]) {
        let made: BTreeSet<&InstanceName> = steps.iter().map(|step| &step.name).collect();
        let making = made.iter().filter_map(|name| instances.get(name));
        let needed: BTreeSet<&InstanceName> = making
            .flat_map(|instance| instance.dependencies.values())
            .filter(|name| !made.contains(name) && !self.0.contains_key(name))
            .collect();
        let needed = needed.into_iter().filter_map(|name| instances.get(name));
        let wanted: Vec<_> = needed.map(|one| (one, one.files.keys().cloned().collect())).collect();
        let read = retrieve(rooms, &wanted);
        self.0.extend(read.into_iter().map(|(name, read)| (name, read.map(|read| read.files))));
    }

    /// Why an instance cannot be made: a dependency was not read.
    pub fn fault(&self, instance: &Instance) -> Option<Failure> {
        instance.dependencies.values().find_map(|name| {
            let why = self.0.get(name)?.as_ref().err()?;
            let message = format!("it depends on {name}, which cannot be read: {}", why.message);
            Some(failure::of(instance, message).help(why.help.clone()))
        })
    }

    /// Keeps what was made for what depends on it.
    pub(crate) fn keep(&mut self, name: InstanceName, files: Files) {
        self.0.insert(name, Ok(files));
    }

    /// What an instance's generator finds in `$in`.
    pub(crate) fn of(&self, instance: &Instance) -> Result<BTreeMap<Name, Files>, Failure> {
        let mut inputs = BTreeMap::new();
        for (name, dependency) in &instance.dependencies {
            let files = self.0.get(dependency).ok_or_else(|| {
                failure::of(instance, format!("it depends on {dependency}, which was neither made nor read"))
            })?;
            inputs.insert(name.clone(), files.clone()?);
        }
        Ok(inputs)
    }
}
