use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Instance, Recipients, Target};

use crate::TargetKeys;

/// Who reads each file: a deployed one the targets and their admins, any other the admins only.
///
/// # Errors
/// Whatever `keys` gives; of kind `config` when a machine that is to read has no key, or nobody could read.
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
            let recipients =
                if file.deploy { everyone(backend, &targets)? } else { admins(backend, &targets, &file.name)? };
            Ok((file.name.clone(), recipients.into_iter().collect()))
        })
        .collect()
}

fn supported(backend: &str, target: &Target) -> Result<(), Failure> {
    match target.kind.as_str() {
        "nixos" | "darwin" | "home-manager" => Ok(()),
        other => Err(Failure::unsupported(format!("{backend} knows no target of kind `{other}` (`{}`)", target.name))),
    }
}

fn everyone(backend: &str, targets: &[(&Target, TargetKeys)]) -> Result<BTreeSet<String>, Failure> {
    let mut recipients = BTreeSet::new();
    for (target, keys) in targets {
        let user = target.kind == "home-manager";
        let reads = keys.host.is_some() || (user && !keys.users.is_empty());
        if !reads {
            return Err(no_key(backend, target, user));
        }
        recipients.extend(keys.host.iter().chain(&keys.users).cloned());
    }
    Ok(recipients)
}

/// A target that could not read what is deployed to it.
fn no_key(backend: &str, target: &Target, user: bool) -> Failure {
    let (field, example) = if user {
        ("publicUserKeys", "[ (builtins.readFile ./id_ed25519.pub) ]")
    } else {
        ("publicHostKey", "builtins.readFile ./ssh_host_ed25519_key.pub")
    };
    Failure::config(format!("{} `{}` has no key to read with: `{field}` is not set", target.kind, target.name))
        .hint(format!("Set artifacts.config.{backend}.{field} = {example};"))
}

fn admins(backend: &str, targets: &[(&Target, TargetKeys)], file: &str) -> Result<BTreeSet<String>, Failure> {
    let recipients: BTreeSet<String> = targets.iter().flat_map(|(_, keys)| keys.users.iter().cloned()).collect();
    if recipients.is_empty() {
        let names: Vec<String> = targets.iter().map(|(target, _)| format!("`{}`", target.name)).collect();
        return Err(Failure::config(format!(
            "`{file}` is not deployed, and there is no admin to read it: `publicUserKeys` of {} is empty",
            names.join(", ")
        ))
        .hint(format!("Set artifacts.config.{backend}.publicUserKeys, or let the file be deployed.")));
    }
    Ok(recipients)
}
