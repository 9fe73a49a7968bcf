//! One name for one thing.

use std::collections::{BTreeMap, BTreeSet};

use crate::exactly;
use crate::sources::host;

#[test]
fn no_two_public_types_of_a_crate_share_a_name() {
    let shared = public().into_iter().flat_map(|(name, places)| {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<_> = places.into_iter().filter(|place| !seen.insert(place.clone())).collect();
        twice.into_iter().map(move |place| format!("{place}::{name}"))
    });
    exactly(&shared.collect(), "homonyms_in_a_crate", "two public types of one crate have one name");
}

#[test]
fn no_two_public_types_share_a_name() {
    let shared = public().into_iter().filter(|(_, places)| places.iter().collect::<BTreeSet<_>>().len() > 1);
    exactly(&shared.map(|(name, _)| name).collect(), "homonyms", "public types of two crates have one name");
}

/// Public types by name, with the crate of each.
fn public() -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in host() {
        let package = source.path.split('/').nth(1).unwrap();
        for line in source.code.lines() {
            let declared =
                ["pub struct ", "pub enum ", "pub trait ", "pub type "].iter().find_map(|kind| line.strip_prefix(kind));
            let name = declared.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
            if let Some(name) = name {
                types.entry(name.to_owned()).or_default().push(package.to_owned());
            }
        }
    }
    types
}
