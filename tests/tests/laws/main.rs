//! The laws of ARCHITECTURE.md: what may depend on what, where authority and `unsafe` are allowed, how large a file may be, which
//! licenses and sources dependencies have.
//!
//! A list in `lists` names what does not keep a law yet. It may only get shorter: an entry that is no longer needed fails too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod advisories;
mod bundled;
mod crates;
mod cycles;
mod licenses;
mod metadata;
mod names;
mod sizes;
mod sources;
mod tickets;
mod together;
mod twice;
mod unused;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// Reads a file of the repository.
fn read(path: impl AsRef<Path>) -> String {
    let path = top().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The entries of a list: a line each, up to two blanks; the reason follows.
fn list(name: &str) -> BTreeSet<String> {
    let file = format!("tests/tests/laws/lists/{name}.txt");
    let text = read(&file);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (entry, reason) = line.split_once("  ").unwrap_or((line, ""));
            assert!(!reason.trim().is_empty(), "{file}: `{entry}` has no reason");
            entry.to_owned()
        })
        .collect()
}

/// Asserts that nothing was found: a law without exceptions.
#[track_caller]
fn none(found: &BTreeSet<String>, law: &str) {
    assert!(found.is_empty(), "{law}: {found:#?}");
}

/// Asserts that exactly what a list names was found. With `BLESS=1`, what is gone is taken off the list; nothing is ever put onto it.
#[track_caller]
fn exactly(found: &BTreeSet<String>, listed: &str, law: &str) {
    let allowed = list(listed);
    let new: Vec<_> = found.difference(&allowed).collect();
    let gone: Vec<_> = allowed.difference(found).collect();
    if !gone.is_empty() && std::env::var_os("BLESS").is_some() {
        let file = format!("tests/tests/laws/lists/{listed}.txt");
        let is_gone = |line: &str| gone.iter().any(|entry| line.split("  ").next() == Some(entry.as_str()));
        let text = read(&file);
        let kept: String = text.split_inclusive('\n').filter(|line| !is_gone(line.trim_end())).collect();
        fs::write(top().join(file), kept).expect("the list");
    } else {
        assert!(gone.is_empty(), "no longer needed, remove it from tests/tests/laws/lists/{listed}.txt: {gone:#?}");
    }
    assert!(new.is_empty(), "{law}: {new:#?}");
}
