use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_seam::Secret;

/// Describes a prompt of an instance that needs a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRequest {
    /// Instance that needs the value.
    pub instance: InstanceName,
    /// Name of the instance as a person reads it.
    pub shown: String,
    /// Name of the prompt.
    pub prompt: Name,
    /// Text that is shown.
    pub description: Option<String>,
    /// Value that was entered before, to be accepted or replaced.
    pub earlier: Option<Secret>,
    /// Instances without which the value is of no use: where one of them is skipped, it is not asked for.
    pub needs: BTreeSet<InstanceName>,
    /// What becomes of the value: who uses it, and for whom it is stored. A line each.
    pub details: Vec<String>,
    /// How the value is typed.
    pub kind: PromptKind,
    /// Whether an empty value is rejected.
    pub required: bool,
}
