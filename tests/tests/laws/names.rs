//! One name for one thing.

use std::collections::{BTreeMap, BTreeSet};

use crate::none;
use crate::sources::host;

/// Derives of clap, by which `Options` and `Command` of each command are told from other types of these names.
const CLAP: [&str; 4] = ["Args", "Parser", "Subcommand", "clap::"];

#[test]
fn no_two_public_types_of_a_crate_share_a_name() {
    let shared = public().into_iter().flat_map(|(name, places)| {
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<_> = places.into_iter().filter(|place| !seen.insert(place.clone())).collect();
        twice.into_iter().map(move |place| format!("{place}::{name}"))
    });
    none(&shared.collect(), "two public types of one crate have one name");
}

/// `Error` is the error of its crate and is named with the crate's name.
#[test]
fn no_two_public_types_share_a_name() {
    let shared = public()
        .into_iter()
        .filter(|(name, places)| name != "Error" && places.iter().collect::<BTreeSet<_>>().len() > 1);
    none(&shared.map(|(name, _)| name).collect(), "public types of two crates have one name");
}

/// Public types by name, with the crate of each; without the options of commands.
fn public() -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in host() {
        let package = source.path.split('/').nth(1).unwrap();
        let mut derives = "";
        for line in source.code.lines() {
            derives = match line.strip_prefix("#[derive(") {
                Some(listed) => listed,
                None if line.starts_with("#[") || line.starts_with("pub ") => derives,
                None => "",
            };
            let declared =
                ["pub struct ", "pub enum ", "pub trait ", "pub type "].iter().find_map(|kind| line.strip_prefix(kind));
            let name = declared.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
            let is_clap =
                |name: &str| ["Options", "Command"].contains(&name) && CLAP.iter().any(|one| derives.contains(one));
            if let Some(name) = name.filter(|name| !is_clap(name)) {
                types.entry(name.to_owned()).or_default().push(package.to_owned());
            }
        }
    }
    types
}
