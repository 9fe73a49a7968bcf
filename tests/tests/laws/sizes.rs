//! How large a file may be, without its tests.

use std::collections::BTreeSet;

use crate::none;
use crate::sources::{Source, host};

/// Lines of a file.
const FILE: usize = 500;
/// Lines of code of a function.
const FUNCTION: usize = 60;
/// Lines of a command's file.
const COMMAND: usize = 60;
/// Lists all commands, with a line each.
const DISPATCH: &str = "host/cli/src/commands/mod.rs";

#[test]
fn files_are_short() {
    none(&longer(&host(), "", FILE), "a file has at most 500 lines without its tests");
}

#[test]
fn commands_are_short() {
    let mut commands = longer(&host(), "host/cli/src/commands/", COMMAND);
    assert!(commands.remove(DISPATCH));
    none(&commands, "a command has at most 60 lines; what is longer has a file beside it");
}

#[test]
fn commands_have_no_loop() {
    let mut found = BTreeSet::new();
    for source in host().into_iter().filter(|source| source.path.starts_with("host/cli/src/commands/")) {
        let begins = |line: &str| ["for ", "while ", "loop "].iter().any(|word| line.trim_start().starts_with(word));
        found.extend(source.code.lines().filter(|line| begins(line)).map(|line| format!("{}: {line}", source.path)));
    }
    none(&found, "a command is a straight line; what repeats has a file beside it");
}

fn longer(sources: &[Source], below: &str, most: usize) -> BTreeSet<String> {
    let long = sources.iter().filter(|source| source.path.starts_with(below) && source.lines > most);
    long.map(|source| source.path.clone()).collect()
}

#[test]
fn functions_are_short() {
    let mut long = BTreeSet::new();
    for source in host() {
        let lines: Vec<&str> = source.code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = function(line) else { continue };
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let body = lines[at..].iter().take_while(|line| **line != end);
            if body.filter(|line| !line.trim().is_empty()).count() >= FUNCTION {
                long.insert(format!("{} {name}", source.path));
            }
        }
    }
    none(&long, "a function has at most 60 lines of code");
}

/// The name of a function that begins in a line and has its body below it.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    let is_head = before.split_whitespace().all(|word| words.contains(&word)) && !line.ends_with(['}', ';']);
    is_head.then(|| rest.split(['(', '<']).next().unwrap_or(rest))
}
