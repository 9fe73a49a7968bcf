//! Which names may stand in a storage.

use artifacts_declared::{InstanceName, Name};

use crate::Error;

/// Directory of this program in a storage, beside the entries.
pub(crate) const WORK_DIR: &str = ".artifacts";
/// Directory of the public files in an entry.
pub(crate) const PUBLIC: &str = "public";
/// Name of the receipt in an entry.
pub(crate) const RECEIPT: &str = "receipt.json";

/// Returns why a text is not the name of one file in one directory; `None` if it is.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 255 {
        Some("it is longer than 255 bytes")
    } else if matches!(name, "." | "..") {
        Some("`.` and `..` are not allowed")
    } else if name.contains('/') {
        Some("it has a slash")
    } else if artifacts_text::has_control(name) {
        Some("it has a control character")
    } else {
        None
    }
}

/// Returns why a file of this name is not written: in addition to [`fault`], names that git acts upon.
pub(crate) fn fault_to_write(name: &str) -> Option<&'static str> {
    fault(name).or_else(|| is_gits(name).then_some("reserved by git"))
}

fn is_gits(name: &str) -> bool {
    [".git", ".gitattributes", ".gitignore", ".gitmodules"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Checks the path of a storage: clean names from the root downwards, none of them used by git or by this program.
pub(crate) fn storage(storage: &str) -> Result<(), Error> {
    let refuse = |why: String| Error::StorageName { storage: storage.to_owned(), why };
    for part in storage.split('/') {
        Name::new(part).map_err(|error| refuse(error.to_string()))?;
        if is_gits(part) || part.eq_ignore_ascii_case(WORK_DIR) {
            return Err(refuse(format!("`{part}` is reserved")));
        }
    }
    Ok(())
}

/// Returns the path of an entry, relative to its storage.
pub(crate) fn entry_path(name: &InstanceName) -> Result<String, Error> {
    match name.components().into_iter().find(|part| is_gits(part)) {
        None => Ok(name.to_string()),
        Some(part) => Err(Error::Name { path: name.to_string(), name: part.to_owned(), why: "reserved by git" }),
    }
}
