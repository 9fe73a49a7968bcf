//! The schema and the parser agree.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use serde_json::{Value, json};

fn both(spec: &Value) -> (bool, bool) {
    let validator = jsonschema::validator_for(&artifacts_declared::schema()).unwrap();
    (validator.is_valid(spec), artifacts_declared::parse(&spec.to_string()).is_ok())
}

fn whole() -> Value {
    json!({"schema": 1, "root": null, "backends": {"mine": {"component": {"path": "/p", "drv": "/d"}, "sha256": null,
        "storage": "secrets", "grants": {"plaintext": true}, "limits": {}}},
      "targets": [{"kind": "nixos", "name": "web1", "system": "x86_64-linux", "config": {"agenix": {}},
        "artifacts": {"a": {"description": null, "shared": false, "backend": "agenix", "blocked": false,
          "files": {"f": {"secret": true, "deploy": true, "path": "/p", "mode": "0400", "owner": "root", "group": "root"}},
          "prompts": {"p": {"description": "d", "type": "hidden", "testValue": null, "required": null}},
          "dependencies": [], "validation": null, "maxAge": null, "timeout": null, "network": false,
          "generator": {"path": "/nix/store/x", "drv": null, "system": null}}}}],
      "unevaluated": [{"kind": "nixos", "name": "web2", "takesItselfFor": "web3", "error": "error: x"}]})
}

#[test]
fn the_designs_own_example_passes_both() {
    assert_eq!(both(&whole()), (true, true));
}

#[test]
fn what_one_refuses_the_other_refuses() {
    let place = |path: &str, value: Value| {
        let mut spec = whole();
        *spec.pointer_mut(path).unwrap() = value;
        spec
    };
    let added = |path: &str, key: &str| {
        let mut spec = whole();
        spec.pointer_mut(path).unwrap()[key] = json!(1);
        spec
    };
    for spec in [
        place("/schema", json!(2)),
        place("/targets/0/name", json!("..")),
        place("/targets/0/name", json!("a/b")),
        place("/targets/0/name", json!("")),
        place("/targets/0/kind", json!("bsd")),
        place("/targets/0/artifacts/a/prompts/p/type", json!("loud")),
        place("/targets/0/artifacts/a/prompts/p/required", json!("no")),
        place("/targets/0/artifacts/a/maxAge", json!("1d")),
        place("/targets/0/artifacts/a/files", json!({"a\u{1b}b": {}})),
        place("/targets/0/artifacts/a/files", json!({"d\u{200b}b": {}})),
        place("/targets/0/artifacts/a/files", json!({"a\u{ad}b": {}})),
        place("/targets/0/artifacts/a/files", json!({"a\u{34f}b": {}})),
        place("/targets/0/name", json!("a\u{2028}b")),
        place("/targets/0/name", json!("a\\b")),
        place("/targets/0/name", json!("-a")),
        place("/targets/0/name", json!("a\u{61c}b")),
        place("/targets/0/artifacts/a/generator/path", json!("gen.sh")),
        place("/targets/0/artifacts/a/generator/path", json!("--delete")),
        place("/targets/0/artifacts/a/generator/drv", json!("--delete")),
        place("/backends/mine/component/path", json!("vault.wasm")),
        place("/backends/mine/component/drv", json!("--delete")),
        place("/backends/mine/component", json!({"path": "/p"})),
        place("/backends/mine/component", json!(1)),
        added("/backends/mine/component", "colour"),
        added("/backends/mine", "colour"),
        added("/targets/0/artifacts/a/prompts/p", "colour"),
        added("/targets/0/artifacts/a/generator", "colour"),
        added("/targets/0", "colour"),
        added("/targets/0/artifacts/a", "colour"),
        added("/targets/0/artifacts/a/files/f", "colour"),
        added("", "colour"),
        added("/unevaluated/0", "colour"),
        place("/unevaluated/0/name", json!("..")),
        place("/unevaluated/0/takesItselfFor", json!("..")),
        place("/unevaluated/0/error", json!(1)),
    ] {
        assert_eq!(both(&spec), (false, false), "{spec}");
    }
    for place in
        ["", "/backends/mine", "/backends/mine/component", "/targets/0", "/targets/0/artifacts/a", "/unevaluated/0"]
    {
        assert_eq!(both(&added(place, "x-colour")), (true, true), "{place}");
    }
}
