//! What is known of a backend before the first call.

use artifacts_contract::{Component, Grants, Persists};
use artifacts_digest::Sha256;
use artifacts_seam::Limits;

/// Holds what is known of a backend without a call.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The component's own name.
    pub component: String,
    /// The component's version.
    pub version: String,
    /// SHA-256 of the component's bytes, in hex.
    pub sha256: Sha256,
    /// Whether the component is inside the program.
    pub bundled: bool,
    /// Whether the component can read secrets back.
    pub retrieves: bool,
    /// Whether the component requests plaintext; if not, the host encrypts what it stores.
    pub requests_plaintext: bool,
    /// The effective grants.
    pub grants: Grants,
    /// How much a call may use.
    pub limits: Limits,
}

impl Terms {
    /// Returns those of a component that gets these grants and limits.
    pub fn new(component: &Component, bundled: bool, grants: Grants, limits: Limits) -> Self {
        let manifest = component.manifest();
        Self {
            component: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: component.sha256(),
            bundled,
            retrieves: component.retrieves(),
            requests_plaintext: manifest.requests.plaintext,
            grants,
            limits,
        }
    }
}

/// Returns whether a component stores its entries here and not on the target.
pub(crate) fn stores_here(component: &Component) -> bool {
    component.manifest().persists == Persists::Storage
}
