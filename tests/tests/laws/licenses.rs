//! What we are built of: licenses, sources, and packages that we do not want.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::exactly;
use crate::metadata::{self, text};

/// The workspaces of this repository.
pub const WORKSPACES: &[&str] = &[".", "plugins", "fuzz", "xtask/native", "xtask/c-bindings"];

/// Licenses that may be had with what is delivered under MIT or Apache 2.0.
const LICENSES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The network, other cryptography than age's, and C libraries have no place in the program.
const BANNED: &[&str] = &[
    "curl",
    "hyper",
    "libgit2-sys",
    "libsodium-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
    "reqwest",
    "ring",
    "rustls",
    "ureq",
];

#[test]
fn licenses_are_ours_or_looser() {
    let mut strange = BTreeSet::new();
    for package in foreign() {
        let license = package["license"].as_str().unwrap_or("none").replace('/', " OR ");
        if !is_allowed(&license) {
            strange.insert(format!("{}: {license}", text(&package["name"])));
        }
    }
    exactly(&strange, "licenses", "these licenses are not on the list");
}

/// Whether one may take it under allowed licenses only: alternatives of conjunctions, or the other way round.
fn is_allowed(license: &str) -> bool {
    let whole = license.replace(['(', ')'], "");
    if license.contains('(') {
        return whole.split(" AND ").all(|one| one.split(" OR ").any(|one| LICENSES.contains(&one.trim())));
    }
    whole.split(" OR ").any(|one| one.split(" AND ").all(|one| LICENSES.contains(&one.trim())))
}

#[test]
fn sources_are_the_registry_alone() {
    for package in foreign() {
        let source = text(&package["source"]);
        assert!(source.starts_with("registry+"), "{} comes from {source}", text(&package["name"]));
    }
    let registries: BTreeSet<String> = foreign().iter().map(|package| text(&package["source"]).to_owned()).collect();
    assert_eq!(registries.len(), 1, "{registries:?}");
}

#[test]
fn what_is_banned_is_not_there() {
    let found: BTreeSet<_> = foreign().iter().map(|package| text(&package["name"]).to_owned()).collect();
    let banned: Vec<_> = BANNED.iter().filter(|name| found.contains(**name)).collect();
    assert!(banned.is_empty(), "{banned:?}");
}

#[test]
fn no_more_packages_are_there_in_several_versions() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in in_workspace(".") {
        versions.entry(text(&package["name"]).to_owned()).or_default().insert(text(&package["version"]).to_owned());
    }
    let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name);
    exactly(&several.collect(), "several_versions", "compiled in several versions");
}

/// All packages of others, of every workspace.
fn foreign() -> Vec<Value> {
    WORKSPACES.iter().flat_map(|dir| in_workspace(dir)).collect()
}

/// The packages of others that a workspace compiles here.
pub fn in_workspace(dir: &str) -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = metadata::of(dir, &["--filter-platform", &platform]);
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().filter(|package| package["source"].is_string()).cloned().collect()
}
