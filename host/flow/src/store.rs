use std::collections::BTreeMap;

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_spec::InstanceName;
use artifacts_store::{Git, Options, Storage, Warning, Writer};

use crate::{Registry, Rooms, Step, failure};

/// The storages of a run, each locked for it, or why it is not.
#[derive(Default)]
pub struct Writers {
    by_storage: BTreeMap<String, Result<Writer, Failure>>,
    paths: Vec<String>,
}

impl Writers {
    /// Locks every storage that these instances are in, before anything is asked or made. An instance whose backend is
    /// unknown has no storage; that it fails is told where it is asked about.
    pub fn lock<'a>(rooms: &Rooms<'_>, instances: impl Iterator<Item = &'a Instance>, options: &Options) -> Self {
        let mut writers = Self::default();
        for name in instances.filter_map(|instance| storage_of(instance, &rooms.registry)) {
            writers.by_storage.entry(name).or_insert_with_key(|name| lock(rooms, name, options));
        }
        writers
    }

    /// The steps whose storage is locked, and a failure for each other one: nobody is asked for what cannot be stored.
    pub fn admit(
        &self,
        steps: Vec<Step>,
        instances: &BTreeMap<InstanceName, Instance>,
        registry: &Registry,
    ) -> (Vec<Step>, Vec<Failure>) {
        let mut refused = Vec::new();
        let admitted = steps
            .into_iter()
            .filter(|step| {
                let Some(instance) = instances.get(&step.name) else { return false };
                let storage = storage_of(instance, registry);
                match storage.and_then(|storage| self.by_storage.get(&storage)) {
                    Some(Err(why)) => {
                        refused.push(failure::of(instance, why.message.clone()).help(why.help.clone()));
                        false
                    }
                    _ => true,
                }
            })
            .collect();
        (admitted, refused)
    }

    pub(crate) fn of(&self, storage: &str) -> Option<&Writer> {
        self.by_storage.get(storage)?.as_ref().ok()
    }

    pub(crate) fn wrote(&mut self, path: String) {
        self.paths.push(path);
    }

    /// Tells git of the new files, once a run.
    ///
    /// # Errors
    /// A warning: the slices are stored all the same.
    pub fn add_to_git(&self, git: &Git) -> Result<(), Warning> {
        match self.by_storage.values().flatten().next() {
            Some(writer) if !self.paths.is_empty() => writer.add_to_git(git, &self.paths),
            _ => Ok(()),
        }
    }
}

fn storage_of(instance: &Instance, registry: &Registry) -> Option<String> {
    registry.storage(instance.backend.as_ref()?).ok()
}

fn lock(rooms: &Rooms<'_>, name: &str, options: &Options) -> Result<Writer, Failure> {
    let storage = Storage::open(rooms.root, name);
    storage
        .and_then(|storage| storage.lock(options.clone()))
        .map_err(|error| Failure::new(format!("storage {name}"), error.to_string()).help(error.help()))
}
