//! Nothing is compiled twice, neither by the demo nor again by the tests: what they are made of has the same features and settings,
//! for build scripts and macros as for programs. The resolver of `Cargo.toml` sees to the latter.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::top;

/// What tells two compilations of one target apart.
type Settings = BTreeSet<(Vec<String>, String)>;

#[test]
fn the_demo_compiles_nothing_twice() {
    let twice: Vec<String> = units(&demo())
        .into_iter()
        .filter(|(_, settings)| settings.len() > 1)
        .map(|(unit, settings)| format!("{unit}: {settings:?}"))
        .collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn the_tests_compile_nothing_of_the_demo_again() {
    let demo = units(&demo());
    let tests = units(&["test", "--workspace", "--no-run"]);
    let both = demo.iter().filter(|(unit, _)| tests.contains_key(*unit));
    let again: Vec<String> = both
        .filter(|(unit, settings)| !settings.is_subset(&tests[*unit]))
        .map(|(unit, settings)| format!("{unit}: {settings:?}, and for the tests {:?}", tests[unit]))
        .collect();
    assert!(demo.len() > 300, "the demo is not made of {} units", demo.len());
    assert!(again.is_empty(), "name what the tests turn on in tests/Cargo.toml: {again:#?}");
}

/// The demo's packages, as the task names them.
fn demo() -> Vec<String> {
    let source = crate::read("xtask/src/build.rs");
    let (_, list) = source.split_once("const PACKAGES: &[&str] = &[").expect("the packages of the demo");
    let (list, _) = list.split_once(']').unwrap();
    let packages = list.split('"').skip(1).step_by(2).flat_map(|name| ["--package".to_owned(), name.to_owned()]);
    ["build".to_owned(), "--bins".to_owned()].into_iter().chain(packages).collect()
}

fn units(arguments: &[impl AsRef<std::ffi::OsStr>]) -> BTreeMap<String, Settings> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).args(["--locked", "--offline", "-Z", "unstable-options", "--unit-graph"]);
    // The plan is printed by an option that is not stable.
    let output = cargo.current_dir(top()).env("RUSTC_BOOTSTRAP", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let graph: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut units: BTreeMap<String, Settings> = BTreeMap::new();
    for unit in graph["units"].as_array().unwrap() {
        let package = unit["pkg_id"].as_str().unwrap().rsplit('/').next().unwrap();
        let target = &unit["target"];
        let name = format!("{package} {} {} {}", target["kind"][0], target["name"], unit["mode"]);
        let features = unit["features"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned());
        // `dev` and `test` are names of the same settings.
        let mut profile = unit["profile"].clone();
        profile["name"] = Value::Null;
        units.entry(name).or_default().insert((features.collect(), profile.to_string()));
    }
    units
}
