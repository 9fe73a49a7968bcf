use serde::{Deserialize, Serialize};

/// Holds open key-value pairs for what comes later.
pub type Attrs = Vec<(String, String)>;

/// Describes a machine or user that reads an instance, as the component sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// `nixos`, `home-manager` or `darwin`.
    pub kind: String,
    /// The flake's attribute.
    pub name: String,
    /// `artifacts.config.<backend>` of this target: a JSON object as text.
    pub config: String,
    /// Open pairs; empty for now.
    pub attrs: Attrs,
}

/// Describes a declared secret file. Public files never reach a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFile {
    /// A clean file name.
    pub name: String,
    /// Whether targets may read it; otherwise admins only.
    pub deploy: bool,
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
