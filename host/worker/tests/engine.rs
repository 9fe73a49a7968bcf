//! What wasmtime compiled and what it takes, beside what the contract says of it.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::path::Path;

use artifacts_contract::{Component, Refusal, annotate, inspect};

fn built(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` makes it", path.display()))
}

#[test]
fn precompiled_code_is_refused_as_a_component() {
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(&built("guests/hostile")).unwrap();
    assert_eq!(inspect(&code).refusal, Some(Refusal::Precompiled));
    let module = engine.precompile_module(b"\0asm\x01\0\0\0").unwrap();
    assert_eq!(inspect(&module).refusal, Some(Refusal::Precompiled));
}

#[test]
fn an_annotated_component_is_one_still() {
    for bytes in [built("plugins/agenix"), built("guests/hostile")] {
        let component = Component::read(bytes.clone()).unwrap();
        let annotated = annotate(&bytes, component.manifest()).unwrap();
        wasmtime::component::Component::new(&wasmtime::Engine::default(), &annotated).unwrap();
    }
}
