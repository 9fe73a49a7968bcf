use serde::{Deserialize, Serialize};

use crate::FailureKind;

/// Describes a failure that the component itself reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendFailure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}
