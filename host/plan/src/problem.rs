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
}
