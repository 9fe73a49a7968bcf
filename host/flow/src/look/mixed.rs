//! age's rule against mixing: who encrypts a file to a post-quantum recipient encrypts it to no other kind.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Recipients;
use artifacts_seam::KeyKind;
use artifacts_text::listed_up_to;

use crate::declared_keys::DeclaredKeys;

/// Recipients of each kind that are named.
const NAMED: usize = 5;

/// Why one of these files cannot be encrypted to all of its recipients at once, and what to do. `claimed` is whose they are by the word
/// of the backend, by key.
pub fn mixed(
    keys: &DeclaredKeys,
    recipients: &Recipients,
    claimed: &BTreeMap<String, String>,
) -> Option<(String, String)> {
    let (file, post_quantum, others) = recipients.iter().find_map(|(file, of_file)| {
        let (post_quantum, others) = (of_kind(of_file, true), of_kind(of_file, false));
        (!post_quantum.is_empty() && !others.is_empty()).then_some((file, post_quantum, others))
    })?;
    let name = |key: &&String| keys.name(key, claimed.get(*key));
    let named = |some: &[&String]| listed_up_to(&some.iter().map(name).collect::<Vec<_>>(), NAMED);
    let (post_quantum, others) = (named(&post_quantum), named(&others));
    Some((
        format!("`{file}`: age does not encrypt one file to post-quantum recipients ({post_quantum}) and others ({others})"),
        "give each of them a post-quantum key (`artifacts keygen --pq`), or none; sops-nix encrypts to each alone and may have both"
            .to_owned(),
    ))
}

fn of_kind(recipients: &BTreeSet<String>, post_quantum: bool) -> Vec<&String> {
    recipients.iter().filter(|key| KeyKind::of(key).is_post_quantum() == Some(post_quantum)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_declared::Name;

    use super::*;

    fn found(of_file: &[&str]) -> Option<(String, String)> {
        let spec = r#"{"schema": 1, "targets": [{"kind": "nixos", "name": "web1", "hostKey": "age1tagpq1host",
            "recipients": {"alice": "age1alice", "bob": "age1pq1bob"}}]}"#;
        let keys = DeclaredKeys::new(&artifacts_declared::parse(spec).unwrap());
        let mut recipients = Recipients::new();
        recipients.insert(Name::new("token").unwrap(), of_file.iter().map(|key| (*key).to_owned()).collect());
        mixed(&keys, &recipients, &BTreeMap::new())
    }

    #[test]
    fn both_kinds_are_named() {
        let long = format!("age1pq1{}", "q".repeat(2000));
        let (why, hint) = found(&["age1alice", "age1tagpq1host", "age1pq1bob", &long]).unwrap();
        assert!(why.starts_with("`token`: ") && why.ends_with("and others (alice)"), "{why}");
        assert!(why.contains("(bob, age1pq SHA256:") && why.contains(", web1)") && why.len() < 200, "{why}");
        assert!(hint.contains("keygen --pq"), "{hint}");
    }

    #[test]
    fn one_kind_is_no_mixture_and_of_a_plugin_only_the_plugin_knows() {
        for well in [
            &["age1alice", "ssh-rsa AAAA", "age1tag1x"][..],
            &["age1tagpq1host", "age1pq1bob", "age1yubikey1x"],
            &["age1alice", "age1yubikey1x"],
            &[],
        ] {
            assert_eq!(found(well), None, "{well:?}");
        }
    }
}
