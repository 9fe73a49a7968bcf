use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Target, config};
use serde::Deserialize;

use crate::key;

/// `artifacts.config.agenix` of one target. What nixos-artifacts' own backend also has is accepted, and not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
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

/// The keys of one target, checked and without comments.
pub struct Keys {
    /// The target's own.
    pub host: Option<String>,
    /// Of its admins, or of the Home Manager user.
    pub users: BTreeSet<String>,
}

/// Reads the keys of one target.
///
/// # Errors
/// Of kind `config`, naming target and field.
pub fn keys(target: &Target) -> Result<Keys, Failure> {
    let config: Config = config(target)?;
    let host = config.public_host_key.map(|text| key::read(&text, &place(target, "publicHostKey"))).transpose()?;
    let users = config.public_user_keys.unwrap_or_default();
    let users = users
        .iter()
        .enumerate()
        .map(|(index, text)| key::read(text, &place(target, &format!("publicUserKeys[{index}]"))))
        .collect::<Result<_, _>>()?;
    Ok(Keys { host, users })
}

fn place(target: &Target, field: &str) -> String {
    format!("{} `{}`: `{field}`", target.kind, target.name)
}
