//! What is known of a backend before the first call.

use std::sync::Arc;

use artifacts_contract::{Component, ConfigSchema, Grants, Persists, raised_limits};
use artifacts_digest::Sha256;
use artifacts_seam::Limits;

/// What a backend may do, and how much it may use.
#[derive(Debug, Clone)]
pub struct EffectiveGrants {
    /// The effective grants.
    pub grants: Grants,
    /// The limits.
    pub limits: Limits,
    /// Whether it is trusted as the program is, since it is inside of it: it gets what it requests.
    pub bundled: bool,
}

impl EffectiveGrants {
    /// Returns whether the admin has to accept them: what is inside the program needs no consent, and nor does a component without
    /// grants that stays within the default limits.
    pub fn need_consent(&self) -> bool {
        !self.bundled && (!self.grants.is_empty() || !raised_limits(&self.limits).is_empty())
    }
}

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
    /// What it takes as the configuration of a target.
    pub config: Arc<ConfigSchema>,
}

impl Terms {
    /// Returns those of a component that gets these rights.
    pub fn new(component: &Component, rights: EffectiveGrants) -> Self {
        let manifest = component.manifest();
        let EffectiveGrants { grants, limits, bundled } = rights;
        Self {
            component: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: component.sha256(),
            bundled,
            retrieves: component.retrieves(),
            requests_plaintext: manifest.requests.plaintext,
            grants,
            limits,
            config: Arc::clone(component.config()),
        }
    }
}

#[cfg(test)]
impl Terms {
    /// Returns those of a bundled backend that nothing was granted.
    pub(super) fn for_tests() -> Self {
        #![allow(clippy::unwrap_used)]
        Self {
            component: "fake".to_owned(),
            version: "1.0.0".to_owned(),
            sha256: Sha256::digest("component"),
            bundled: true,
            retrieves: true,
            requests_plaintext: false,
            grants: Grants::default(),
            limits: Limits::default(),
            config: Arc::new(ConfigSchema::new(&serde_json::Map::new()).unwrap()),
        }
    }
}

/// Returns whether a component stores its entries here and not on the target.
pub(crate) fn stores_here(component: &Component) -> bool {
    component.manifest().persists == Persists::Storage
}
