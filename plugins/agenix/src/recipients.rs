use artifacts_backend_sdk::{Failure, Instance, Recipients};

use crate::config::keys;

/// Who reads each file: a deployed one the targets and their admins, any other the admins only.
///
/// # Errors
/// Of kind `config`: a key is none, a machine that is to read has none, or nobody could read.
pub fn of(instance: &Instance) -> Result<Recipients, Failure> {
    artifacts_recipients::for_instance("agenix", instance, keys)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::of;
    use artifacts_recipients::fixture::{ALICE, BOB, HOST, OTHER, instance, keys, target};

    #[test]
    fn a_deployed_file_is_for_the_machine_and_its_admins() {
        let config = format!(r#"{{"publicHostKey":"{HOST} root@web1","publicUserKeys":["{BOB}","{ALICE}","{BOB}"]}}"#);
        let recipients =
            keys(of(&instance(vec![target("nixos", "web1", &config)], &[("a", true), ("b", false)])).unwrap());
        let mut all = vec![HOST.to_owned(), ALICE.to_owned(), BOB.to_owned()];
        all.sort();
        assert_eq!(recipients, [("a".to_owned(), all), ("b".to_owned(), vec![ALICE.to_owned(), BOB.to_owned()])]);
    }

    #[test]
    fn a_shared_instance_is_for_every_target() {
        let one = target("nixos", "web1", &format!(r#"{{"publicHostKey":"{HOST}"}}"#));
        let two = target("home-manager", "alice", &format!(r#"{{"publicUserKeys":["{ALICE}"]}}"#));
        let three = target("nixos", "web2", &format!(r#"{{"publicHostKey":"{OTHER}","publicUserKeys":["{ALICE}"]}}"#));
        let mut all = vec![HOST.to_owned(), ALICE.to_owned(), OTHER.to_owned()];
        all.sort();
        assert_eq!(keys(of(&instance(vec![one, two, three], &[("a", true)])).unwrap()), [("a".to_owned(), all)]);
    }

    #[test]
    fn a_file_is_for_the_targets_that_it_is_deployed_to() {
        let one = target("nixos", "web1", &format!(r#"{{"publicHostKey":"{HOST}","publicUserKeys":["{ALICE}"]}}"#));
        let two = target("nixos", "web2", &format!(r#"{{"publicHostKey":"{OTHER}","publicUserKeys":["{BOB}"]}}"#));
        let mut shared = instance(vec![one, two], &[("a", true)]);
        shared.files[0].targets.remove(1);
        let mut first = vec![HOST.to_owned(), ALICE.to_owned()];
        first.sort();
        assert_eq!(keys(of(&shared).unwrap()), [("a".to_owned(), first)]);
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
