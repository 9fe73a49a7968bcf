use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Artifact, InstanceName, Name, Shared, TargetId};
use artifacts_seam::InstanceView;

/// Represents an artifact as it is declared for one machine, for one user, or shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its name, which is the path of its entry below the storage.
    pub name: InstanceName,
    /// Its declaration: of a shared artifact the first target's, with which all others agree. `blocked` if any is, with a
    /// generator that this machine can run, if there is one, and with the implicit prompts if there is none.
    pub artifact: Shared<Artifact>,
    /// The targets that declare it, sorted by name.
    pub targets: Vec<TargetId>,
    /// The instances whose files its generator reads, by the name of the directory in `$in`.
    pub dependencies: BTreeMap<Name, InstanceName>,
    /// The units that take notice of a new value, of each target that has some.
    pub units: Vec<UnitChanges>,
    /// The instance as its backend sees it: without paths, modes and generator.
    pub for_backend: InstanceView,
}

/// Names the units of a target that take notice of a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitChanges {
    /// The target.
    pub target: TargetId,
    /// Those that are restarted.
    pub restarted: BTreeSet<String>,
    /// Those that are reloaded and not restarted.
    pub reloaded: BTreeSet<String>,
}

impl UnitChanges {
    /// Returns what a target does where this artifact of it changes; nothing where that is nothing.
    pub(crate) fn new(target: TargetId, artifact: &Artifact) -> Option<Self> {
        let files = artifact.files.values().filter(|file| file.deploy);
        let (mut restarted, mut reloaded) = (BTreeSet::new(), BTreeSet::new());
        for file in files {
            restarted.extend(file.restart_units.iter().cloned());
            reloaded.extend(file.reload_units.iter().cloned());
        }
        reloaded.retain(|unit| !restarted.contains(unit));
        (!restarted.is_empty() || !reloaded.is_empty()).then_some(Self { target, restarted, reloaded })
    }
}

impl Instance {
    /// The names of its secret files, sorted.
    pub fn secret_files(&self) -> impl Iterator<Item = &Name> {
        self.artifact.files.iter().filter(|(_, file)| file.secret).map(|(name, _)| name)
    }

    /// The names of its public files, sorted.
    pub fn public_files(&self) -> impl Iterator<Item = &Name> {
        self.artifact.files.iter().filter(|(_, file)| !file.secret).map(|(name, _)| name)
    }

    /// Returns the targets to which the files of a dependency come through this instance alone: those that do not declare the
    /// dependency.
    pub fn targets_without<'a>(&'a self, dependency: &'a Self) -> impl Iterator<Item = &'a TargetId> {
        self.targets.iter().filter(|target| !dependency.targets.contains(target))
    }
}
