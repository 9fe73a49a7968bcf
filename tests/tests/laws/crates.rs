//! Who may depend on whom, by the table of crates in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::{self, packages};
use crate::read;

/// A row of the table.
struct Row {
    ours: BTreeSet<String>,
    alone: BTreeSet<String>,
}

/// What the locked process has nothing of: keys, and whoever could ask for them.
const WITHOUT_KEYS: [&str; 8] =
    ["age", "age-core", "artifacts-age", "artifacts-prompt", "artifacts-store", "artifacts-trust", "rsa", "ssh-key"];

/// Packages that must not be in what a package is compiled of.
const NEVER: &[(&str, &[&str])] = &[
    ("artifacts-contract", &["age", "wasmtime", "artifacts-store", "artifacts-trust", "artifacts-prompt"]),
    ("artifacts-worker", &WITHOUT_KEYS),
    ("artifacts-session", &["wasmtime", "artifacts-worker"]),
    ("artifacts-flow", &["wasmtime", "cranelift-codegen", "clap", "artifacts-worker"]),
    ("artifacts-on-target", &["age", "wasmtime", "tokio", "artifacts-flow", "artifacts-store"]),
    (
        "artifacts-worker",
        &[
            "age",
            "age-core",
            "rsa",
            "ssh-key",
            "artifacts-age",
            "artifacts-store",
            "artifacts-trust",
            "artifacts-prompt",
        ],
    ),
    ("artifacts-contract", &["wasmtime", "age"]),
    ("artifacts-session", &["wasmtime", "wasmtime-wasi", "artifacts-worker"]),
    ("artifacts-flow", &["wasmtime", "cranelift-codegen", "clap"]),
    ("artifacts-plan", &["rustix", "age", "wasmtime"]),
    ("artifacts-report", &["rustix", "age", "wasmtime"]),
    ("artifacts-store", &["age", "wasmtime"]),
    ("artifacts-prompt", &["age", "wasmtime"]),
    ("artifacts-trust", &["age", "wasmtime"]),
    ("artifacts-generate", &["age", "wasmtime"]),
];

#[test]
fn the_table_has_every_edge_and_no_other() {
    let table = table();
    let packages = packages();
    let host: Vec<_> = packages.values().filter(|package| package.is_host()).collect();
    let names: BTreeSet<_> = host.iter().map(|package| package.name.clone()).collect();
    assert_eq!(names, table.keys().cloned().collect(), "the crates of host/ and those of the table in ARCHITECTURE.md");
    for package in host {
        let ours: BTreeSet<_> = package.needed().filter(|one| one.ours).map(|one| one.name.clone()).collect();
        assert_eq!(
            ours, table[&package.name].ours,
            "{}: its dependencies (left), and those that ARCHITECTURE.md allows (right)",
            package.name
        );
    }
}

#[test]
fn what_is_alone_has_one_crate() {
    let packages = packages();
    for (owner, row) in table() {
        for alone in &row.alone {
            let users: Vec<&str> = packages
                .values()
                .filter(|package| package.is_host() && package.needed().any(|one| !one.ours && one.name == *alone))
                .map(|package| package.name.as_str())
                .collect();
            assert_eq!(users, [owner.as_str()], "who depends on {alone}, and who may alone, by ARCHITECTURE.md");
        }
    }
}

#[test]
fn what_must_not_reach_a_crate_does_not() {
    for (root, never) in NEVER {
        let tree = metadata::tree(root);
        let found: Vec<_> = never.iter().filter(|name| tree.contains(**name)).collect();
        assert!(found.is_empty(), "{root} is compiled of {found:?}");
    }
}

/// The rows below the heading of the table of crates: crate, purpose, ours, alone.
fn table() -> BTreeMap<String, Row> {
    let text = read("ARCHITECTURE.md");
    let (_, table) = text.split_once("\n| crate | for | ours | alone |\n").expect("the table of crates");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, ours, alone] = cells.as_slice() else { panic!("not a row of four cells: {line}") };
        (name.trim_matches('`').to_owned(), Row { ours: names(ours), alone: names(alone) })
    })
    .collect()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split(", ").map(str::to_owned).filter(|name| !name.is_empty() && name != "–").collect()
}
