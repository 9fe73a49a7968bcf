use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Holds open key-value pairs for what comes later.
pub type Attrs = Vec<(String, String)>;

/// Holds what a component is told of the whole call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallContext {
    /// The time of the run, in seconds since 1970.
    pub now: u64,
}

/// Describes a machine or user that declares an instance, as the component sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// `nixos`, `home-manager` or `darwin`.
    pub kind: String,
    /// The flake's attribute.
    pub name: String,
    /// `artifacts.config.<backend>` of this target: a JSON object as text, which many instances have in common.
    pub config: Arc<str>,
    /// Open pairs; empty for now.
    pub attrs: Attrs,
}

/// Names a target, as the component sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTarget {
    /// `nixos`, `home-manager` or `darwin`.
    pub kind: String,
    /// The flake's attribute.
    pub name: String,
}

/// Describes a declared secret file. Public files never reach a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFile {
    /// A clean file name.
    pub name: String,
    /// The targets that it is deployed to, in the order of the instance's. None: it is for admins only.
    pub targets: Vec<FileTarget>,
    /// Open pairs; empty for now.
    pub attrs: Attrs,
}

/// Describes an instance, as the component sees it: without paths, modes and generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceView {
    /// `per-machine/web1/attic`: a label, not a path.
    pub name: String,
    /// The artifact's name.
    pub artifact: String,
    /// Whether several targets share it.
    pub shared: bool,
    /// Sorted by name; exactly one unless shared.
    pub targets: Vec<TargetView>,
    /// Sorted by name.
    pub files: Vec<SecretFile>,
    /// Open pairs; empty for now.
    pub attrs: Attrs,
}
