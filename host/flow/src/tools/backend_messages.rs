use artifacts_audit::Operation;
use artifacts_declared::Name;
use artifacts_seam::{CallError, ComponentEvent};

/// Holds what a backend wrote and was denied in one call.
pub struct BackendMessages<'a> {
    /// The backend's registered name.
    pub backend: &'a Name,
    /// The call.
    pub operation: Operation,
    /// The instances that the call was about.
    pub instances: &'a [String],
    /// Messages and output, among all that happened.
    pub events: &'a [ComponentEvent],
    /// Number of denied accesses.
    pub denials: u64,
    /// Why the call gave nothing, where the backend's own message is kept out of the report: it may contain a secret.
    pub failure: Option<&'a CallError>,
    /// Whether the backend accessed a plaintext, which its messages may contain.
    pub saw_plaintext: bool,
}
