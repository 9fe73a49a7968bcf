//! Who reads standard input: one alone can.

use std::path::{Path, PathBuf};

use artifacts_report::Failure;

use crate::global::Global;

/// Returns what is wrong when more than one option or the command, by the way that `command` names, reads standard input.
pub fn check(global: &Global, command: Option<&'static str>) -> Result<(), Failure> {
    let options = [("--spec -", &global.spec), ("--backends -", &global.backends)];
    let files = options.into_iter().filter(|(_, file)| is_standard_input(file.as_ref())).map(|(name, _)| name);
    let identities = global.identity.iter().filter(|file| is_standard_input(Some(file))).map(|_| "--identity -");
    let readers: Vec<&str> = files.chain(identities).chain(command).collect();
    match readers.as_slice() {
        [first, second, ..] => {
            let why = format!("`{first}` and `{second}` both read standard input");
            Err(Failure::new("", why).hint(Some("pass a file in place of `-`")))
        }
        _ => Ok(()),
    }
}

/// Returns whether a file that was named is standard input.
pub fn is_standard_input(file: Option<&PathBuf>) -> bool {
    file.is_some_and(|file| file == Path::new("-"))
}
