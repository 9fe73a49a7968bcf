use std::collections::{BTreeMap, BTreeSet};

use artifacts_backend_sdk::{Entry, Failure, Reason, ReasonKind, State};
use sops_format::{Document, Error, FormatError, Kind, OtherRecipient};

use crate::layout::{EntryFile, Layout};

/// Returns the state of the entry, without any key: which files exist, and whether each is a valid sops file with its
/// values. A wrong MAC or tag needs the data key, and shows when the file is decrypted.
///
/// # Errors
/// If the entry cannot be read.
pub fn check(layout: &Layout, entry: &Entry) -> Result<State, Failure> {
    let lying: BTreeSet<String> = entry.names()?.into_iter().collect();
    if lying.is_empty() && !layout.stored().is_empty() {
        return Ok(State::Absent);
    }
    let mut reasons = Vec::new();
    let mut former = BTreeSet::new();
    for stored in layout.stored() {
        let bytes = entry.read(&stored.name)?;
        if bytes.is_none()
            && let Some(others) = stored.others_in(&lying)
        {
            let names: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
            let sentence = format!("stored as {}, and its format is that of `{}`", names.join(", "), stored.name);
            reasons.push(Reason::new(ReasonKind::Format, sentence));
            former.extend(others);
            continue;
        }
        match bytes {
            None => reasons.push(files(format!("`{}` is declared but not stored", stored.name))),
            Some(bytes) => reasons.extend(faults(stored, &bytes)),
        }
    }
    let is_known =
        |name: &&String| former.contains(*name) || layout.stored().iter().any(|stored| stored.name == **name);
    for name in lying.iter().filter(|name| !is_known(name)) {
        reasons.push(files(format!("`{name}` is stored but not declared")));
    }
    Ok(State::stored(reasons))
}

fn files(sentence: String) -> Reason {
    Reason::new(ReasonKind::Files, sentence)
}

fn faults(stored: &EntryFile, bytes: &[u8]) -> Vec<Reason> {
    let document = match Document::parse(stored.form, bytes) {
        Ok(document) => document,
        Err(error) => return vec![Reason::new(ReasonKind::Format, unread(stored, &error))],
    };
    let wanted: BTreeSet<&str> = stored.files.iter().map(|file| stored.key(file)).collect();
    let held: BTreeMap<&str, Kind> = document.kinds().collect();
    let missing = wanted.iter().filter(|key| !held.contains_key(**key));
    let missing = missing.map(|key| files(format!("`{}` has no `{key}`, which is declared", stored.name)));
    let extra = held.keys().filter(|key| !wanted.contains(**key));
    let extra = extra.map(|key| files(format!("`{}` has `{key}`, which is not declared", stored.name)));
    let no_text = wanted.iter().filter_map(|key| not_a_string(stored, key, *held.get(*key)?));
    let no_text = no_text.map(|sentence| Reason::new(ReasonKind::Format, sentence));
    missing.chain(extra).chain(no_text).chain(others(stored, &document)).collect()
}

/// Says why a file cannot be read; where it is whole, and sops reads it, also what to do with sops.
fn unread(stored: &EntryFile, error: &Error) -> String {
    let sentence = format!("`{}`: {error}", stored.name);
    match error {
        Error::Format(why @ (FormatError::NoReader { .. } | FormatError::KeyGroups { .. })) => {
            format!("{sentence}; {}", why.hint())
        }
        _ => sentence,
    }
}

/// Returns why a declared value is not a string; `None` if it is. sops-nix gives a target no secret at all while one
/// of them is something else.
pub fn not_a_string(stored: &EntryFile, key: &str, kind: Kind) -> Option<String> {
    (kind != Kind::Text).then(|| format!("`{}`: the value of `{key}` is {kind}", stored.name))
}

/// Returns the recipients of other services than age, as the file claims them. They stay when its values are written again.
fn others(stored: &EntryFile, document: &Document) -> Vec<Reason> {
    let of_file = |file: &String| {
        let others = document.other_recipients().iter();
        let reason = |other: &OtherRecipient| {
            let sentence = format!("`{}` is also encrypted to the recipient {other}", stored.name);
            Reason::kept(file, other.to_string(), sentence)
        };
        others.map(reason).collect::<Vec<_>>()
    };
    stored.files.iter().flat_map(of_file).collect()
}
