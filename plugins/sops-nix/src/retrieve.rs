use artifacts_backend_sdk::{Entry, Failure};
use sops_format::{DataKey, Document, LeafValue};

use crate::check::not_a_string;
use crate::failure::reading;
use crate::layout::{EntryFile, Layout};

/// Reads the named files, each stored file opened once.
///
/// # Errors
/// Of kind `corrupt` when a file is not there or damaged; whatever `open` gives when nobody opens it.
pub fn retrieve(
    layout: &Layout,
    names: &[String],
    entry: &Entry,
    mut open: impl FnMut(&str) -> Result<Vec<u8>, Failure>,
) -> Result<Vec<LeafValue>, Failure> {
    if let Some(stranger) = names.iter().find(|name| layout.of_file(name).is_none()) {
        return Err(Failure::internal(format!("`{stranger}` is not declared")));
    }
    let wanted = |stored: &&EntryFile| names.iter().any(|name| stored.files.contains(name));
    // All are asked for before one that fails counts: what needs a plugin is then opened in one go.
    let held: Vec<_> =
        layout.stored().iter().filter(wanted).map(|stored| (stored, read(stored, names, entry, &mut open))).collect();
    let mut values = Vec::with_capacity(names.len());
    for (stored, held) in held {
        let held = held?;
        for name in names.iter().filter(|name| stored.files.contains(name)) {
            let value = held.iter().find(|value| value.key == stored.key(name));
            let value = value.ok_or_else(|| Failure::corrupt(format!("`{}` has no `{name}`", stored.name)))?;
            values.push(LeafValue { key: name.clone(), bytes: value.bytes.clone() });
        }
    }
    Ok(values)
}

fn read(
    stored: &EntryFile,
    names: &[String],
    entry: &Entry,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, Failure>,
) -> Result<Vec<LeafValue>, Failure> {
    let bytes = entry.read(&stored.name)?.ok_or_else(|| Failure::corrupt(format!("`{}` is not there", stored.name)))?;
    let failure = |error| reading(&stored.name, &error);
    let document = Document::parse(stored.form, &bytes).map_err(failure)?;
    strings(stored, names, &document)?;
    let key = data_key(stored, &document, open)?;
    document.decrypt(&key).map_err(failure)
}

/// Only strings are read. The text of anything else would be made up here: what was typed as `0123` is 83 by now.
fn strings(stored: &EntryFile, names: &[String], document: &Document) -> Result<(), Failure> {
    let asked_for = |key: &str| names.iter().any(|name| stored.files.contains(name) && stored.key(name) == key);
    let mut asked = document.kinds().filter(|(key, _)| asked_for(key));
    match asked.find_map(|(key, kind)| not_a_string(stored, key, kind)) {
        None => Ok(()),
        Some(sentence) => Err(Failure::corrupt(sentence).hint("Change it with `sops edit`.")),
    }
}

/// The data key from the first reader's age file that opens. Plugins come last: they may want a touch.
fn data_key(
    stored: &EntryFile,
    document: &Document,
    open: &mut impl FnMut(&str) -> Result<Vec<u8>, Failure>,
) -> Result<DataKey, Failure> {
    let mut stanzas: Vec<_> = document.stanzas().iter().collect();
    stanzas.sort_by_key(|stanza| is_plugin(&stanza.recipient));
    let mut fault = None;
    for stanza in stanzas {
        match open(&stanza.enc) {
            Ok(bytes) => {
                return DataKey::new(&bytes, &stanza.recipient).map_err(|error| reading(&stored.name, &error));
            }
            // That a key does not fit is the usual case with several readers; anything else is worth more words.
            Err(failure) if fault.is_none() || failure.kind != "no-identity" => fault = Some(failure),
            Err(_) => {}
        }
    }
    Err(fault.unwrap_or_else(|| Failure::new("no-identity", format!("`{}` has no reader", stored.name))))
}

/// `age1name1…`: bech32 has no `1` in its data, so a second one ends the name of a plugin.
fn is_plugin(recipient: &str) -> bool {
    recipient.strip_prefix("age1").is_some_and(|rest| rest.contains('1'))
}
