use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::TargetId;
use serde::Deserialize;

/// Holds one configuration of a flake, as far as other tools have to do with it.
#[derive(Debug, Clone)]
pub struct ForeignConfiguration {
    /// The target that it is.
    pub id: TargetId,
    /// What Nix evaluated.
    pub data: ForeignData,
}

/// Holds what Nix evaluated: see `nix/lib/foreign.nix`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ForeignData {
    /// Whether it imports our modules.
    pub has_artifacts: bool,
    /// `artifacts.root`, as Nix has it.
    pub root: Option<String>,
    /// `artifacts.default.backend`.
    pub backend: Option<String>,
    /// `artifacts.config.sops-nix.format`.
    pub format: Option<String>,
    /// `artifacts.hostKey`.
    pub host_key: Option<String>,
    /// `artifacts.recipients`.
    pub recipients: BTreeMap<String, String>,
    /// `artifacts.store`, by name.
    pub declared: BTreeMap<String, DeclaredNames>,
    /// `age.secrets` without our own.
    pub agenix: BTreeMap<String, AgenixOption>,
    /// `age.rekey`.
    pub rekey: RekeyOptions,
    /// `sops.secrets` without our own.
    pub sops: BTreeMap<String, SopsOption>,
    /// Names of `sops.templates`.
    pub templates: Vec<String>,
    /// `clan.core.vars.generators`.
    pub clan: BTreeMap<String, ClanGenerator>,
}

/// Holds what is declared of an artifact, for a comparison of names.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DeclaredNames {
    /// Whether all targets have one copy.
    pub shared: bool,
    /// Names of its files.
    pub files: BTreeSet<String>,
}

/// Holds `age.secrets.<name>`. What does not evaluate is absent and listed.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct AgenixOption {
    /// Fields that do not evaluate.
    pub failed: Vec<String>,
    /// `file`.
    pub file: Option<String>,
    /// `rekeyFile`, of agenix-rekey.
    pub rekey_file: Option<String>,
    /// Whether it stays off the target.
    pub intermediary: bool,
    /// Whether it has a generator.
    pub generator: bool,
    /// Absent where it is agenix' default.
    pub path: Option<String>,
    /// `mode`.
    pub mode: Option<String>,
    /// `owner`.
    pub owner: Option<String>,
    /// `group`.
    pub group: Option<String>,
    /// `symlink`.
    pub symlink: Option<bool>,
}

impl AgenixOption {
    /// Returns whether it is a secret of agenix-rekey, which has a source.
    pub(crate) fn is_of_rekey(&self) -> bool {
        self.rekey_file.is_some() || self.intermediary
    }
}

/// Holds `age.rekey`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RekeyOptions {
    /// `hostPubkey`.
    pub host_key: Option<String>,
    /// Public keys of the master identities.
    pub masters: Vec<String>,
    /// `extraEncryptionPubkeys`.
    pub others: Vec<String>,
}

/// Holds `sops.secrets.<name>`. What does not evaluate is absent and listed.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SopsOption {
    /// Fields that do not evaluate.
    pub failed: Vec<String>,
    /// `sopsFile`.
    pub sops_file: Option<String>,
    /// `key`.
    pub key: Option<String>,
    /// `format`.
    pub format: Option<String>,
    /// Absent where it is sops-nix' default.
    pub path: Option<String>,
    /// `mode`.
    pub mode: Option<String>,
    /// `owner`.
    pub owner: Option<String>,
    /// `uid`.
    pub uid: Option<i64>,
    /// `group`.
    pub group: Option<String>,
    /// `gid`.
    pub gid: Option<i64>,
    /// `neededForUsers`.
    pub needed_for_users: bool,
    /// `restartUnits`.
    pub restart_units: Vec<String>,
    /// `reloadUnits`.
    pub reload_units: Vec<String>,
}

/// Holds `clan.core.vars.generators.<name>`.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ClanGenerator {
    /// Whether machines share it.
    pub share: bool,
    /// Its files.
    pub files: BTreeMap<String, ClanFile>,
}

/// Holds a file of a generator of clan.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ClanFile {
    /// Fields that do not evaluate.
    pub failed: Vec<String>,
    /// `secret`.
    pub secret: Option<bool>,
    /// `deploy`.
    pub deploy: Option<bool>,
    /// `mode`.
    pub mode: Option<String>,
    /// `owner`.
    pub owner: Option<String>,
    /// `group`.
    pub group: Option<String>,
    /// `neededFor`.
    pub needed_for: Option<String>,
    /// `restartUnits`.
    pub restart_units: Vec<String>,
}
