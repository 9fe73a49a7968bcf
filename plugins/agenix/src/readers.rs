use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Instance, Readers, Target};

use crate::config::{Keys, keys};

/// Who reads each file: a deployed one the targets and their admins, any other the admins only.
///
/// # Errors
/// Of kind `config`: a key is none, a machine that is to read has none, or nobody could read.
pub fn of(instance: &Instance) -> Result<Readers, Failure> {
    let mut targets = Vec::new();
    for target in &instance.targets {
        supported(target)?;
        targets.push((target, keys(target)?));
    }
    instance
        .files
        .iter()
        .map(|file| {
            let readers = if file.deploy { everyone(&targets)? } else { admins(&targets, &file.name)? };
            Ok((file.name.clone(), readers.into_iter().collect()))
        })
        .collect()
}

fn supported(target: &Target) -> Result<(), Failure> {
    match target.kind.as_str() {
        "nixos" | "darwin" | "home-manager" => Ok(()),
        other => Err(Failure::unsupported(format!("agenix knows no target of kind `{other}` (`{}`)", target.name))),
    }
}

fn everyone(targets: &[(&Target, Keys)]) -> Result<BTreeSet<String>, Failure> {
    let mut readers = BTreeSet::new();
    for (target, keys) in targets {
        let user = target.kind == "home-manager";
        let reads = keys.host.is_some() || (user && !keys.users.is_empty());
        if !reads {
            return Err(no_key(target, user));
        }
        readers.extend(keys.host.iter().chain(&keys.users).cloned());
    }
    Ok(readers)
}

/// A target that could not read what is deployed to it.
fn no_key(target: &Target, user: bool) -> Failure {
    let (field, example) = if user {
        ("publicUserKeys", "[ (builtins.readFile ./id_ed25519.pub) ]")
    } else {
        ("publicHostKey", "builtins.readFile ./ssh_host_ed25519_key.pub")
    };
    Failure::config(format!("{} `{}` has no key to read with: `{field}` is not set", target.kind, target.name))
        .hint(format!("Set artifacts.config.agenix.{field} = {example};"))
}

fn admins(targets: &[(&Target, Keys)], file: &str) -> Result<BTreeSet<String>, Failure> {
    let readers: BTreeSet<String> = targets.iter().flat_map(|(_, keys)| keys.users.iter().cloned()).collect();
    if readers.is_empty() {
        let names: Vec<String> = targets.iter().map(|(target, _)| format!("`{}`", target.name)).collect();
        return Err(Failure::config(format!(
            "`{file}` is not deployed, and there is no admin to read it: `publicUserKeys` of {} is empty",
            names.join(", ")
        ))
        .hint("Set artifacts.config.agenix.publicUserKeys, or let the file be deployed."));
    }
    Ok(readers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::of;
    use crate::fixture::{ALICE, BOB, HOST, OTHER, instance, target};

    #[test]
    fn a_deployed_file_is_for_the_machine_and_its_admins() {
        let config = format!(r#"{{"publicHostKey":"{HOST} root@web1","publicUserKeys":["{BOB}","{ALICE}","{BOB}"]}}"#);
        let readers = of(&instance(vec![target("nixos", "web1", &config)], &[("a", true), ("b", false)])).unwrap();
        let mut all = vec![HOST.to_owned(), ALICE.to_owned(), BOB.to_owned()];
        all.sort();
        assert_eq!(readers, [("a".to_owned(), all), ("b".to_owned(), vec![ALICE.to_owned(), BOB.to_owned()])]);
    }

    #[test]
    fn a_shared_instance_is_for_every_target() {
        let one = target("nixos", "web1", &format!(r#"{{"publicHostKey":"{HOST}"}}"#));
        let two = target("home-manager", "alice", &format!(r#"{{"publicUserKeys":["{ALICE}"]}}"#));
        let three = target("nixos", "web2", &format!(r#"{{"publicHostKey":"{OTHER}","publicUserKeys":["{ALICE}"]}}"#));
        let mut all = vec![HOST.to_owned(), ALICE.to_owned(), OTHER.to_owned()];
        all.sort();
        assert_eq!(of(&instance(vec![one, two, three], &[("a", true)])).unwrap(), [("a".to_owned(), all)]);
    }

    #[test]
    fn who_could_not_read_is_named() {
        let machine = target("nixos", "web1", &format!(r#"{{"publicHostKey":null,"publicUserKeys":["{ALICE}"]}}"#));
        let failure = of(&instance(vec![machine], &[("a", true)])).unwrap_err();
        assert_eq!(failure.kind, "config");
        assert!(failure.message.contains("`web1`") && failure.message.contains("publicHostKey"), "{}", failure.message);

        let failure = of(&instance(vec![target("home-manager", "alice", "{}")], &[("a", true)])).unwrap_err();
        assert_eq!(failure.kind, "config");
        assert!(failure.message.contains("publicUserKeys"), "{}", failure.message);
    }

    #[test]
    fn a_file_for_nobody_is_an_error() {
        let machine = target("nixos", "web1", &format!(r#"{{"publicHostKey":"{HOST}"}}"#));
        let failure = of(&instance(vec![machine], &[("a", true), ("b", false)])).unwrap_err();
        assert_eq!(failure.kind, "config");
        assert!(failure.message.contains("`b`") && failure.message.contains("`web1`"), "{}", failure.message);
    }

    #[test]
    fn what_nixos_artifacts_sets_is_accepted_and_a_slip_is_not() {
        let config = format!(
            r#"{{"publicHostKey":"{HOST}","storeDir":"./x","flakeStoreDir":null,"machineName":"m","username":"u","identityPaths":[]}}"#
        );
        assert!(of(&instance(vec![target("nixos", "web1", &config)], &[("a", true)])).is_ok());
        let slip = format!(r#"{{"publicHostKey":"{HOST}","publicUserKey":["{ALICE}"]}}"#);
        let failure = of(&instance(vec![target("nixos", "web1", &slip)], &[("a", true)])).unwrap_err();
        assert!(failure.message.contains("publicUserKey"), "{}", failure.message);
    }

    #[test]
    fn another_kind_of_target_is_unsupported() {
        assert_eq!(of(&instance(vec![target("toaster", "t", "{}")], &[])).unwrap_err().kind, "unsupported");
    }
}
