use std::collections::BTreeMap;

use artifacts_backend_sdk::{Entry, Failure, OpenError, Recipient, Recipients, SerializeError};
use sops_format::{DataKey, Document, Error, FormatError, LeafValue, NewKey, create, kept, rewrite, stay};

use crate::failure::StorageFailure;
use crate::layout::{EntryFile, Layout};
use crate::retrieve::data_key;

/// What is stored, by the name of the stored file, where others than age decrypt it as well.
pub type OfOthers = BTreeMap<String, Document>;

/// Reads the stored files of these values that others than age decrypt as well, and checks that none of them would need a new data key.
/// What a backend says after it saw a plaintext is hidden, so that this comes before.
///
/// # Errors
/// If one would, or the entry cannot be read.
pub fn kept_keys(
    layout: &Layout,
    recipients: &Recipients,
    names: &[String],
    entry: &Entry,
    mut open: impl FnMut(&str) -> Result<(), OpenError>,
) -> Result<OfOthers, SerializeError> {
    let is_given = |stored: &&EntryFile| stored.files.iter().any(|file| names.contains(file));
    let mut of_others = OfOthers::new();
    for stored in layout.stored().iter().filter(is_given) {
        let Some(old) = read_of_others(stored, entry)? else { continue };
        let is_known = old.stanzas().iter().any(|stanza| open(&stanza.enc).is_ok());
        let stays = stay(&old, &recipients_of(stored, recipients));
        let stays = stays.and_then(|()| if is_known { Ok(()) } else { Err(kept(&old, NewKey::Value)) });
        stays.map_err(|error| StorageFailure::from(error).writing(&stored.name))?;
        of_others.insert(stored.name.clone(), old);
    }
    Ok(of_others)
}

/// Writes the given values, each stored file under a new data key; stored files without a given value are kept
/// unchanged. Values have the names of the declared files. A file of [`OfOthers`] keeps its data key, and all who decrypt it.
///
/// # Errors
/// If the form cannot hold a value, or a structured file is given some of its values only; if a file that others than age decrypt would
/// need a new data key; the errors of `seal`, which seals a data key of these files for each recipient, and of `open`.
pub fn serialize(
    layout: &Layout,
    recipients: &Recipients,
    values: &[LeafValue],
    of_others: &OfOthers,
    entry: &Entry,
    now: i64,
    (mut seal, mut open): (
        impl FnMut(&[String], &[u8; 32], &[&str]) -> Result<Vec<String>, Failure>,
        impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
    ),
) -> Result<(), SerializeError> {
    if let Some(stranger) = values.iter().find(|value| layout.of_file(&value.key).is_none()) {
        return Err(Failure::internal(format!("`{}` is not declared", stranger.key)).into());
    }
    for stored in layout.stored() {
        let given = given(stored, values)?;
        if given.is_empty() {
            continue;
        }
        let recipients = recipients_of(stored, recipients);
        let seal =
            |key: &[u8; 32], recipients: &[&str]| seal(&stored.files, key, recipients).map_err(StorageFailure::from);
        let file = match of_others.get(&stored.name) {
            Some(old) => {
                again(old, stored, &mut open).and_then(|key| rewrite(old, &key, &given, &recipients, now, seal))
            }
            None => DataKey::generate()
                .map_err(StorageFailure::from)
                .and_then(|key| create(stored.form, &key, &given, &recipients, now, seal)),
        };
        entry.write(&stored.name, &file.map_err(|fault| fault.writing(&stored.name))?)?;
    }
    Ok(entry.keep_only(layout.stored().iter().map(|stored| stored.name.as_str()))?)
}

/// Returns what is stored, where it has recipients whom nothing here can encrypt to. What is damaged has none.
fn read_of_others(stored: &EntryFile, entry: &Entry) -> Result<Option<Document>, SerializeError> {
    let Some(bytes) = entry.read(&stored.name)? else { return Ok(None) };
    match Document::parse(stored.form, &bytes) {
        Ok(document) if !document.other_recipients().is_empty() => Ok(Some(document)),
        Err(Error::Format(why @ (FormatError::KeyGroups { .. } | FormatError::NoReader { others: Some(_) }))) => {
            Err(StorageFailure::from(Error::Format(why)).writing(&stored.name).into())
        }
        _ => Ok(None),
    }
}

/// Returns the data key of what is stored. It is at hand where its values were read to be written again.
fn again(
    old: &Document,
    stored: &EntryFile,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<DataKey, StorageFailure> {
    data_key(&stored.name, old.stanzas(), open).map_err(|error| match error {
        OpenError::NoIdentity => kept(old, NewKey::Value).into(),
        OpenError::Failed(failure) => failure.into(),
    })
}

/// Returns the values of a stored file, under their keys in it: all or none. The MAC covers all of them, and the old
/// ones cannot be decrypted here.
fn given(stored: &EntryFile, values: &[LeafValue]) -> Result<Vec<LeafValue>, SerializeError> {
    let value = |file: &String| values.iter().find(|value| value.key == *file);
    let (there, missing): (Vec<&String>, Vec<&String>) = stored.files.iter().partition(|file| value(file).is_some());
    if !there.is_empty() && !missing.is_empty() {
        return Err(SerializeError::NeedsAll);
    }
    Ok(there
        .into_iter()
        .filter_map(|file| Some(LeafValue { key: stored.key(file).to_owned(), bytes: value(file)?.bytes.clone() }))
        .collect())
}

/// Returns the recipients of a stored file: who can decrypt one of its values can decrypt them all.
fn recipients_of(stored: &EntryFile, recipients: &Recipients) -> Vec<String> {
    let of_first = recipients.iter().filter(|(file, _)| stored.files.first() == Some(file));
    of_first.flat_map(|(_, recipients)| recipients).map(|Recipient { key, .. }| key.clone()).collect()
}
