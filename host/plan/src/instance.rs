use std::collections::BTreeMap;

use artifacts_declared::{File, Generator, InstanceName, Name, Prompt, TargetKind};
use artifacts_seam as seam;

/// A target that reads an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// The flake's attribute.
    pub name: Name,
    /// What it is.
    pub kind: TargetKind,
}

impl std::fmt::Display for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.kind.as_str())
    }
}

/// One stored copy of an artifact: what all declarations of it agree on.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its name, which is its path below the storage.
    pub name: InstanceName,
    /// The backend that stores it; none while it is blocked.
    pub backend: Option<Name>,
    /// For people.
    pub description: Option<String>,
    /// It could not be evaluated yet.
    pub blocked: bool,
    /// Who reads it, sorted by name.
    pub targets: Vec<Reader>,
    /// Its files.
    pub files: BTreeMap<Name, File>,
    /// Its questions.
    pub prompts: BTreeMap<Name, Prompt>,
    /// Instances whose files its generator reads, by the artifact's name.
    pub dependencies: BTreeMap<Name, InstanceName>,
    /// Any value; a change makes it stale.
    pub validation: serde_json::Value,
    /// Seconds until it expires.
    pub max_age: Option<u64>,
    /// Seconds that its generator may take.
    pub timeout: Option<u64>,
    /// Whether its generator may use the network.
    pub network: bool,
    /// What makes it.
    pub generator: Option<Generator>,
    /// What the backend is told.
    pub told: seam::InstanceView,
}

impl Instance {
    /// The names of its secret files, sorted.
    pub fn secret_files(&self) -> impl Iterator<Item = &Name> {
        self.files.iter().filter(|(_, file)| file.secret).map(|(name, _)| name)
    }

    /// The names of its public files, sorted.
    pub fn public_files(&self) -> impl Iterator<Item = &Name> {
        self.files.iter().filter(|(_, file)| !file.secret).map(|(name, _)| name)
    }
}
