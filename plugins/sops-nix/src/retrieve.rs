use std::collections::BTreeMap;

use artifacts_backend_sdk::{Entry, Failure, OpenError};
use sops_format::{DataKey, Document, Kind, LeafValue};

use crate::check::not_a_string;
use crate::failure::reading;
use crate::layout::{EntryFile, Stored};

/// What came of each file: its value, or why there is none.
type Answers = Vec<(String, Result<LeafValue, OpenError>)>;

/// Answers for each of these files, from what is stored, whatever the layout of today is. Each stored file is decrypted once.
///
/// # Errors
/// If the entry cannot be listed.
pub fn retrieve(
    names: &[String],
    entry: &Entry,
    mut open: impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<Answers, Failure> {
    let Stored { files, missing } = Stored::in_entry(&entry.names()?, names);
    let mut answers: Answers = missing.into_iter().map(|(name, failure)| (name, Err(failure.into()))).collect();
    for stored in files {
        match read(&stored, entry, &mut open) {
            Ok(values) => answers.extend(values),
            Err(failure) => answers.extend(stored.files.into_iter().map(|name| (name, Err(failure.clone().into())))),
        }
    }
    Ok(answers)
}

/// Returns the values of one stored file. It is decrypted where one of them can be read.
fn read(
    stored: &EntryFile,
    entry: &Entry,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<Answers, Failure> {
    let bytes = entry.read(&stored.name)?.ok_or_else(|| Failure::corrupt(format!("`{}` is not there", stored.name)))?;
    let document = Document::parse(stored.form, &bytes).map_err(|error| reading(&stored.name, &error))?;
    let kinds: BTreeMap<&str, Kind> = document.kinds().collect();
    let (sound, others): (Vec<&String>, Vec<&String>) =
        stored.files.iter().partition(|name| fault(stored, name, &kinds).is_none());
    let faults = others.into_iter().filter_map(|name| Some((name.clone(), Err(fault(stored, name, &kinds)?.into()))));
    let mut answers: Answers = faults.collect();
    if !sound.is_empty() {
        let values = decrypted(stored, &document, open);
        answers.extend(sound.into_iter().map(|name| (name.clone(), value(stored, name, &values))));
    }
    Ok(answers)
}

/// Returns why a value cannot be read. Only strings are: the text of any other value would be invented here, since what was typed as
/// `0123` is stored as 83.
fn fault(stored: &EntryFile, name: &str, kinds: &BTreeMap<&str, Kind>) -> Option<Failure> {
    let Some(kind) = kinds.get(stored.key(name)) else {
        return Some(Failure::corrupt(format!("`{}` has no `{name}`", stored.name)));
    };
    let sentence = not_a_string(stored, stored.key(name), *kind)?;
    Some(Failure::corrupt(sentence).hint("change it with `sops edit`"))
}

fn value(stored: &EntryFile, name: &str, values: &Result<Vec<LeafValue>, OpenError>) -> Result<LeafValue, OpenError> {
    let values = values.as_ref().map_err(Clone::clone)?;
    let value = values.iter().find(|value| value.key == stored.key(name));
    let value = value.ok_or_else(|| Failure::corrupt(format!("`{}` has no `{name}`", stored.name)))?;
    Ok(LeafValue { key: name.to_owned(), bytes: value.bytes.clone() })
}

fn decrypted(
    stored: &EntryFile,
    document: &Document,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<Vec<LeafValue>, OpenError> {
    let key = data_key(stored, document, open)?;
    Ok(document.decrypt(&key).map_err(|error| reading(&stored.name, &error))?)
}

/// Returns the data key from the first stanza that can be decrypted. Plugins come last: they may need a touch.
pub fn data_key(
    stored: &EntryFile,
    document: &Document,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<DataKey, OpenError> {
    let mut stanzas: Vec<_> = document.stanzas().iter().collect();
    stanzas.sort_by_key(|stanza| is_plugin(&stanza.recipient));
    let mut fault = None;
    for stanza in stanzas {
        match open(&stanza.enc) {
            Ok(bytes) => {
                return Ok(DataKey::new(&bytes, &stanza.recipient).map_err(|error| reading(&stored.name, &error))?);
            }
            // That a key does not fit is the usual case with several recipients; anything else is worth more words.
            Err(OpenError::NoIdentity) => fault = fault.or(Some(OpenError::NoIdentity)),
            Err(failure) => fault = Some(failure),
        }
    }
    Err(fault.unwrap_or_else(|| Failure::corrupt(format!("`{}` has no recipient", stored.name)).into()))
}

/// Returns whether a recipient belongs to a plugin, `age1name1…`: bech32 has no `1` in its data, so a second one ends
/// the name of a plugin.
fn is_plugin(recipient: &str) -> bool {
    recipient.strip_prefix("age1").is_some_and(|rest| rest.contains('1'))
}
