//! Which names may stand in a storage.

use artifacts_declared::{InstanceName, Name};

use crate::Error;

/// What the host keeps below a storage, beside the entries.
pub(crate) const WORK_DIR: &str = ".artifacts";
/// The folder of an entry's public files.
pub(crate) const PUBLIC: &str = "public";
/// The host's note in an entry.
pub(crate) const RECEIPT: &str = "receipt.json";

/// Why a text is no name of one file in one folder, if it is none.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 255 {
        Some("it is longer than 255 bytes")
    } else if matches!(name, "." | "..") {
        Some("it means a folder")
    } else if name.contains('/') {
        Some("it has a slash")
    } else if artifacts_text::has_control(name) {
        Some("it has a control character")
    } else {
        None
    }
}

/// Why a file of this name is not written: besides [`fault`], what git itself would act upon when it meets it.
pub(crate) fn fault_to_write(name: &str) -> Option<&'static str> {
    fault(name).or_else(|| is_gits(name).then_some("git would act upon it"))
}

fn is_gits(name: &str) -> bool {
    [".git", ".gitattributes", ".gitignore", ".gitmodules"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// A storage's folder: clean names from the root downwards, none of them git's or the host's own.
pub(crate) fn storage(storage: &str) -> Result<(), Error> {
    let refuse = |why: String| Error::StorageName { storage: storage.to_owned(), why };
    for part in storage.split('/') {
        Name::new(part).map_err(|error| refuse(error.to_string()))?;
        if is_gits(part) || part.eq_ignore_ascii_case(WORK_DIR) {
            return Err(refuse(format!("`{part}` has a meaning of its own")));
        }
    }
    Ok(())
}

/// The path of an entry below its storage.
pub(crate) fn entry_path(name: &InstanceName) -> Result<String, Error> {
    match name.components().into_iter().find(|part| is_gits(part)) {
        None => Ok(name.to_string()),
        Some(part) => Err(Error::Name { path: name.to_string(), name: part.to_owned(), why: "git would act upon it" }),
    }
}
