use artifacts_backend_sdk::{Failure, Target, config};
use artifacts_recipients::TargetKeys;
use serde::Deserialize;

/// `artifacts.config.agenix` of one target. What nixos-artifacts' own backend also has is accepted, and not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AgenixConfig {
    #[serde(default)]
    public_host_key: Option<String>,
    #[serde(default)]
    public_user_keys: Option<Vec<String>>,
    #[serde(default, rename = "storeDir")]
    _store_dir: Ignored,
    #[serde(default, rename = "flakeStoreDir")]
    _flake_store_dir: Ignored,
    #[serde(default, rename = "machineName")]
    _machine_name: Ignored,
    #[serde(default, rename = "username")]
    _username: Ignored,
    #[serde(default, rename = "identityPaths")]
    _identity_paths: Ignored,
}

type Ignored = serde_json::Value;

/// Reads the keys of one target.
///
/// # Errors
/// Of kind `config`, naming target and field.
pub fn keys(target: &Target) -> Result<TargetKeys, Failure> {
    let config: AgenixConfig = config(target)?;
    TargetKeys::read(target, config.public_host_key.as_deref(), &config.public_user_keys.unwrap_or_default(), Ok)
}
