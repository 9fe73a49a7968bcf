use std::collections::{BTreeMap, BTreeSet};

use artifacts_backend_sdk::{Entry, Failure, State};
use sops_format::{Document, Kind, OtherRecipient};

use crate::layout::{EntryFile, Layout};

/// What lies in the slice, told without any key: which files, and whether each is a sound file of sops with its values. A
/// wrong MAC or tag needs the data key, and shows when it is read.
///
/// # Errors
/// When the slice cannot be read.
pub fn check(layout: &Layout, entry: &Entry) -> Result<State, Failure> {
    let lying: BTreeSet<String> = entry.names()?.into_iter().collect();
    if lying.is_empty() && !layout.stored().is_empty() {
        return Ok(State::Absent);
    }
    let mut reasons = Vec::new();
    for stored in layout.stored() {
        match entry.read(&stored.name)? {
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

fn faults(stored: &EntryFile, bytes: &[u8]) -> Vec<(String, String)> {
    let document = match Document::parse(stored.form, bytes) {
        Ok(document) => document,
        Err(error) => return vec![("format".to_owned(), format!("`{}`: {error}", stored.name))],
    };
    let wanted: BTreeSet<&str> = stored.files.iter().map(|file| stored.key(file)).collect();
    let held: BTreeMap<&str, Kind> = document.kinds().collect();
    let missing = wanted.iter().filter(|key| !held.contains_key(**key));
    let missing = missing.map(|key| files(format!("`{}` has no `{key}`, which is declared", stored.name)));
    let extra = held.keys().filter(|key| !wanted.contains(**key));
    let extra = extra.map(|key| files(format!("`{}` has `{key}`, which is not declared", stored.name)));
    let no_text = wanted.iter().filter_map(|key| not_a_string(stored, key, *held.get(*key)?));
    let no_text = no_text.map(|sentence| ("format".to_owned(), sentence));
    missing.chain(extra).chain(no_text).chain(others(stored, &document)).collect()
}

/// What is wrong with a declared value; none of a string. sops-nix gives a target no secret at all while one of them is
/// something else.
pub fn not_a_string(stored: &EntryFile, key: &str, kind: Kind) -> Option<String> {
    (kind != Kind::Text).then(|| format!("`{}`: the value of `{key}` is {kind}", stored.name))
}

/// Recipients that the file loses when it is written again: only age ones are written here.
fn others(stored: &EntryFile, document: &Document) -> Vec<(String, String)> {
    let sentence = |other: &OtherRecipient| {
        let OtherRecipient { service, name } = other;
        format!(
            "`{}` is also encrypted to the {service} recipient {name}, which encrypting it again removes",
            stored.name
        )
    };
    document.other_recipients().iter().map(|other| ("recipients".to_owned(), sentence(other))).collect()
}
