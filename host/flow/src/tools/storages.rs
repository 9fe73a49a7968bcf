use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_store::{Storage, Warning, Writer};
use artifacts_text::Explain as _;

use super::last_generation::StoredReceipt;
use super::told_paths::ToldPaths;
use super::{RunEvent, Tools};
use crate::failure;
use crate::look::index::{self, compare_index};

/// The storages of a run, each locked for it, or why it is not.
#[derive(Default)]
pub struct StorageWriters {
    by_storage: BTreeMap<String, Result<Arc<Writer>, Failure>>,
    /// What git knows that forbids writing an instance.
    refused: BTreeMap<InstanceName, Failure>,
    /// What git is told of.
    paths: ToldPaths,
    /// What this machine is to remember of them.
    stored: Vec<StoredReceipt>,
}

impl StorageWriters {
    /// Locks every storage that these instances are in, before anything is asked or made, and stages what an earlier run could
    /// not. Where another run holds a lock it is waited for, if the admin does. An instance whose backend is unknown has no storage;
    /// that it fails is reported where it is asked about.
    pub fn lock<'a>(tools: &mut Tools, instances: impl Iterator<Item = &'a Instance>) -> Self {
        let mut writers = Self::default();
        let instances: Vec<&Instance> = instances.collect();
        let indexed = compare_index(tools, instances.iter().copied());
        for instance in &instances {
            let fault = indexed.by_name.get(&instance.name).and_then(|staged| index::index_fault(instance, staged));
            writers.refused.extend(fault.map(|fault| (instance.name.clone(), fault)));
        }
        // Where nothing may be stored, not even a lock is: `git submodule update` expects an empty directory.
        let writable = instances.iter().filter(|instance| !writers.refused.contains_key(&instance.name));
        // In one order in every run: two that wait for each other would wait forever.
        let storages: BTreeSet<String> = writable.filter_map(|instance| tools.storage_of(instance)).collect();
        for name in storages {
            let locked = lock_in_turn(tools, &name);
            writers.by_storage.insert(name, locked);
        }
        writers.paths.add(index::unstaged(tools, &instances, &indexed));
        if !writers.is_idle() {
            writers.stage(tools);
        }
        writers
    }

    /// Why an instance cannot be stored: no one is asked for it then, and nothing of it opened.
    pub fn lock_failure(&self, instance: &Instance, tools: &Tools) -> Option<Failure> {
        if let Some(fault) = self.refused.get(&instance.name) {
            return Some(fault.clone());
        }
        match self.by_storage.get(&tools.storage_of(instance)?)? {
            Err(why) => Some(failure::of_instance(instance, why.clone())),
            Ok(writer) => writer.replaceable(&instance.name).err().map(|error| failure::about(instance, error)),
        }
    }

    /// A storage, locked now if it is not yet.
    pub(crate) fn writer(&mut self, tools: &Tools, storage: &str) -> Result<Arc<Writer>, Failure> {
        let locked = self.by_storage.entry(storage.to_owned()).or_insert_with_key(|name| lock(tools, name));
        locked.clone()
    }

    /// Returns the lock of an instance's storage.
    ///
    /// # Errors
    /// When it has none, or git forbids to write the instance.
    pub(crate) fn own(&self, instance: &Instance, tools: &Tools) -> Result<Arc<Writer>, Failure> {
        if let Some(fault) = self.refused.get(&instance.name) {
            return Err(fault.clone());
        }
        let storage = tools.storage_of(instance).unwrap_or_default();
        match self.by_storage.get(&storage) {
            Some(Ok(writer)) => Ok(Arc::clone(writer)),
            Some(Err(why)) => Err(failure::of_instance(instance, why.clone())),
            None => Err(failure::for_instance(instance, format!("storage {storage} is not locked"))),
        }
    }

    /// Tells git of a new entry soon: a run that is killed leaves what it stored in the last moments, for the next run.
    pub(crate) fn wrote(&mut self, tools: &Tools, path: String, stored: Option<StoredReceipt>) {
        self.paths.add([path]);
        self.stored.extend(stored);
        self.stage_open(tools);
    }

    /// Has this machine remember what was stored. That it cannot is no failure: the entries are stored all the same.
    pub(crate) fn remember(&mut self, tools: &mut Tools) {
        if let Err(error) = tools.headers.stored(std::mem::take(&mut self.stored)) {
            let why = format!("cannot record which values were stored, so that older ones are not noticed: {error}");
            tools.operator.notify(&RunEvent::Warning(&why, error.hint().as_deref()));
        }
    }

    /// Tells git of what it does not know of yet, if it was not told of anything just now. What it refuses, it is told again at the end.
    pub(crate) fn stage_open(&mut self, tools: &Tools) {
        let begun = Instant::now();
        let due = self.paths.due(begun);
        if !due.is_empty() {
            tools.git.stage(&tools.root, &self.storages(), due);
            self.paths.tell(begun, Instant::now());
        }
    }

    /// Tells git of all new entries, at the end of a run.
    ///
    /// Returns warnings: the entries are stored all the same.
    pub fn stage(&mut self, tools: &Tools) -> Vec<Warning> {
        let begun = Instant::now();
        let warnings = tools.git.stage(&tools.root, &self.storages(), self.paths.all());
        self.paths.tell(begun, Instant::now());
        warnings
    }

    /// Returns the storages that are locked.
    fn storages(&self) -> Vec<String> {
        let locked = self.by_storage.iter().filter(|(_, writer)| writer.is_ok());
        locked.map(|(storage, _)| storage.clone()).collect()
    }

    /// Whether anything was stored, or staged.
    pub fn is_idle(&self) -> bool {
        self.paths.all().is_empty()
    }
}

