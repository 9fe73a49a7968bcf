use crate::{Failure, OpenError, SerializeError};

impl Failure {
    /// Creates a failure of any kind. `message` is one sentence without any secret.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), hint: None, attrs: Vec::new() }
    }

    /// Reports that the configuration of the targets is wrong or incomplete.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new("config", message)
    }

    /// Reports that a stored file cannot be used.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new("corrupt", message)
    }

    /// Reports that the backend does not support the request.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("unsupported", message)
    }

    /// Reports a bug, or an unexpected error.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", message)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Failure> for SerializeError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
