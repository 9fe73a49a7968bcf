//! What is no backend is refused from its bytes alone, saying what was expected and found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use artifacts_contract::{BackendManifest, Component, Refusal, SECTION, annotate, inspect, meaning};
use artifacts_seam::CONTRACT;
use artifacts_text::Explain;
use proptest::prelude::*;

const MANIFEST: &str =
    r#"{"schema":1,"name":"mine","version":"1","description":"d","scopes":["machine"],"persists":"storage"}"#;

fn built(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` makes it", path.display()))
}

/// A component that exports an (empty) storage interface.
fn component(more: &str) -> Vec<u8> {
    let text = format!(
        r#"(component {more}
             (instance $empty)
             (export "artifacts:backend/storage@{CONTRACT}" (instance $empty)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn section(bytes: &mut Vec<u8>, content: &[u8]) {
    assert!(SECTION.len() + content.len() < 0x3fff - 1);
    let size = 1 + SECTION.len() + content.len();
    bytes.extend([0, u8::try_from(size & 0x7f).unwrap() | 0x80, u8::try_from(size >> 7).unwrap()]);
    bytes.push(u8::try_from(SECTION.len()).unwrap());
    bytes.extend_from_slice(SECTION.as_bytes());
    bytes.extend_from_slice(content);
}

fn with_manifest(more: &str, manifest: &str) -> Vec<u8> {
    let mut bytes = component(more);
    section(&mut bytes, manifest.as_bytes());
    bytes
}

fn refused(bytes: &[u8]) -> Refusal {
    let refusal = Component::read(bytes.to_vec()).expect_err("it was taken");
    assert_eq!(inspect(bytes).refusal.as_ref(), Some(&refusal));
    refusal
}

#[test]
fn a_backend_is_taken_and_described() {
    let bytes = built("plugins/agenix");
    let component = Component::read(bytes.clone()).unwrap();
    assert_eq!(component.manifest().name, "agenix");
    assert_eq!(component.size(), bytes.len());
    assert_eq!(component.sha256().to_string().len(), 64);
    assert!(!component.manifest().requests.plaintext);
    assert!(component.imports().iter().any(|name| name.starts_with("wasi:filesystem/types@0.2")));
    assert!(component.imports().iter().all(|name| meaning(name).allowed));
    assert!(Component::read(with_manifest("", MANIFEST)).is_ok());
}

#[test]
fn what_is_no_component_is_refused() {
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(refused(&module), Refusal::CoreModule);
    for (bytes, found) in [
        (&b""[..], "an empty file"),
        (b"\0asm", "unknown version"),
        (b"(component)", "text"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b"#!/bin/sh\nrm", "#!/bin/s"),
    ] {
        let refusal = refused(bytes);
        assert!(refusal.to_string().contains(found), "{refusal}");
    }
    assert!(matches!(refused(&vec![0; (64 << 20) + 1]), Refusal::TooLarge { .. }));
}

#[test]
fn a_component_cut_anywhere_is_refused() {
    let bytes = with_manifest("", MANIFEST);
    for length in 0..bytes.len() {
        assert!(Component::read(&bytes[..length]).is_err(), "{length}");
    }
    let bytes = built("plugins/dummy");
    for length in (0..bytes.len()).step_by(997) {
        assert!(Component::read(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_forbidden_import_is_named_with_what_it_means() {
    let own = |interface: &str| format!("artifacts:backend/{interface}@{CONTRACT}");
    for (import, means) in [
        ("wasi:sockets/tcp@0.2.6", "the network"),
        ("wasi:sockets/ip-name-lookup@0.2.0", "the network"),
        ("wasi:http/outgoing-handler@0.2.3", "HTTP"),
        ("wasi:keyvalue/store@0.2.0", "no backend gets"),
        ("wasi:http/handler@0.3.0", "HTTP"),
        ("wasi:filesystem/types@0.3.0", "a newer WASI (this host has 0.2)"),
        ("wasi:cli/environment@0.3.0-rc-2026-01-01", "a newer WASI (this host has 0.2)"),
        ("wasi:cli/environment@0.2.0-rc-2023-11-10", "an older WASI (this host has 0.2)"),
        ("wasi:cli/command@0.2.0", "no backend gets"),
        ("wasi:filesystem/types", "an unversioned WASI (this host has 0.2)"),
        ("artifacts:backend/age@0.0.1", "an older contract"),
        ("artifacts:backend/age@0.9.0", "a newer contract"),
        ("artifacts:backend/age@1.0.0", "a newer contract"),
        ("artifacts:backend/age", "an unversioned contract"),
        (own("terminal").as_str(), "a newer contract"),
        ("acme:spy/camera@1.0.0", "does not have"),
        ("host-function", "does not have"),
    ] {
        let bytes = with_manifest(&format!(r#"(import "{import}" (instance))"#), MANIFEST);
        let refusal = refused(&bytes);
        assert!(matches!(&refusal, Refusal::Import { import: found, .. } if found == import), "{import}: {refusal}");
        assert!(refusal.to_string().contains(means), "{refusal}");
        assert!(refusal.hint().is_some());
        // What could be read is still shown.
        let inspection = inspect(&bytes);
        assert_eq!(inspection.imports, [import]);
        assert_eq!(inspection.manifest.unwrap().name, "mine");
    }
}

#[test]
fn an_allowed_import_is_allowed() {
    let (series, _) = CONTRACT.rsplit_once('.').unwrap();
    let own = format!("artifacts:backend/age@{series}.7");
    for import in
        ["wasi:filesystem/types@0.2.0", "wasi:random/random@0.2.9", own.as_str(), "artifacts:backend/entries@0.2.0"]
    {
        assert_eq!(inspect(&with_manifest(&format!(r#"(import "{import}" (instance))"#), MANIFEST)).refusal, None);
    }
}

#[test]
fn another_world_is_refused() {
    let mut bytes = wat::parse_str(r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#).unwrap();
    section(&mut bytes, MANIFEST.as_bytes());
    let refusal = refused(&bytes);
    assert!(matches!(refusal, Refusal::World { .. }));
    assert!(refusal.to_string().contains("wasi:cli/run@0.2.0"), "{refusal}");
    let mut bytes = wat::parse_str("(component)").unwrap();
    section(&mut bytes, MANIFEST.as_bytes());
    assert!(refused(&bytes).to_string().contains("none"));
}

#[test]
fn a_backend_of_another_contract_is_told_from_what_is_none() {
    for (version, help) in
        [("0.9.0", "update `artifacts`"), ("0.0.1", "build it against"), ("2.0.0", "update `artifacts`")]
    {
        let text = format!(r#"(component (instance $i) (export "artifacts:backend/storage@{version}" (instance $i)))"#);
        let mut bytes = wat::parse_str(text).unwrap();
        section(&mut bytes, MANIFEST.as_bytes());
        let hint = refused(&bytes).hint().unwrap();
        assert!(hint.contains(help) && hint.contains(CONTRACT), "{version}: {hint}");
    }
}

#[test]
fn a_manifest_is_there_once() {
    assert_eq!(refused(&component("")), Refusal::NoManifest);
    let mut twice = with_manifest("", MANIFEST);
    section(&mut twice, MANIFEST.as_bytes());
    assert_eq!(refused(&twice), Refusal::ManyManifests);
    // One beside the nested one that a linker left counts as well.
    let mut nested = built("plugins/agenix");
    section(&mut nested, MANIFEST.as_bytes());
    assert_eq!(refused(&nested), Refusal::ManyManifests);
}

#[test]
fn a_manifest_is_read_strictly() {
    let cases = [
        ("", "at `.`"),
        ("null", "at `.`"),
        ("{}", "schema"),
        (r#"{"schema":2}"#, "expected `schema` 1, found 2"),
        (r#"{"schema":"1"}"#, "expected `schema` 1"),
        (r#"{"schema":1,"name":"m"}"#, "version"),
        (&MANIFEST.replace("\"mine\"", "\"Mine!\""), "`name` is `Mine!`"),
        (&MANIFEST.replace("\"mine\"", "\"\""), "`name` is ``"),
        (&MANIFEST.replace("\"mine\"", "7"), "at `name`"),
        (&MANIFEST.replace("machine", "planet"), "scopes"),
        (&MANIFEST.replace("\"machine\"", ""), "`scopes`"),
        (&MANIFEST.replace("storage", "nowhere"), "persists"),
        (&MANIFEST.replace("\"d\"", "\"two\\nlines\""), "description"),
        (&MANIFEST.replace("{\"schema\"", "{\"network\":true,\"schema\""), "unknown field `network`"),
        (
            &MANIFEST.replace("{\"schema\"", "{\"requests\":{\"network\":true},\"schema\""),
            "unknown field `requests.network`",
        ),
        (&MANIFEST.replace("{\"schema\"", "{\"requests\":{\"plaintext\":1},\"schema\""), "requests.plaintext"),
        (
            &MANIFEST.replace("{\"schema\"", "{\"requests\":{\"recipient-plugins\":[\"yubikey\"]},\"schema\""),
            "unknown grant `recipient-plugins`",
        ),
        (&MANIFEST.replace("{\"schema\"", "{\"config\":[],\"schema\""), "config"),
        (&MANIFEST.replace("{\"schema\"", r#"{"config":{"type":"objekt"},"schema""#), "`config` is no JSON Schema"),
        (&MANIFEST.replace("{\"schema\"", r##"{"config":{"$ref":"#"},"schema""##), "refers to itself"),
        (
            &MANIFEST.replace("{\"schema\"", r#"{"config":{"minProperties":1},"examples":[{"a":1},{}],"schema""#),
            "`examples[1]` does not fit `config`",
        ),
        (&format!("{MANIFEST} {{}}"), "trailing"),
    ];
    for (manifest, words) in cases {
        let refusal = refused(&with_manifest("", manifest));
        assert!(matches!(refusal, Refusal::Manifest(_)), "{manifest}: {refusal}");
        assert!(refusal.to_string().contains(words), "{manifest}: {refusal}");
    }
    let own = MANIFEST.replace("{\"schema\"", "{\"x-mine\":{\"a\":1},\"schema\"");
    assert!(Component::read(with_manifest("", &own)).is_ok());
    let large = MANIFEST.replace("\"d\"", &format!("\"{}\"", "d".repeat(1001)));
    assert!(matches!(refused(&with_manifest("", &large)), Refusal::Manifest(_)));
}

#[test]
fn annotating_replaces_every_manifest_and_changes_nothing_else() {
    let mut manifest = BackendManifest::parse(MANIFEST.as_bytes()).unwrap();
    manifest.name = "renamed".to_owned();
    for bytes in [component(""), with_manifest("", MANIFEST), built("plugins/agenix"), built("guests/hostile")] {
        let annotated = annotate(&bytes, &manifest).unwrap();
        let component = Component::read(annotated.clone()).unwrap();
        assert_eq!(component.manifest(), &manifest);
        assert_eq!(component.imports(), inspect(&bytes).imports);
        assert_eq!(annotate(&annotated, &manifest).unwrap(), annotated);
    }
    assert_eq!(annotate(&wat::parse_str("(module)").unwrap(), &manifest), Err(Refusal::CoreModule));
    manifest.name = "No Name".to_owned();
    assert!(matches!(annotate(&component(""), &manifest), Err(Refusal::Manifest(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_taken(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = inspect(&bytes);
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend(&bytes);
        prop_assert!(Component::read(component).is_err());
    }

    #[test]
    fn a_component_with_a_changed_byte_is_refused_or_taken(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = with_manifest("", MANIFEST);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = Component::read(bytes.clone());
        let _ = annotate(&bytes, &BackendManifest::parse(MANIFEST.as_bytes()).unwrap());
    }

    #[test]
    fn any_manifest_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = BackendManifest::parse(&bytes);
    }

    #[test]
    fn a_manifest_with_a_changed_byte_is_read_or_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = MANIFEST.as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(manifest) = BackendManifest::parse(&bytes) {
            prop_assert_eq!(BackendManifest::parse(manifest.to_json().as_bytes()), Ok(manifest));
        }
    }
}
