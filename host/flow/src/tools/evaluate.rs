//! The declarations, and what only their evaluator can tell of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifacts_declared::{InstanceName, Spec};
use artifacts_generate::StorePath;
use artifacts_plan::TargetName;
use artifacts_report::Failure;

/// Evaluates the declarations. The real one is Nix, or a file.
pub trait Evaluate {
    /// Returns what is declared now.
    ///
    /// # Errors
    /// When nothing of it can be evaluated.
    fn evaluate(&mut self) -> Result<Declared, Failure>;

    /// Returns why each of these instances is blocked, in the evaluator's own words; nothing where it does not tell.
    fn why_blocked(&self, spec: &Spec, names: &[InstanceName]) -> BTreeMap<InstanceName, String>;

    /// Returns the Nix store that a path is in, by its name. Nothing is written there, and a path tells its content.
    fn store_of(&self, path: &Path) -> Option<StorePath>;
}

/// Holds what one evaluation gave.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The declarations of the targets that evaluated.
    pub spec: Spec,
    /// The checkout that holds the storages.
    pub root: PathBuf,
    /// Targets that failed to evaluate and configuration errors, each with the instances that have it; none when it is the
    /// target's.
    pub failures: Vec<(Vec<InstanceName>, Failure)>,
    /// Targets that failed to evaluate: what they declare is unknown.
    pub unevaluated: Vec<TargetName>,
    /// Targets that were not evaluated since nothing asked for them: what they declare is unknown.
    pub unseen: Vec<TargetName>,
    /// The system for which generators are declared, such as `x86_64-linux`.
    pub system: Option<String>,
}
