//! How large a file may be, without its tests.

use std::collections::BTreeSet;

use crate::exactly;
use crate::sources::{Source, host};

/// Lines of a file.
const FILE: usize = 500;
/// Lines of a command's file.
const COMMAND: usize = 60;

#[test]
fn files_are_short() {
    exactly(&longer(&host(), "", FILE), "long_files", "a file has at most 500 lines without its tests");
}

#[test]
fn commands_are_short() {
    let commands = longer(&host(), "host/cli/src/commands/", COMMAND);
    exactly(&commands, "long_commands", "a command has at most 60 lines; what is longer has a file beside it");
}

fn longer(sources: &[Source], below: &str, most: usize) -> BTreeSet<String> {
    let long = sources.iter().filter(|source| source.path.starts_with(below) && source.lines > most);
    long.map(|source| source.path.clone()).collect()
}
