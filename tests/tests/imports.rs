//! What each bundled backend and each example imports: an import more is a decision, and is seen here. Another compiler's standard
//! library may need less. `BLESS=1` rewrites the list.
#![allow(clippy::missing_panics_doc)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use artifacts_contract::inspect;
use artifacts_tests::fleet::guest;

const EXAMPLES: [&str; 5] = ["bundle", "in-c", "in-javascript", "in-python", "mine"];

/// Returns the bundled backends, then the examples, each by its name and in order.
fn components() -> Result<Vec<(String, PathBuf)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list: serde_json::Value = serde_json::from_slice(&fs::read(root.join("plugins/bundled.json"))?)?;
    let mut names: Vec<&str> =
        list.as_array().into_iter().flatten().filter_map(|backend| backend["name"].as_str()).collect();
    names.sort_unstable();
    let bundled = names.into_iter().map(|name| {
        let path = root.join("target/plugins").join(format!("{name}.wasm"));
        (name.to_owned(), path)
    });
    let mut all: Vec<_> = bundled.collect();
    for name in EXAMPLES {
        all.push((name.to_owned(), guest(name)?));
    }
    Ok(all)
}

/// Returns an import by its major and minor version: which release of 0.2 a standard library was made for is no decision of ours.
fn unpatched(import: &str) -> String {
    match import.split_once('@') {
        Some((name, version)) if name.starts_with("wasi:") => {
            format!("{name}@{}", version.split('.').take(2).collect::<Vec<_>>().join("."))
        }
        _ => import.to_owned(),
    }
}

#[test]
fn each_backend_imports_no_more_than_the_list_says() -> Result<()> {
    let mut lines = Vec::new();
    for (name, path) in components()? {
        let component = fs::read(&path).with_context(|| path.display().to_string())?;
        let inspected = inspect(&component);
        assert!(inspected.refusal.is_none(), "{name}: {:?}", inspected.refusal);
        assert!(!inspected.imports.is_empty(), "{name} imports nothing");
        let imports: BTreeSet<String> = inspected.imports.iter().map(|import| unpatched(import)).collect();
        lines.extend(imports.into_iter().map(|import| format!("{name} {import}")));
    }
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&list, lines.join("\n") + "\n")?;
    }
    let list = fs::read_to_string(&list).context("tests/imports.txt")?;
    let allowed: BTreeSet<&str> = list.lines().collect();
    let more: Vec<_> = lines.iter().filter(|line| !allowed.contains(line.as_str())).collect();
    assert!(more.is_empty(), "not in tests/tests/imports.txt: {more:?}; look at it, then run with BLESS=1");
    Ok(())
}
