//! Every dependency is used.

use std::collections::BTreeSet;
use std::fs;

use crate::exactly;
use crate::metadata::packages;
use crate::sources::files;

#[test]
fn every_dependency_is_used() {
    let mut unused = BTreeSet::new();
    for package in packages().values() {
        let sources: String =
            files(&package.dir.join("src")).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let script = fs::read_to_string(package.dir.join("build.rs")).unwrap_or_default();
        let outside: String = ["tests", "examples", "benches"]
            .iter()
            .flat_map(|dir| files(&package.dir.join(dir)))
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        for one in &package.dependencies {
            let used = match one.kind.as_str() {
                "build" => names(&script, &one.ident),
                "dev" => names(&sources, &one.ident) || names(&outside, &one.ident),
                _ => names(&sources, &one.ident),
            };
            if !used {
                unused.insert(format!("{}: {} ({})", package.name, one.name, one.kind));
            }
        }
    }
    exactly(&unused, "unused", "no code names these dependencies");
}

/// Whether code names a crate: `name::…`, `use name`, or `derive(name::…)`.
fn names(code: &str, ident: &str) -> bool {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(ident).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + ident.len()..];
            let free = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
            free && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
        })
    })
}
