use std::error::Error;
use std::fmt;

use artifacts_text::{Comparison, Explain};

/// Holds what only some failures have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureDetails {
    /// What was found and expected, where something was compared.
    pub comparison: Comparison,
    /// The instance whose failure this is a consequence of.
    pub cause: Option<String>,
}

/// Describes one thing that failed, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The instance, target, backend or selector that it is about; empty if it is about all.
    pub subject: String,
    /// The backend of the subject, if it has one.
    pub backend: Option<String>,
    /// The kind of the error, if it has one: see [`Explain::kind`].
    pub kind: Option<&'static str>,
    /// What failed, complete without the other parts. Another program's text stands in lines that begin with `|`.
    pub message: String,
    /// What only some have. Boxed, since failures are returned everywhere.
    pub details: Box<FailureDetails>,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// The kind of what a person said no to.
    const DECLINED: &str = "declined";

    /// The kind of what none of the identities decrypts.
    pub const NO_IDENTITY: &str = "no-identity";

    /// Creates a failure of one subject.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            backend: None,
            kind: None,
            message: message.into(),
            details: Box::default(),
            hint: None,
        }
    }

    /// Creates the failure of what a person said no to. They know that, so it is shown as a sentence and not as an error.
    pub fn declined(message: impl Into<String>) -> Self {
        Self { kind: Some(Self::DECLINED), ..Self::new("", message) }
    }

    /// Returns whether a person said no to it.
    pub fn is_declined(&self) -> bool {
        self.kind == Some(Self::DECLINED)
    }

    /// Creates a failure of one subject from an error that explains itself.
    pub fn about(subject: impl Into<String>, error: impl Error + Explain) -> Self {
        let (kind, hint, comparison) = (Some(error.kind()), error.hint(), error.comparison());
        Self { kind, hint, ..Self::new(subject, error.to_string()) }.compared(comparison)
    }

    /// Adds what was found and expected.
    #[must_use]
    pub fn compared(mut self, comparison: Comparison) -> Self {
        self.details.comparison = comparison;
        self
    }

    /// Marks it as a consequence of another instance's failure.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.details.cause = Some(cause.into());
        self
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
