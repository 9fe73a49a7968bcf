//! Who reads standard input: one alone can.

use std::path::{Path, PathBuf};

use crate::global::Global;

/// Returns what is wrong when more than one option or the command, by the way that `command` names, reads standard input.
pub fn check(global: &Global, command: Option<&'static str>) -> Result<(), String> {
    let options = [("--spec -", &global.spec), ("--backends -", &global.backends)];
    let files = options.into_iter().filter(|(_, file)| is_standard_input(file.as_ref())).map(|(name, _)| name);
    let identities = global.identity.iter().filter(|file| is_standard_input(Some(file))).map(|_| "--identity -");
    let readers: Vec<&str> = files.chain(identities).chain(command).collect();
    match readers.as_slice() {
        [first, second, ..] => Err(format!(
            "expected one reader of standard input, found several: `{first}` and `{second}`; name a file in place of `-`"
        )),
        _ => Ok(()),
    }
}

/// Returns whether a file that was named is standard input.
pub fn is_standard_input(file: Option<&PathBuf>) -> bool {
    file.is_some_and(|file| file == Path::new("-"))
}
