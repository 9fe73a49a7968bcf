use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use artifacts_declared::{InstanceName, Name, TargetId};

use crate::ForeignConfiguration;
use crate::found::{FoundForm, Placement, Tool};

/// Says where the value of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundValue {
    /// The other tool's file, below the root.
    pub path: PathBuf,
    /// How it is stored there.
    pub form: FoundForm,
}

/// Holds what a target has of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedFile {
    /// Its name in the other tool.
    pub old: String,
    /// Its key or file there.
    pub key: String,
    /// Where and how.
    pub placement: Placement,
}

/// Holds an artifact that takes the place of secrets of another tool.
#[derive(Debug, Clone)]
pub struct ProposedArtifact {
    /// Its name.
    pub name: Name,
    /// Whether all its targets have one copy.
    pub is_shared: bool,
    /// The tool whose it is now.
    pub tool: Tool,
    /// Format of the backend sops-nix.
    pub format: &'static str,
    /// The value of each file.
    pub values: BTreeMap<Name, FoundValue>,
    /// What each target has of it.
    pub uses: BTreeMap<TargetId, BTreeMap<Name, ProposedFile>>,
    /// Names of its admins; none for all.
    pub recipients: Option<BTreeSet<String>>,
    /// Targets that declare it already.
    pub declared: BTreeSet<TargetId>,
    /// Targets where something else has its name.
    pub in_the_way: BTreeSet<TargetId>,
}

impl ProposedArtifact {
    /// Creates one without files.
    pub(crate) fn new(name: Name, is_shared: bool, tool: Tool) -> Self {
        Self {
            name,
            is_shared,
            tool,
            format: "binary",
            values: BTreeMap::new(),
            uses: BTreeMap::new(),
            recipients: None,
            declared: BTreeSet::new(),
            in_the_way: BTreeSet::new(),
        }
    }

    /// Returns the bundled backend that stores files as they are now.
    pub fn backend(&self) -> &'static str {
        let is_sops = |value: &FoundValue| !matches!(value.form, FoundForm::Age | FoundForm::Plain);
        let by_form = |value: &FoundValue| if is_sops(value) { "sops-nix" } else { "agenix" };
        let secret = self.values.values().find(|value| value.form != FoundForm::Plain);
        secret.map_or("agenix", by_form)
    }

    /// Returns the instance that a target has of it.
    pub fn instance(&self, target: &TargetId) -> InstanceName {
        if self.is_shared {
            InstanceName::Shared { artifact: self.name.clone() }
        } else {
            InstanceName::new(target.kind, target.name.clone(), self.name.clone())
        }
    }

    /// Returns the instances that its targets have of it.
    pub(crate) fn instances(&self) -> BTreeSet<InstanceName> {
        self.uses.keys().map(|target| self.instance(target)).collect()
    }

    /// Returns whether all its targets declare it.
    pub(crate) fn is_declared(&self) -> bool {
        self.uses.keys().all(|target| self.declared.contains(target))
    }

    /// Returns whether it takes the place of a target's secret of this name.
    pub(crate) fn has(&self, target: &TargetId, old: &str) -> bool {
        self.uses.get(target).is_some_and(|files| files.values().any(|file| file.old == old))
    }

    /// Finds the targets that declare it, and those where something else has its name.
    pub(crate) fn compare(&mut self, configurations: &[ForeignConfiguration]) {
        for configuration in configurations.iter().filter(|one| self.uses.contains_key(&one.id)) {
            let Some(found) = configuration.data.declared.get(self.name.as_str()) else { continue };
            let has_all = self.values.keys().all(|file| found.files.contains(file.as_str()));
            let is_it = has_all && found.shared == self.is_shared;
            let targets = if is_it { &mut self.declared } else { &mut self.in_the_way };
            targets.insert(configuration.id.clone());
        }
    }
}
