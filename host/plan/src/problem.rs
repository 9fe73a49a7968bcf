use artifacts_declared::InstanceName;

/// Something wrong with the declarations of one instance; the others go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which instance.
    pub instance: InstanceName,
    /// What was expected and found.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// What it depends on and nothing declares, as far as is known: a target that was not evaluated may.
    pub undeclared: Option<Box<InstanceName>>,
}

impl Problem {
    /// Describes what was expected and found, and what to do.
    pub(crate) fn new(instance: InstanceName, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { instance, message: message.into(), hint: hint.into(), undeclared: None }
    }
}
