use artifacts_backend_sdk::{Entry, Failure, Recipients};
use sops_format::{DataKey, LeafValue, create};

use crate::failure::StorageFailure;
use crate::layout::{EntryFile, Layout};

/// Writes the given values, each stored file under a new data key; what is not given stays as it lies, to the byte. Values
/// have the declared files' names.
///
/// # Errors
/// A value that the form cannot hold; one of a structured file without the others; whatever `seal` gives.
pub fn serialize(
    layout: &Layout,
    recipients: &Recipients,
    values: &[LeafValue],
    entry: &Entry,
    now: i64,
    mut seal: impl FnMut(&[u8; 32], &str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    if let Some(stranger) = values.iter().find(|value| layout.of_file(&value.key).is_none()) {
        return Err(Failure::internal(format!("`{}` is not declared", stranger.key)));
    }
    for stored in layout.stored() {
        let given = given(stored, values)?;
        if given.is_empty() {
            continue;
        }
        let key = DataKey::generate().map_err(|error| StorageFailure::from(error).writing(&stored.name))?;
        let file = create(stored.form, &key, &given, recipients_of(stored, recipients), now, |key, reader| {
            seal(key, reader).map_err(StorageFailure::from)
        });
        entry.write(&stored.name, &file.map_err(|fault| fault.writing(&stored.name))?)?;
    }
    entry.keep_only(layout.stored().iter().map(|stored| stored.name.as_str()))
}

/// The values that go into a stored file, under the keys they have there: all or none. Its MAC is over all of them, and the
/// old ones cannot be read here.
fn given(stored: &EntryFile, values: &[LeafValue]) -> Result<Vec<LeafValue>, Failure> {
    let value = |file: &String| values.iter().find(|value| value.key == *file);
    let (there, missing): (Vec<&String>, Vec<&String>) = stored.files.iter().partition(|file| value(file).is_some());
    if !there.is_empty() && !missing.is_empty() {
        let list = |files: &[&String]| files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
        return Err(Failure::new(
            "needs-all",
            format!("`{}` is written as a whole: {} was given without {}", stored.name, list(&there), list(&missing)),
        )
        .hint("Give all its files, or set artifacts.config.sops-nix.format = \"binary\", which has a file for each."));
    }
    Ok(there
        .into_iter()
        .filter_map(|file| Some(LeafValue { key: stored.key(file).to_owned(), bytes: value(file)?.bytes.clone() }))
        .collect())
}

/// Whoever reads one of a stored file's values reads them all.
fn recipients_of<'a>(stored: &EntryFile, recipients: &'a Recipients) -> &'a [String] {
    let recipients = recipients.iter().find(|(file, _)| stored.files.first() == Some(file));
    recipients.map(|(_, recipients)| recipients.as_slice()).unwrap_or_default()
}
