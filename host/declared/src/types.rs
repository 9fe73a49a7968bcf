use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::{Dependencies, Name, RecipientName, Shared, absolute};

/// The version of the spec that this host reads.
pub const SCHEMA: u64 = 1;

/// What Nix evaluated: the registry and every target's declarations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Always [`SCHEMA`].
    pub schema: u64,
    /// Where the flake's `artifacts.root` is in the Nix store or on disk; `None` means the spec's own directory.
    #[serde(default)]
    pub root: Option<PathBuf>,
    /// Registered backends by name; bundled ones need no entry.
    #[serde(default)]
    pub backends: BTreeMap<Name, Registration>,
    /// Machines and users.
    pub targets: Vec<Target>,
    /// Machines and users that failed to evaluate: what they declare is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unevaluated: Vec<UnevaluatedTarget>,
}

impl Spec {
    /// Creates one that declares nothing.
    pub fn empty() -> Self {
        Self { schema: SCHEMA, root: None, backends: BTreeMap::new(), targets: Vec::new(), unevaluated: Vec::new() }
    }
}

/// A target that failed to evaluate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnevaluatedTarget {
    /// Machine or user.
    pub kind: TargetKind,
    /// The flake's attribute.
    pub name: Name,
    /// What its configuration says that it is called, where that differs; it may have stored entries under this name as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_itself_for: Option<Name>,
    /// The evaluator's message.
    pub error: String,
}

/// An entry of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Where its component is.
    pub component: ComponentSource,
    /// Expected SHA-256 of the component, in hex.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Directory below the root that holds its entries.
    #[serde(default = "default_storage")]
    pub storage: String,
    /// What it may do.
    #[serde(default)]
    pub grants: serde_json::Map<String, serde_json::Value>,
    /// How much it may use.
    #[serde(default)]
    pub limits: serde_json::Map<String, serde_json::Value>,
}

/// The storage of a backend that names none.
pub const DEFAULT_STORAGE: &str = "secrets";

fn default_storage() -> String {
    DEFAULT_STORAGE.to_owned()
}

/// Where a component is: `builtin:agenix`, a path, or a path with the derivation that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ComponentSource {
    /// `builtin:<name>` or a path.
    Plain(String),
    /// A store path and its derivation, realised only when needed.
    Derived {
        /// The store path.
        #[schemars(regex(pattern = "^/"))]
        path: PathBuf,
        /// Its `.drv`.
        #[schemars(regex(pattern = "^/"))]
        drv: PathBuf,
    },
}

/// Read by hand: an untagged enum would take unknown fields without a word.
impl<'de> Deserialize<'de> for ComponentSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsComponent)
    }
}

struct AsComponent;

#[derive(Deserialize)]
struct Derived {
    #[serde(deserialize_with = "absolute::path")]
    path: PathBuf,
    #[serde(deserialize_with = "absolute::path")]
    drv: PathBuf,
}

impl<'de> Visitor<'de> for AsComponent {
    type Value = ComponentSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`builtin:<name>`, a path, or an object with `path` and `drv`")
    }

    fn visit_str<E>(self, text: &str) -> Result<ComponentSource, E> {
        Ok(ComponentSource::Plain(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ComponentSource, A::Error> {
        let Derived { path, drv } = Derived::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ComponentSource::Derived { path, drv })
    }
}

/// One machine or user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Machine or user.
    pub kind: TargetKind,
    /// The flake's attribute.
    pub name: Name,
    /// Its Nix system.
    #[serde(default)]
    pub system: Option<String>,
    /// `artifacts.hostKey`: its own public key.
    #[serde(default)]
    pub host_key: Option<String>,
    /// `artifacts.recipients`: the public keys of the admins, by name.
    #[serde(default)]
    pub recipients: BTreeMap<RecipientName, String>,
    /// `artifacts.config`: by backend.
    #[serde(default)]
    pub config: BTreeMap<String, serde_json::Value>,
    /// `artifacts.store`.
    #[serde(default)]
    pub artifacts: BTreeMap<Name, Shared<Artifact>>,
}

impl Target {
    /// Returns its kind and name.
    pub fn id(&self) -> TargetId {
        TargetId { kind: self.kind, name: self.name.clone() }
    }
}

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A NixOS machine.
    Nixos,
    /// A user.
    HomeManager,
    /// A macOS machine.
    Darwin,
}

impl TargetKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nixos, Self::HomeManager, Self::Darwin];

    /// Its word in the spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nixos => "nixos",
            Self::HomeManager => "home-manager",
            Self::Darwin => "darwin",
        }
    }
}

