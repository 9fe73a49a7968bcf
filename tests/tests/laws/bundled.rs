//! The bundled backends are those of one list, `plugins/bundled.json`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{exactly, read, top};

fn bundled() -> Vec<Value> {
    serde_json::from_str(&read("plugins/bundled.json")).unwrap()
}

fn names() -> Vec<String> {
    bundled().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_has_its_component_and_its_module() {
    for one in bundled() {
        let (name, module) = (one["name"].as_str().unwrap(), one["module"].as_str().unwrap());
        assert!(one["onTarget"].is_boolean(), "{name}");
        assert!(read(format!("plugins/{name}/Cargo.toml")).contains("crate-type = [\"cdylib\"]"), "{name}");
        assert!(top().join("nix/modules/backends").join(module).exists(), "{module}");
    }
}

#[test]
fn each_backend_of_the_workspace_is_listed() {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(top().join("plugins")).unwrap() {
        let path = entry.unwrap().path();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("crate-type = [\"cdylib\"]") {
            found.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(found, names().into_iter().collect());
}

/// The tasks read the list without a reader of JSON.
#[test]
fn the_list_is_as_plain_as_the_tasks_read_it() {
    let text = read("plugins/bundled.json");
    let plain: Vec<&str> = text.split("\"name\"").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
    assert_eq!(plain, names());
}

#[test]
fn no_other_file_names_them_all() {
    let mut found = BTreeSet::new();
    for dir in ["host", "nix", "xtask", "plugins"] {
        look(&top().join(dir), &mut found);
    }
    check(&top().join("flake.nix"), &mut found);
    found.remove("plugins/bundled.json");
    exactly(&found, "names_all_backends", "read plugins/bundled.json instead of naming all bundled backends");
}

fn look(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "target", "examples"].contains(&name.as_str()) {
                look(&path, found);
            }
        } else if ["rs", "nix", "toml", "json"].iter().any(|ending| path.extension().is_some_and(|one| one == *ending))
        {
            check(&path, found);
        }
    }
}

fn check(file: &Path, found: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    if names().iter().all(|name| text.contains(&format!("\"{name}\""))) {
        found.insert(file.strip_prefix(top()).unwrap().display().to_string());
    }
}
