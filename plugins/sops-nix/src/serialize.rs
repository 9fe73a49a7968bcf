use artifacts_backend_sdk::{Entry, Failure, Recipient, Recipients, SerializeError};
use sops_format::{DataKey, LeafValue, create};

use crate::failure::StorageFailure;
use crate::layout::{EntryFile, Layout};

/// Writes the given values, each stored file under a new data key; stored files without a given value are kept
/// unchanged. Values have the names of the declared files.
///
/// # Errors
/// If the form cannot hold a value, or a structured file is given some of its values only; the errors of `seal`, which seals a data key
/// of these files for one recipient.
pub fn serialize(
    layout: &Layout,
    recipients: &Recipients,
    values: &[LeafValue],
    entry: &Entry,
    now: i64,
    mut seal: impl FnMut(&[String], &[u8; 32], &str) -> Result<String, Failure>,
) -> Result<(), SerializeError> {
    if let Some(stranger) = values.iter().find(|value| layout.of_file(&value.key).is_none()) {
        return Err(Failure::internal(format!("`{}` is not declared", stranger.key)).into());
    }
    for stored in layout.stored() {
        let given = given(stored, values)?;
        if given.is_empty() {
            continue;
        }
        let key = DataKey::generate().map_err(|error| StorageFailure::from(error).writing(&stored.name))?;
        let recipients = recipients_of(stored, recipients);
        let file = create(stored.form, &key, &given, &recipients, now, |key, recipient| {
            seal(&stored.files, key, recipient).map_err(StorageFailure::from)
        });
        entry.write(&stored.name, &file.map_err(|fault| fault.writing(&stored.name))?)?;
    }
    Ok(entry.keep_only(layout.stored().iter().map(|stored| stored.name.as_str()))?)
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
