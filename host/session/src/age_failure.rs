use artifacts_seam::{BackendFailure, FailureKind};
use artifacts_text::Explain;

/// Returns what a component is told of an error of age.
pub(crate) fn age_failure(kind: FailureKind, error: &artifacts_age::Error) -> BackendFailure {
    BackendFailure { kind, message: error.to_string(), hint: error.hint() }
}
