//! Where authority and `unsafe` are allowed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{exactly, none, top};

/// What reads the process' surroundings, ends it or writes to its streams.
const AUTHORITY: &[&str] = &[
    "env::var",
    "env::args",
    "env::current_dir",
    "env::current_exe",
    "env::temp_dir",
    "process::exit",
    "SystemTime::now",
    "print!(",
    "println!(",
];

/// A source file, without its tests.
pub struct Source {
    /// From the repository on.
    pub path: String,
    /// Lines of code; comments are empty lines.
    pub code: String,
    /// Lines with comments.
    pub lines: usize,
}

#[test]
fn unsafe_code_is_in_the_named_files() {
    let files = host().into_iter().filter(|source| {
        let code = &source.code;
        code.contains("allow(unsafe_code)") || code.contains("unsafe {") || code.contains("unsafe fn")
    });
    exactly(&paths(files), "unsafe", "`unsafe` is allowed in the named files only");
}

#[test]
fn authority_is_in_the_named_files() {
    let files = host().into_iter().filter(|source| AUTHORITY.iter().any(|call| source.code.contains(call)));
    exactly(
        &paths(files),
        "authority",
        "environment, clock, arguments, standard streams and the end of the process belong to the named files; take it as a parameter",
    );
}

#[test]
fn characters_are_judged_by_one_crate() {
    let judges = ["is_control()", "is_ascii_control()", "'\\u{"];
    let files = host().into_iter().filter(|source| {
        !source.path.starts_with("host/text/") && judges.iter().any(|judge| source.code.contains(judge))
    });
    exactly(&paths(files), "characters", "what is safe to show or to name is judged by the crate `text`");
}

#[test]
fn errors_of_any_kind_are_for_the_end_of_a_program() {
    let names = host().into_iter().filter(|source| source.code.contains("anyhow"));
    let other = paths(names).into_iter().filter(|path| !path.ends_with("/src/main.rs"));
    none(&other.collect(), "a library names its errors; only a main takes any");
}

fn paths(sources: impl Iterator<Item = Source>) -> BTreeSet<String> {
    sources.map(|source| source.path).collect()
}

/// The sources of what is delivered.
pub fn host() -> Vec<Source> {
    let mut found = Vec::new();
    for package in fs::read_dir(top().join("host")).unwrap() {
        collect(&package.unwrap().path().join("src"), &mut found);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 100, "the sources are found");
    found
}

/// The Rust files below a directory.
pub fn collect(dir: &Path, into: &mut Vec<Source>) {
    for file in files(dir) {
        let text = fs::read_to_string(&file).unwrap();
        let tested = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at).find(|at| is_module(&text[*at..]));
        let text = &text[..tested.unwrap_or(text.len())];
        let path = file.strip_prefix(top()).unwrap().display().to_string();
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if !is_test {
            let code = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
            let lines = text.lines().count();
            into.push(Source { path, code: text.lines().map(code).collect::<Vec<_>>().join("\n"), lines });
        }
    }
}

/// Whether a whole module follows, and not one item that only tests see.
fn is_module(text: &str) -> bool {
    let item = text.lines().find(|line| !line.is_empty() && !line.starts_with("#["));
    item.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
}

/// Every Rust file below a directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    files_ending(dir, "rs", true)
}

/// Every file below a directory, or in it alone, whose name has this ending.
pub fn files_ending(dir: &Path, ending: &str, below: bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(if below { files_ending(&path, ending, below) } else { Vec::new() });
        } else if path.extension().is_some_and(|one| one == ending) {
            found.push(path);
        }
    }
    found
}
