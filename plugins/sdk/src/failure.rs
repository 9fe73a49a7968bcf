use crate::Failure;

impl Failure {
    /// Of any kind. `message` is one sentence without any secret.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), hint: None }
    }

    /// The targets' configuration is wrong or incomplete.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new("config", message)
    }

    /// What lies in the slice cannot be used.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new("corrupt", message)
    }

    /// This backend does not do that.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("unsupported", message)
    }

    /// Something that should not happen.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", message)
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
