//! The manifests of this repository, those that its guide shows among them: read strictly, and true to their own schemas.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};

use artifacts_contract::BackendManifest;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every `manifest.json` below a folder.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            below(&entry, found);
        } else if entry.ends_with("manifest.json") {
            found.push(entry);
        }
    }
}

/// The manifests in the guide's blocks of JSON.
fn of_the_guide() -> Vec<String> {
    let guide = fs::read_to_string(root().join("BACKEND_GUIDE.md")).unwrap();
    let blocks = guide.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("\"persists\"")).map(str::to_owned).collect()
}

fn all() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["plugins", "nix/templates", "tests/guests"] {
        below(&root().join(folder), &mut files);
    }
    let of_files = files.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()));
    of_files.chain(of_the_guide().into_iter().map(|text| ("BACKEND_GUIDE.md".to_owned(), text))).collect()
}

#[test]
fn every_example_fits_the_schema_beside_it() {
    let manifests = all();
    assert!(manifests.len() >= 8 && !of_the_guide().is_empty(), "{manifests:?}");
    let mut examples = 0;
    for (place, text) in manifests {
        let manifest = BackendManifest::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{place}: {error}"));
        examples += manifest.examples.len();
    }
    assert!(examples >= 4, "{examples}");
}

#[test]
fn an_example_that_does_not_fit_is_noticed() {
    let (_, text) = all().into_iter().find(|(place, _)| place == "BACKEND_GUIDE.md").unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        change(&mut manifest);
        BackendManifest::parse(manifest.to_string().as_bytes())
    };
    assert!(changed(&|_| {}).is_ok());
    let error = changed(&|manifest| manifest["examples"][0]["recipients"] = json!(true)).unwrap_err();
    assert!(
        error.to_string().contains("`examples[0].recipients` does not fit `config`: true is not of type"),
        "{error}"
    );
    let error = changed(&|manifest| manifest["config"] = json!({"type": "objekt"})).unwrap_err();
    assert!(error.to_string().contains("`config` is no JSON Schema that can be used: at `/type`"), "{error}");
}
