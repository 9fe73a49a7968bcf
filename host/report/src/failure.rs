use std::error::Error;
use std::fmt;

use artifacts_text::Explain;

/// Describes one thing that failed, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The instance, target, backend or selector that it is about; empty if it is about all.
    pub subject: String,
    /// The backend of the subject, if it has one.
    pub backend: Option<String>,
    /// The kind of the error, if it has one: see [`Explain::kind`].
    pub kind: Option<&'static str>,
    /// What was expected and found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// The kind of what a person said no to. They know that, so it is shown as a sentence and not as an error.
    pub const DECLINED: &str = "declined";

    /// Creates a failure of one subject.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), backend: None, kind: None, message: message.into(), hint: None }
    }

    /// Creates a failure of one subject from an error that explains itself.
    pub fn about(subject: impl Into<String>, error: impl Error + Explain) -> Self {
        Self { kind: Some(error.kind()), hint: error.hint(), ..Self::new(subject, error.to_string()) }
    }

    /// Replaces the hint.
    #[must_use]
    pub fn hint<T: Into<String>>(mut self, hint: Option<T>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// Replaces the backend.
    #[must_use]
    pub fn backend(mut self, backend: impl Into<Option<String>>) -> Self {
        self.backend = backend.into();
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

impl<E: Error + Explain> From<E> for Failure {
    /// Creates a failure that is about everything.
    fn from(error: E) -> Self {
        Self::about("", error)
    }
}
