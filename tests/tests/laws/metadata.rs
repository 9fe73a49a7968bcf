//! What cargo knows of the packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::top;

/// A package of this workspace.
pub struct Package {
    /// Its name without `artifacts-`; the program's is `cli`.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// What it depends on, by kind: `normal`, `build` or `dev`.
    pub dependencies: Vec<Dependency>,
}

/// A line of a manifest.
#[derive(Clone)]
pub struct Dependency {
    /// The package's name, ours as in [`Package::name`].
    pub name: String,
    /// The crate's name in code.
    pub ident: String,
    /// Whether it is a package of this workspace.
    pub ours: bool,
    /// `normal`, `build` or `dev`.
    pub kind: String,
}

impl Package {
    /// Whether it is part of what is delivered.
    pub fn is_host(&self) -> bool {
        self.dir.parent().is_some_and(|parent| parent.ends_with("host"))
    }

    /// Dependencies that are compiled into it or run while it is built.
    pub fn needed(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|one| one.kind != "dev")
    }
}

/// cargo's answer about the workspace in a directory of the repository; each question is asked once.
pub fn of(dir: &str, more: &[&str]) -> Arc<Value> {
    static ANSWERS: Mutex<BTreeMap<String, Arc<Value>>> = Mutex::new(BTreeMap::new());
    let mut answers = ANSWERS.lock().unwrap();
    answers.entry(format!("{dir} {more:?}")).or_insert_with(|| Arc::new(ask(dir, more))).clone()
}

fn ask(dir: &str, more: &[&str]) -> Value {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--locked", "--offline", "--format-version", "1"]).args(more);
    let output = cargo.current_dir(top().join(dir)).output().unwrap();
    assert!(output.status.success(), "{dir}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The packages of the workspace, by name.
pub fn packages() -> BTreeMap<String, Package> {
    let metadata = of(".", &["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|package| text(&package["name"])).collect();
    packages.iter().map(|package| read(package, &ours)).map(|package| (package.name.clone(), package)).collect()
}

fn read(package: &Value, ours: &BTreeSet<&str>) -> Package {
    let dependencies = package["dependencies"].as_array().unwrap().iter().map(|one| {
        let name = text(&one["name"]);
        Dependency {
            name: if ours.contains(name) { short(name) } else { name.to_owned() },
            ident: one["rename"].as_str().unwrap_or(name).replace('-', "_"),
            ours: ours.contains(name),
            kind: one["kind"].as_str().unwrap_or("normal").to_owned(),
        }
    });
    Package {
        name: short(text(&package["name"])),
        dir: Path::new(text(&package["manifest_path"])).parent().unwrap().to_owned(),
        dependencies: dependencies.collect(),
    }
}

/// Names of all packages that a package of ours is compiled of, itself left out.
pub fn tree(root: &str) -> BTreeSet<String> {
    let metadata = of(".", &[]);
    let nodes: BTreeMap<&str, &Value> =
        metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| (text(&node["id"]), node)).collect();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let start = names.iter().find(|(_, name)| **name == root).map(|(id, _)| *id);
    let mut seen = BTreeSet::new();
    let mut open = vec![start.unwrap_or_else(|| panic!("no package {root}"))];
    while let Some(id) = open.pop() {
        for one in nodes[id]["deps"].as_array().unwrap() {
            let normal = one["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            if normal && seen.insert(text(&one["pkg"])) {
                open.push(text(&one["pkg"]));
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

/// As in ARCHITECTURE.md.
fn short(name: &str) -> String {
    if name == "artifacts" { "cli" } else { name.strip_prefix("artifacts-").unwrap_or(name) }.to_owned()
}

/// A text of cargo's answer.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
