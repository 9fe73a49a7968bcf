use std::collections::BTreeMap;

use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_spec::InstanceName;
use artifacts_store::{Git, Options, Storage, Warning, Writer};

use crate::{Registry, Rooms, failure};

/// The storages of a run, each locked for it, or why it is not.
#[derive(Default)]
pub struct Writers {
    by_storage: BTreeMap<String, Result<Writer, Failure>>,
    paths: Vec<String>,
    options: Option<Options>,
}

impl Writers {
    /// Locks every storage that these instances are in, before anything is asked or made. An instance whose backend is
    /// unknown has no storage; that it fails is told where it is asked about.
    pub fn lock<'a>(rooms: &Rooms<'_>, instances: impl Iterator<Item = &'a Instance>, options: &Options) -> Self {
        let mut writers = Self { options: Some(options.clone()), ..Self::default() };
        for name in instances.filter_map(|instance| storage_of(instance, &rooms.registry)) {
            writers.by_storage.entry(name).or_insert_with_key(|name| lock(rooms, name, options));
        }
        writers
    }

    /// Why an instance cannot be stored: nobody is asked for it then, and nothing of it opened.
    pub fn fault(&self, instance: &Instance, registry: &Registry) -> Option<Failure> {
        let (why, help) = match self.by_storage.get(&storage_of(instance, registry)?)? {
            Err(why) => (why.message.clone(), why.help.clone()),
            Ok(writer) => {
                let error = writer.replaceable(&instance.name).err()?;
                (error.to_string(), error.help().map(str::to_owned))
            }
        };
        Some(failure::of(instance, why).help(help))
    }

    /// A storage, locked now if it is not yet.
    pub(crate) fn writer(&mut self, rooms: &Rooms<'_>, storage: &str, options: &Options) -> Result<&Writer, Failure> {
        let locked = self.by_storage.entry(storage.to_owned()).or_insert_with_key(|name| lock(rooms, name, options));
        locked.as_ref().map_err(Clone::clone)
    }

    /// Moves an entry to the trash, of a storage that is locked now if it is not yet.
    pub(crate) fn trash(&mut self, rooms: &Rooms<'_>, storage: &str, name: &InstanceName) -> Result<(), Failure> {
        let options =
            self.options.clone().ok_or_else(|| Failure::new(format!("storage {storage}"), "it is not locked"))?;
        let failed =
            |error: artifacts_store::Error| Failure::new(name.to_string(), error.to_string()).help(error.help());
        self.writer(rooms, storage, &options)?.remove(name).map_err(failed).map(drop)
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
    // Who may write there, as root may, would change what Nix takes for fixed.
    let root = rooms.root.path();
    if rooms.nix.is_in_store(root) {
        let why = format!("the checkout {} is in the Nix store, where nothing is written", root.display());
        return Err(Failure::new(format!("storage {name}"), why)
            .help(Some("name a checkout of it with --root DIR, and set artifacts.root to the folder that Nix reads")));
    }
    let storage = Storage::open(rooms.root, name);
    storage
        .and_then(|storage| storage.lock(options.clone()))
        .map_err(|error| Failure::new(format!("storage {name}"), error.to_string()).help(error.help()))
}
