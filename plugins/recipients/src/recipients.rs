use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, File, Instance, Recipient, Recipients, Target};

use crate::TargetKeys;

/// Returns the recipients of each file: the targets that it is deployed to and their admins; of a file that is deployed to none the
/// admins of all.
///
/// # Errors
/// The errors of `keys`; of kind `config` if a machine that has to decrypt has no key, or a file would have no
/// recipient.
pub fn for_instance(
    backend: &str,
    instance: &Instance,
    keys: impl Fn(&Target) -> Result<TargetKeys, Failure>,
) -> Result<Recipients, Failure> {
    let mut targets = Vec::new();
    for target in &instance.targets {
        supported(backend, target)?;
        targets.push((target, keys(target)?));
    }
    instance
        .files
        .iter()
        .map(|file| {
            let recipients = if file.targets.is_empty() {
                admins(&targets, &file.name)?
            } else {
                everyone(targets.iter().filter(|(target, _)| is_deployed(file, target)))?
            };
            Ok((file.name.clone(), recipients.into_iter().map(Recipient::from).collect()))
        })
        .collect()
}

fn is_deployed(file: &File, target: &Target) -> bool {
    file.targets.iter().any(|id| id.kind == target.id.kind && id.name == target.id.name)
}

fn supported(backend: &str, target: &Target) -> Result<(), Failure> {
    match target.id.kind.as_str() {
        "nixos" | "darwin" | "home-manager" => Ok(()),
        other => {
            Err(Failure::unsupported(format!("{backend} knows no target of kind `{other}` (`{}`)", target.id.name)))
        }
    }
}

fn everyone<'a>(targets: impl Iterator<Item = &'a (&'a Target, TargetKeys)>) -> Result<BTreeSet<String>, Failure> {
    let mut recipients = BTreeSet::new();
    for (target, keys) in targets {
        let user = target.id.kind == "home-manager";
        let reads = keys.host.is_some() || (user && !keys.users.is_empty());
        if !reads {
            return Err(no_key(target, user));
        }
        recipients.extend(keys.host.iter().chain(&keys.users).cloned());
    }
    Ok(recipients)
}

/// Reports a target that could not decrypt what is deployed to it.
fn no_key(target: &Target, user: bool) -> Failure {
    let (field, setting) = if user {
        ("publicUserKeys", "artifacts.recipients.NAME = builtins.readFile ./id_ed25519.pub;")
    } else {
        ("publicHostKey", "artifacts.hostKey = builtins.readFile ./ssh_host_ed25519_key.pub;")
    };
    Failure::config(format!("{} `{}` has no public key: `{field}` is not set", target.id.kind, target.id.name))
        .hint(format!("set {setting}"))
}

fn admins(targets: &[(&Target, TargetKeys)], file: &str) -> Result<BTreeSet<String>, Failure> {
    let recipients: BTreeSet<String> = targets.iter().flat_map(|(_, keys)| keys.users.iter().cloned()).collect();
    if recipients.is_empty() {
        let names: Vec<String> = targets.iter().map(|(target, _)| format!("`{}`", target.id.name)).collect();
        return Err(Failure::config(format!(
            "`{file}` has `deploy = false`, but {} declares no admin keys (`publicUserKeys`)",
            names.join(", ")
        ))
        .hint("declare an admin in `artifacts.recipients`, or remove `deploy = false`"));
    }
    Ok(recipients)
}
