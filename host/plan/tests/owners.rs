//! What no one owns, and what may have an owner that cannot be determined.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use artifacts_declared::TargetKind::{HomeManager, Nixos};
use artifacts_declared::{InstanceName, TargetKind};
use artifacts_plan::{EntryOwners, Owner};
use serde_json::json;

fn owners(unknown: &[(TargetKind, &str)]) -> EntryOwners {
    let artifact = |shared: bool| json!({"backend": "agenix", "shared": shared, "files": {"f": {}}});
    let spec = json!({"schema": 1, "targets": [
        {"kind": "nixos", "name": "web1", "artifacts": {"own": artifact(false), "all": artifact(true), "waits": {"blocked": true}}},
        {"kind": "home-manager", "name": "alice", "artifacts": {"own": artifact(false)}},
    ]});
    let spec = artifacts_declared::parse(&spec.to_string()).unwrap();
    EntryOwners::new(&spec, unknown.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect())
}

fn owner(owners: &EntryOwners, name: &str) -> Option<Owner> {
    owners.owner(&name.parse::<InstanceName>().unwrap())
}

#[test]
fn what_is_declared_is_owned_and_nothing_else() {
    let owners = owners(&[]);
    for name in ["per-machine/web1/own", "shared/all", "per-user/alice/own"] {
        assert_eq!(owner(&owners, name), Some(Owner::Declared), "{name}");
    }
    for name in ["per-machine/web1/all", "shared/own", "per-user/web1/own", "per-machine/web2/own"] {
        assert_eq!(owner(&owners, name), None, "{name}");
    }
}

#[test]
fn what_is_blocked_does_not_say_whether_it_is_shared_and_owns_both() {
    let owners = owners(&[]);
    assert_eq!(owner(&owners, "per-machine/web1/waits"), Some(Owner::Declared));
    assert_eq!(owner(&owners, "shared/waits"), Some(Owner::Declared));
}

#[test]
fn a_target_that_did_not_evaluate_may_own_its_own_what_is_inside_it_and_whatever_is_shared() {
    // A container names itself: any name may be that of one inside `web2`, but that of a target that evaluated.
    let machine = owners(&[(Nixos, "web2")]);
    for name in ["per-machine/web2/x", "per-machine/db/x", "per-user/bob@web2/x", "per-user/bob@db/x", "shared/x"] {
        assert!(matches!(owner(&machine, name), Some(Owner::Unknown(_))), "{name}");
    }
    for name in ["per-machine/web1/x", "per-user/alice/x", "per-user/web2/x"] {
        assert_eq!(owner(&machine, name), None, "{name}");
    }
    let user = owners(&[(HomeManager, "bob")]);
    for name in ["per-user/bob/x", "shared/x"] {
        assert!(matches!(owner(&user, name), Some(Owner::Unknown(_))), "{name}");
    }
    for name in ["per-user/carol/x", "per-user/bob@web2/x", "per-machine/bob/x"] {
        assert_eq!(owner(&user, name), None, "{name}");
    }
}

#[test]
fn the_target_that_an_entry_is_named_after_is_named_first() {
    let both = owners(&[(Nixos, "web2"), (Nixos, "web3")]);
    let of = |name: &str| owner(&both, name);
    assert_eq!(of("per-machine/web3/x"), Some(Owner::Unknown((Nixos, "web3".to_owned()))));
    assert_eq!(of("per-machine/db/x"), Some(Owner::Unknown((Nixos, "web2".to_owned()))));
}
