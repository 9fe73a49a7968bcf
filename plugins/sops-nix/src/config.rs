use std::collections::{BTreeMap, BTreeSet};

use artifacts_backend_sdk::{Failure, Instance, Recipient, Recipients, Target, config};
use artifacts_recipients::TargetKeys;
use serde::Deserialize;
use sops_format::{Form, recipient_of_ssh};

/// Represents `artifacts.config.sops-nix` of one target.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SopsNixConfig {
    #[serde(default)]
    public_host_key: Option<String>,
    #[serde(default)]
    public_user_keys: Option<Vec<String>>,
    #[serde(default)]
    format: Option<StorageFormat>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum StorageFormat {
    Binary,
    Json,
    Yaml,
}

/// Returns the layout that a target asks for.
///
/// # Errors
/// Of kind `config`, naming target and field.
pub fn form(target: &Target) -> Result<Form, Failure> {
    let config: SopsNixConfig = config(target)?;
    Ok(match config.format {
        None | Some(StorageFormat::Binary) => Form::Binary,
        Some(StorageFormat::Json) => Form::Json,
        Some(StorageFormat::Yaml) => Form::Yaml,
    })
}

/// Returns the recipients of each file.
///
/// # Errors
/// Of kind `config`: a key is invalid, a machine that has to decrypt has none, or a file would have no recipient.
pub fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
    artifacts_recipients::for_instance("sops-nix", instance, keys)
}

/// Returns the keys that each file has a stanza for: its recipients, and behind each of them the ssh-ed25519 keys that it was converted
/// from. The target reads the converted form, and plain `sops` with `~/.ssh/id_ed25519` the other one.
///
/// # Errors
/// As [`recipients`].
pub fn stanzas(instance: &Instance) -> Result<Recipients, Failure> {
    let mut forms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for target in &instance.targets {
        let keys = read(target, Ok)?;
        for key in keys.host.into_iter().chain(keys.users).filter(|key| is_converted(key)) {
            forms.entry(recipient(key.clone())?).or_default().insert(key);
        }
    }
    let both = |recipient: Recipient| {
        let forms = forms.get(&recipient.key).into_iter().flatten().cloned().map(Recipient::from);
        [recipient].into_iter().chain(forms).collect::<Vec<_>>()
    };
    let of_file =
        |(file, recipients): (String, Vec<Recipient>)| (file, recipients.into_iter().flat_map(both).collect());
    Ok(recipients(instance)?.into_iter().map(of_file).collect())
}

fn read(target: &Target, convert: impl Fn(String) -> Result<String, Failure>) -> Result<TargetKeys, Failure> {
    let config: SopsNixConfig = config(target)?;
    let users = config.public_user_keys.unwrap_or_default();
    TargetKeys::read(target, config.public_host_key.as_deref(), &users, convert)
}

fn keys(target: &Target) -> Result<TargetKeys, Failure> {
    let keys = read(target, recipient)?;
    let user = target.id.kind == "home-manager";
    let on_target = keys.host.iter().chain(keys.users.iter().filter(|_| user));
    match on_target.clone().find(|key| is_rsa(key)) {
        Some(_) if !on_target.clone().any(|key| !is_rsa(key)) => Err(useless(target)),
        _ => Ok(keys),
    }
}

/// Converts a key to a recipient: sops-nix converts the target's ssh-ed25519 key to an age key, so values are
/// encrypted to that one. An ssh-rsa key is kept: it belongs to an admin, whose sops can use it.
fn recipient(key: String) -> Result<String, Failure> {
    if !is_converted(&key) {
        return Ok(key);
    }
    recipient_of_ssh(&key).map_err(|error| {
        Failure::config(format!("cannot be converted to an age key: {error}")).hint("copy the public key again, whole")
    })
}

fn is_converted(key: &str) -> bool {
    key.starts_with("ssh-ed25519 ")
}

fn is_rsa(key: &str) -> bool {
    key.starts_with("ssh-rsa ")
}

fn useless(target: &Target) -> Failure {
    Failure::config(format!(
        "{} `{}` has no key that sops-nix can read with: an ssh-rsa key cannot be converted to age",
        target.id.kind, target.id.name
    ))
    .hint("use an ssh-ed25519 key (on a machine: /etc/ssh/ssh_host_ed25519_key.pub) or an age recipient")
}
