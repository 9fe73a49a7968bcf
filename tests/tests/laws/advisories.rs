//! Known vulnerabilities of what we are built of: each that is accepted is listed with its reason, and the database of advisories is
//! read where it is: in the directory that `ADVISORY_DB` names, or `advisory-db` in cargo's home.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};
use toml::Value;

use crate::licenses::{WORKSPACES, in_workspace};
use crate::metadata::text;
use crate::{exactly, list};

#[test]
fn what_is_accepted_names_a_package_of_ours() {
    let packages: BTreeSet<_> = locked().into_iter().map(|(name, _)| name).collect();
    for accepted in list("advisories") {
        let (package, advisory) = accepted.split_once(' ').expect("`PACKAGE ADVISORY`");
        assert!(packages.contains(package), "{package} is gone, and with it {advisory}");
        assert!(advisory.starts_with("RUSTSEC-"), "{advisory}");
    }
}

#[test]
fn no_advisory_but_the_accepted_ones_is_about_ours() {
    let Some(database) = database() else {
        println!("there is no database of advisories here: set ADVISORY_DB to a checkout of it");
        return;
    };
    let mut found = BTreeSet::new();
    for (package, version) in locked() {
        for advisory in advisories(&database.join("crates").join(&package)) {
            if concerns(&advisory, &version) {
                let id = advisory["advisory"]["id"].as_str().unwrap();
                found.insert(format!("{package} {id}"));
            }
        }
    }
    exactly(&found, "advisories", "known vulnerabilities: update the package, or accept it in the list with a reason");
}

/// Name and version of every package of others, of every workspace.
fn locked() -> BTreeSet<(String, Version)> {
    let packages = WORKSPACES.iter().flat_map(|dir| in_workspace(dir));
    packages.map(|one| (text(&one["name"]).to_owned(), text(&one["version"]).parse().unwrap())).collect()
}

fn database() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let named = std::env::var_os("ADVISORY_DB").map(PathBuf::from);
    named.or_else(|| cargo.map(|home| home.join("advisory-db"))).filter(|dir| dir.join("crates").is_dir())
}

/// The advisories about a package: each is Markdown with a block of TOML at its beginning.
fn advisories(dir: &Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let texts = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.map(|text| front(&text).parse::<toml::Table>().unwrap()).map(Value::Table).collect()
}

fn front(markdown: &str) -> &str {
    let (_, rest) = markdown.split_once("```toml\n").unwrap_or(("", markdown));
    rest.split_once("\n```").map_or(rest, |(front, _)| front)
}

/// Whether it is about this version, and no mere notice.
fn concerns(advisory: &Value, version: &Version) -> bool {
    let head = &advisory["advisory"];
    let ranges = |name: &str| {
        let versions = advisory.get("versions").and_then(|versions| versions.get(name)).and_then(Value::as_array);
        let ranges = versions.into_iter().flatten().filter_map(Value::as_str);
        ranges.map(|range| range.parse::<VersionReq>().unwrap()).any(|range| range.matches(version))
    };
    head.get("withdrawn").is_none()
        && head.get("informational").is_none_or(|kind| kind.as_str() == Some("unsound"))
        && !ranges("patched")
        && !ranges("unaffected")
}

#[test]
fn an_advisory_is_read() {
    let text = "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"x\"\n[versions]\npatched = [\">= 1.2.3\"]\nunaffected = [\"< 1.0.0\"]\n```\n# Title\n";
    let advisory = Value::Table(front(text).parse().unwrap());
    let concerned = |version: &str| concerns(&advisory, &version.parse().unwrap());
    assert!(concerned("1.1.0"));
    assert!(!concerned("1.2.3") && !concerned("0.9.0"));
    let notice = text.replace("package =", "informational = \"unmaintained\"\npackage =");
    assert!(!concerns(&Value::Table(front(&notice).parse().unwrap()), &"1.1.0".parse().unwrap()));
}