/// Identifies a target by its kind and its attribute in the flake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetId {
    /// Machine or user.
    pub kind: TargetKind,
    /// The flake's attribute.
    pub name: Name,
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.kind.as_str())
    }
}

/// Holds a length of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Seconds> for Duration {
    fn from(Seconds(seconds): Seconds) -> Self {
        Self::from_secs(seconds)
    }
}

/// A declared artifact.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether all targets that declare it have one copy.
    #[serde(default)]
    pub shared: bool,
    /// The backend's name; absent only when blocked.
    #[serde(default)]
    pub backend: Option<Name>,
    /// Names of its admins, some of the target's `recipients`; absent for all.
    #[serde(default)]
    pub recipients: Option<Vec<RecipientName>>,
    /// Settings of backends for this artifact: each takes the place of the target's as a whole.
    #[serde(default)]
    pub backend_config: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    /// It could not be evaluated yet: it reads a public value that is not made.
    #[serde(default)]
    pub blocked: bool,
    /// Its files.
    #[serde(default)]
    pub files: BTreeMap<Name, DeclaredFile>,
    /// What is asked before it is made.
    #[serde(default)]
    pub prompts: BTreeMap<Name, Prompt>,
    /// Artifacts whose files its generator reads.
    #[serde(default)]
    pub dependencies: Dependencies,
    /// Any value; a change makes the instance stale.
    #[serde(default)]
    pub validation: serde_json::Value,
    /// Seconds until it expires.
    #[serde(default)]
    pub max_age: Option<Seconds>,
    /// Who may replace its value: a command that means many, or only one that names the instance in full.
    #[serde(default)]
    pub rotation: Rotation,
    /// Seconds that its generator may take.
    #[serde(default)]
    pub timeout: Option<Seconds>,
    /// Whether its generator may use the network.
    #[serde(default)]
    pub network: bool,
    /// What makes its files; without it a person types them.
    #[serde(default)]
    pub generator: Option<Generator>,
}

/// How a value is replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// By any command that means it.
    #[default]
    Automatic,
    /// By hand: more is to be done than to replace it, and only a command that names it in full replaces it.
    Manual,
}

/// A declared file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredFile {
    /// False makes it public.
    #[serde(default = "yes")]
    pub secret: bool,
    /// False keeps it from the target. The targets of a shared artifact may differ in it.
    #[serde(default = "yes")]
    pub deploy: bool,
    /// Where the target finds it.
    #[serde(default)]
    pub path: Option<String>,
    /// Its mode there, as octal text.
    #[serde(default)]
    pub mode: Option<String>,
    /// Its owner there.
    #[serde(default)]
    pub owner: Option<String>,
    /// Its group there.
    #[serde(default)]
    pub group: Option<String>,
    /// The units that are restarted there when its content changes.
    #[serde(default)]
    pub restart_units: Vec<String>,
    /// The units that are reloaded there when its content changes.
    #[serde(default)]
    pub reload_units: Vec<String>,
}

fn yes() -> bool {
    true
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    /// What the person is asked for.
    #[serde(default)]
    pub description: Option<String>,
    /// How it is asked.
    #[serde(default, rename = "type")]
    pub kind: PromptKind,
    /// The value on test machines.
    #[serde(default)]
    pub test_value: Option<String>,
    /// Whether an empty answer is rejected; by default that of a hidden prompt is.
    #[serde(default)]
    pub required: Option<bool>,
}

impl Prompt {
    /// Returns whether an empty answer is rejected: what is typed blind is empty by mistake.
    pub fn is_required(&self) -> bool {
        self.required.unwrap_or_else(|| self.kind.is_hidden())
    }
}

/// How a question is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptKind {
    /// Not shown, asked twice.
    #[default]
    Hidden,
    /// Shown, one line.
    Line,
    /// Shown, until end of input.
    Multiline,
    /// Not shown, until end of input.
    MultilineHidden,
}

impl PromptKind {
    /// Returns whether what is typed is not shown.
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::Hidden | Self::MultilineHidden)
    }
}

/// What makes an artifact's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Generator {
    /// An executable, or a directory with one `bin/*`.
    #[serde(deserialize_with = "absolute::path")]
    #[schemars(regex(pattern = "^/"))]
    pub path: PathBuf,
    /// The derivation that makes it, realised only when needed.
    #[serde(default, deserialize_with = "absolute::optional")]
    #[schemars(regex(pattern = "^/"))]
    pub drv: Option<PathBuf>,
    /// The system it runs on.
    #[serde(default)]
    pub system: Option<String>,
}
