use artifacts_backend_sdk::{Entry, Failure, OpenError};
use sops_format::{DataKey, Document, LeafValue, Stanza, TextDocument};

use crate::check::not_a_string;
use crate::failure::reading;
use crate::layout::{EntryFile, Stored, TextFile};

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
    let Stored { files, texts, missing } = Stored::in_entry(&entry.names()?, names);
    let mut answers: Answers = missing.into_iter().map(|(name, failure)| (name, Err(failure.into()))).collect();
    for stored in texts {
        let value = text(&stored, entry, &mut open);
        answers.push((stored.file, value));
    }
    for stored in files {
        match values(&stored, entry, &mut open) {
            Ok(values) => answers.extend(values),
            Err(failure) => answers.extend(stored.files.into_iter().map(|name| (name, Err(failure.clone().into())))),
        }
    }
    Ok(answers)
}

/// Returns the whole text of a stored file.
fn text(
    stored: &TextFile,
    entry: &Entry,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<LeafValue, OpenError> {
    let TextFile { name, form, file } = stored;
    let document = TextDocument::parse(*form, &read(name, entry)?).map_err(|error| reading(name, &error))?;
    let key = data_key(name, document.stanzas(), open)?;
    let bytes = document.text(&key).map_err(|error| reading(name, &error))?;
    Ok(LeafValue { key: file.clone(), bytes })
}

fn read(name: &str, entry: &Entry) -> Result<Vec<u8>, Failure> {
    entry.read(name)?.ok_or_else(|| Failure::corrupt(format!("`{name}` is not there")))
}

/// Returns the values of one stored file. It is decrypted where one of them can be read.
fn values(
    stored: &EntryFile,
    entry: &Entry,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<Answers, Failure> {
    let bytes = read(&stored.name, entry)?;
    let document = Document::parse(stored.form, &bytes).map_err(|error| reading(&stored.name, &error))?;
    let (sound, others): (Vec<_>, Vec<_>) =
        stored.files.iter().map(|name| (name, way(stored, name, &document))).partition(|(_, way)| way.is_ok());
    let faults = others.into_iter().filter_map(|(name, way)| Some((name.clone(), Err(way.err()?.into()))));
    let mut answers: Answers = faults.collect();
    if !sound.is_empty() {
        let values = decrypted(stored, &document, open);
        let sound = sound.into_iter().filter_map(|(name, way)| Some((name, way.ok()?)));
        answers.extend(sound.map(|(name, way)| (name.clone(), value(stored, (name, &way), &document, &values))));
    }
    Ok(answers)
}

/// Returns the keys that lead to a value, or why it cannot be read. Only strings are: the text of any other value would be invented here,
/// since what was typed as `0123` is stored as 83.
fn way<'a>(stored: &EntryFile, name: &'a str, document: &Document) -> Result<Vec<&'a str>, Failure> {
    let Some(way) = stored.way(name, document) else {
        return Err(Failure::corrupt(format!("`{}` has `{name}` as a key and below another one", stored.name))
            .hint("rename one of them with `sops edit`"));
    };
    let kind = document.kind(&way).ok_or_else(|| none(stored, name))?;
    match not_a_string(stored, &way.join("/"), kind) {
        Some(sentence) => Err(Failure::corrupt(sentence).hint("change it with `sops edit`")),
        None => Ok(way),
    }
}

fn none(stored: &EntryFile, name: &str) -> Failure {
    Failure::corrupt(format!("`{}` has no `{name}`", stored.name))
}

fn value(
    stored: &EntryFile,
    (name, way): (&str, &[&str]),
    document: &Document,
    values: &Result<Vec<LeafValue>, OpenError>,
) -> Result<LeafValue, OpenError> {
    let values = values.as_ref().map_err(Clone::clone)?;
    let value = document.value(values, way).ok_or_else(|| none(stored, name))?;
    Ok(LeafValue { key: name.to_owned(), bytes: value.bytes.clone() })
}

fn decrypted(
    stored: &EntryFile,
    document: &Document,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<Vec<LeafValue>, OpenError> {
    let key = data_key(&stored.name, document.stanzas(), open)?;
    Ok(document.decrypt(&key).map_err(|error| reading(&stored.name, &error))?)
}

/// Returns the data key from the first stanza that can be decrypted. Plugins come last: they may need a touch.
pub fn data_key(
    stored: &str,
    stanzas: &[Stanza],
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
) -> Result<DataKey, OpenError> {
    let mut stanzas: Vec<_> = stanzas.iter().collect();
    stanzas.sort_by_key(|stanza| is_plugin(&stanza.recipient));
    let mut fault = None;
    for stanza in stanzas {
        match open(&stanza.enc) {
            Ok(bytes) => {
                return Ok(DataKey::new(&bytes, &stanza.recipient).map_err(|error| reading(stored, &error))?);
            }
            // That a key does not fit is the usual case with several recipients; anything else is worth more words.
            Err(OpenError::NoIdentity) => fault = fault.or(Some(OpenError::NoIdentity)),
            Err(failure) => fault = Some(failure),
        }
    }
    Err(fault.unwrap_or_else(|| Failure::corrupt(format!("`{stored}` has no recipient")).into()))
}

/// Returns whether a recipient belongs to a plugin, `age1name1…`: bech32 has no `1` in its data, so a second one ends
/// the name of a plugin.
fn is_plugin(recipient: &str) -> bool {
    recipient.strip_prefix("age1").is_some_and(|rest| rest.contains('1'))
}
