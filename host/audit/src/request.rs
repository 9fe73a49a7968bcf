//! What is asked of a backend.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Describes what is asked of a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallRequest {
    /// The backend's name in the registry.
    pub backend: String,
    /// The version that its component declares; none in records of schema 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is part of the program; none in records of schema 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundled: Option<bool>,
    /// SHA-256 of the component.
    pub sha256: String,
    /// What is asked.
    pub operation: Operation,
    /// The instances that it is asked about.
    pub instances: Vec<String>,
    /// The effective grants.
    pub grants: Value,
}

/// Names what is asked of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Recipients and states.
    Check,
    /// A new entry.
    Serialize,
    /// Secrets back.
    Retrieve,
    /// The age plugins of identities are run, for what a backend could not have decrypted without.
    AskPlugins,
}
