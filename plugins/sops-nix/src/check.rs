use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Slice, State};
use sops_format::Document;

use crate::layout::{Layout, Stored};

/// What lies in the slice, told without any key: which files, and whether each is a sound file of sops with its values. A
/// wrong MAC or tag needs the data key, and shows when it is read.
///
/// # Errors
/// When the slice cannot be read.
pub fn check(layout: &Layout, slice: &Slice) -> Result<State, Failure> {
    let lying: BTreeSet<String> = slice.names()?.into_iter().collect();
    if lying.is_empty() && !layout.stored().is_empty() {
        return Ok(State::Absent);
    }
    let mut reasons = Vec::new();
    for stored in layout.stored() {
        match slice.read(&stored.name)? {
            None => reasons.push(files(format!("`{}` is declared and not there", stored.name))),
            Some(bytes) => reasons.extend(faults(stored, &bytes)),
        }
    }
    for name in lying.iter().filter(|name| !layout.stored().iter().any(|stored| stored.name == **name)) {
        reasons.push(files(format!("`{name}` is there and not declared")));
    }
    Ok(if reasons.is_empty() { State::Present } else { State::Stale(reasons) })
}

fn files(sentence: String) -> (String, String) {
    ("files".to_owned(), sentence)
}

fn faults(stored: &Stored, bytes: &[u8]) -> Vec<(String, String)> {
    let document = match Document::parse(stored.form, bytes) {
        Ok(document) => document,
        Err(error) => return vec![("format".to_owned(), format!("`{}`: {error}", stored.name))],
    };
    let wanted: BTreeSet<String> = stored.files.iter().map(|file| stored.key(file).to_owned()).collect();
    let held: BTreeSet<String> = document.keys().collect();
    let missing =
        wanted.difference(&held).map(|key| files(format!("`{}` has no `{key}`, which is declared", stored.name)));
    let extra =
        held.difference(&wanted).map(|key| files(format!("`{}` has `{key}`, which is not declared", stored.name)));
    missing.chain(extra).collect()
}