/// Locks a storage as soon as no other run holds its lock. Who waits for nothing fails at once.
fn lock_in_turn(tools: &mut Tools, name: &str) -> Result<Arc<Writer>, Failure> {
    let mut is_reported = false;
    loop {
        let pid = match try_lock(tools, name)? {
            Ok(writer) => return Ok(writer),
            Err(error) => match &error {
                artifacts_store::Error::Locked { pid, .. } if tools.operator.waits() => *pid,
                _ => return Err(failed(name, error)),
            },
        };
        if !std::mem::replace(&mut is_reported, true) {
            tools.operator.notify(&RunEvent::Waiting { storage: name, pid });
        }
        let storage = Storage::open(&tools.root, name).map_err(|error| failed(name, error))?;
        let cancel = tools.cancel.clone();
        storage.wait_for_lock(|| cancel.is_set()).map_err(|error| failed(name, error))?;
        if tools.cancel.is_set() {
            let why = "interrupted while another artifacts held the lock; nothing was changed";
            return Err(Failure::new(format!("storage {name}"), why));
        }
    }
}

/// A storage that is not locked yet, while others are: no one waits for it, since the other run may wait for those.
fn lock(tools: &Tools, name: &str) -> Result<Arc<Writer>, Failure> {
    try_lock(tools, name)?.map_err(|error| failed(name, error))
}

fn failed(name: &str, error: artifacts_store::Error) -> Failure {
    Failure::about(format!("storage {name}"), error)
}

fn try_lock(tools: &Tools, name: &str) -> Result<Result<Arc<Writer>, artifacts_store::Error>, Failure> {
    // Who may write there, as root may, would change what Nix takes for fixed.
    let root = tools.root.path();
    if tools.evaluator.store_of(root).is_some() {
        let why = format!("the checkout {} is in the Nix store, which is read-only", root.display());
        return Err(
            Failure::new(format!("storage {name}"), why).hint(Some("pass `--root DIR` with a writable checkout"))
        );
    }
    let storage = Storage::open(&tools.root, name);
    Ok(storage.and_then(|storage| storage.lock(tools.storing.clone())).map(Arc::new))
}
