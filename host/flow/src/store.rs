use std::collections::BTreeMap;

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_store::{Git, Options, Storage, Warning, Writer};

use crate::Rooms;

/// The storages of a run, each locked for it.
#[derive(Default)]
pub struct Writers {
    by_storage: BTreeMap<String, Writer>,
    paths: Vec<String>,
}

impl Writers {
    /// Locks every storage that these instances are in, before anything is asked or made.
    ///
    /// # Errors
    /// When a storage is locked by another run, or cannot be written as a slice must be written.
    pub fn lock<'a>(
        rooms: &Rooms<'_>,
        instances: impl Iterator<Item = &'a Instance>,
        options: &Options,
    ) -> Result<Self, Failure> {
        let mut writers = Self::default();
        for backend in instances.filter_map(|instance| instance.backend.as_ref()) {
            let name = rooms.registry.storage(backend)?;
            if writers.by_storage.contains_key(&name) {
                continue;
            }
            let failed = |error: artifacts_store::Error| {
                Failure::new(format!("storage {name}"), error.to_string()).help(error.help())
            };
            let storage = Storage::open(rooms.root, &name).map_err(failed)?;
            let writer = storage.lock(options.clone()).map_err(failed)?;
            writers.by_storage.insert(name, writer);
        }
        Ok(writers)
    }

    pub(crate) fn of(&self, storage: &str) -> Option<&Writer> {
        self.by_storage.get(storage)
    }

    pub(crate) fn wrote(&mut self, path: String) {
        self.paths.push(path);
    }

    /// Tells git of the new files, once a run.
    ///
    /// # Errors
    /// A warning: the slices are stored all the same.
    pub fn add_to_git(&self, git: &Git) -> Result<(), Warning> {
        match self.by_storage.values().next() {
            Some(writer) if !self.paths.is_empty() => writer.add_to_git(git, &self.paths),
            _ => Ok(()),
        }
    }
}
