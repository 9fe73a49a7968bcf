//! "runs: yes" is a promise: what fits can be called, and what cannot be called is refused with the first import or export that does
//! not fit, before anything of it runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

#[path = "../../session/tests/common/mod.rs"]
mod common;

use std::path::Path;

use artifacts_contract::{Component, Refusal};
use artifacts_declared as _;
use artifacts_seam::{CONTRACT, CallError, ComponentEvent, EntryFiles, Limits, Usage};
use artifacts_session::{Error, WorkerSession, WorkerStart, fits};
use artifacts_text::Explain;
use common::{NOW, behaving, check_one, everything, guest, instance, key};

/// With the code that other tests keep: an interpreter of Python or JavaScript takes a while to compile.
fn worker() -> WorkerStart {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-cache/artifacts/compiled");
    WorkerStart::default().program(env!("CARGO_BIN_EXE_artifacts-precompile")).cache(cache)
}

/// All components of the tree: those inside the program, and those of the tests, in whichever language.
fn every_guest() -> Vec<(String, Vec<u8>)> {
    let mut guests = Vec::new();
    for dir in ["plugins", "guests"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(dir);
        for entry in dir.read_dir().unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "wasm") {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                guests.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    guests.sort();
    guests
}

/// What a check takes, if it can be called: that the component fails by its own word is an answer.
fn answers(component: &Component) -> Result<Usage, CallError> {
    let grants = artifacts_contract::effective(&component.manifest().requests, &everything());
    let mut backend = WorkerSession::open(component, grants, Limits::default(), &worker()).unwrap();
    let instance = instance("a", &["one"], &serde_json::json!({ "recipients": [key().public] }));
    let mut checks = backend.check(NOW, vec![(instance, EntryFiles::new())]);
    match checks.answers.remove(0) {
        Ok(_) | Err(CallError::Failed(_) | CallError::NotCalled { .. }) => Ok(checks.usage),
        Err(error) => Err(error),
    }
}

#[test]
fn what_fits_can_be_called() {
    let guests = every_guest();
    let names: Vec<&str> = guests.iter().map(|(name, _)| name.as_str()).collect();
    // That the others are there, their own tests see to.
    for expected in ["agenix", "sops-nix", "dummy", "bundle", "hostile", "hostile-plaintext"] {
        assert!(names.contains(&expected), "{expected} is not among {names:?}: `cargo xtask guests` makes it");
    }
    for (name, bytes) in guests {
        // Nothing of it is taken for granted, as the program does with the schema of those that are part of it.
        let component = Component::read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        fits(&component, &worker()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let Usage { memory, micros, .. } = answers(&component).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        println!("{name}: {} of memory, {micros} µs", artifacts_text::size(memory));
    }
}

/// The guest with each `from` in its bytes replaced by as many.
fn with(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut changed = 0;
    for place in 0..=bytes.len() - from.len() {
        if bytes[place..].starts_with(from.as_bytes()) {
            bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
            changed += 1;
        }
    }
    assert!(changed > 0, "nothing is called `{from}`");
    bytes
}

/// Why a component is refused, before anything of it runs.
fn refused(bytes: Vec<u8>) -> Refusal {
    let refusal = match Component::read(bytes) {
        Err(refusal) => refusal,
        Ok(component) => match fits(&component, &worker()) {
            Err(Error::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        },
    };
    assert!(refusal.hint().is_some(), "{refusal}");
    refusal
}

#[test]
fn the_first_import_or_export_that_does_not_fit_is_named() {
    for (from, to, words) in [
        // A function that this host does not have, and one with a parameter of another type.
        ("[method]secret.size", "[method]secret.sixe", &["import", "`[method]secret.sixe`", "backend/secrets@"][..]),
        ("\x05debug", "\x05depug", &["import `log`", "backend/log@", "expected enum case named debug, found depug"]),
        // An exported function that is missing, and one with a parameter of another type.
        ("\x05check", "\x05chick", &["expected the function `check`", "backend/storage@"]),
        ("\x08retrieve", "\x08retriave", &["expected the function `retrieve`", "backend/retrieval@"]),
        ("\x08artifact", "\x08artefact", &["expected record field named artifact, found artefact"]),
        ("\x07present", "\x07prezent", &["export `check`", "expected variant case named present, found prezent"]),
    ] {
        let refusal = refused(with(guest("hostile"), from, to));
        assert!(matches!(refusal, Refusal::Contract { .. }), "{from}: {refusal}");
        for words in words {
            assert!(refusal.to_string().contains(words), "{from}: {refusal}");
        }
    }
}

#[test]
fn another_contract_or_wasi_is_named_with_what_to_do() {
    let ours = |interface: &str| format!("artifacts:backend/{interface}@{CONTRACT}");
    let theirs = |interface: &str, version: &str| format!("artifacts:backend/{interface}@{version}");
    for (from, to, words, help) in [
        (ours("log"), theirs("log", "0.9.0"), "a newer contract", "update `artifacts`"),
        (ours("log"), theirs("log", "0.0.1"), "an older contract", "build it against"),
        (ours("storage"), theirs("storage", "0.9.0"), "expected a component that exports", "update `artifacts`"),
        (ours("storage"), theirs("storage", "0.0.1"), "expected a component that exports", "build it against"),
        ("wasi:clocks/wall-clock@0.2".into(), "wasi:clocks/wall-clock@0.3".into(), "a newer WASI", "wasm32-wasip2"),
    ] {
        let refusal = refused(with(guest("hostile"), &from, &to));
        assert!(refusal.to_string().contains(words), "{to}: {refusal}");
        assert!(refusal.hint().unwrap().contains(help), "{to}: {:?}", refusal.hint());
    }
}

#[test]
fn what_begins_with_more_than_its_limits_is_refused() {
    let manifest = Component::read(guest("hostile")).unwrap().manifest().clone();
    let large = |holds: &str, count: usize| {
        let instances = "(core instance (instantiate $m))".repeat(count);
        let storage = format!(r#"(instance $none) (export "artifacts:backend/storage@{CONTRACT}" (instance $none))"#);
        let text = format!("(component (core module $m ({holds})) {instances} {storage})");
        artifacts_contract::annotate(&wat::parse_str(&text).unwrap(), &manifest).unwrap()
    };
    let limits = Limits::default();
    let pages = u32::try_from(limits.memory >> 16).unwrap();
    let error = refused(large(&format!("memory {}", pages + 16), 1));
    assert!(matches!(error, Refusal::Start { .. }), "{error}");
    assert!(error.to_string().contains("begins with 257 MiB of memory; its limit is 256 MiB"), "{error}");
    let error = refused(large("memory 0", 101));
    assert!(error.to_string().contains("memories; at most 100 are possible"), "{error}");
    let error = fits(&Component::read(large("table 65537 funcref", 1)).unwrap(), &worker()).unwrap_err();
    assert!(error.to_string().contains("which exceeds the limit of 65536"), "{error}");
}

#[test]
fn a_composed_component_runs_and_passes_text_from_one_memory_to_the_other() {
    let mut backend = open("composed", Limits::default());
    let config = behaving(&[&key().public], &[("check", "log-control")]);
    let checks = backend.check(NOW, vec![(instance("a", &["one"], &config), EntryFiles::new())]);
    assert!(checks.answers[0].is_ok(), "{:?}", checks.answers[0]);
    let told = |event: &ComponentEvent| matches!(event, ComponentEvent::Log { message, .. } if message.starts_with("prefix: "));
    assert!(checks.events.iter().any(told), "{:?}", checks.events);
}

#[test]
fn the_limit_of_memory_is_for_all_parts_of_a_composed_component_together() {
    // A message of ten MiB: in the backend's memory, and for the composed one in the other part's, too.
    let config = behaving(&[&key().public], &[("check", "log-huge")]);
    let instance = instance("a", &["one"], &config);
    let limits = Limits { memory: 32 << 20, ..Limits::default() };
    let check = |name: &str, limits| check_one(&mut open(name, limits), &instance, EntryFiles::new());
    assert!(check("hostile", limits).is_ok());
    assert!(check("composed", Limits::default()).is_ok());
    let error = check("composed", limits).unwrap_err();
    assert!(matches!(&error, CallError::Overrun(why) if why.contains("more than 32 MiB of memory")), "{error:?}");
}

fn open(name: &str, limits: Limits) -> WorkerSession {
    let component = Component::read(guest(name)).unwrap();
    let grants = artifacts_contract::effective(&component.manifest().requests, &everything());
    WorkerSession::open(&component, grants, limits, &worker()).unwrap()
}
