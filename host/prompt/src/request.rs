use artifacts_declared::{InstanceName, Name, PromptKind};

/// Describes a prompt of an instance that needs a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRequest {
    /// Instance that needs the value.
    pub instance: InstanceName,
    /// Name of the prompt.
    pub prompt: Name,
    /// Text that is shown.
    pub description: Option<String>,
    /// How the value is typed.
    pub kind: PromptKind,
    /// Whether an empty value is rejected.
    pub required: bool,
}
