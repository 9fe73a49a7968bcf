//! What may be in an entry: flat files with clean names, within limits.

use crate::{EntryFiles, LONGEST_NAME, Limits, escaped};

/// Names that mean something to the host or to git, in any case of letters.
const TAKEN: &[&str] = &["receipt.json", "public", ".git", ".gitignore", ".gitattributes", ".gitmodules"];

/// Checks that a backend may have a file of this name.
///
/// # Errors
/// When the name is empty, too long, a path, taken by the host or git, or not visible as it is.
pub fn check_file_name(name: &str) -> Result<(), &'static str> {
    let why = if name.is_empty() {
        "its name is empty"
    } else if name.len() > LONGEST_NAME {
        "its name is longer than 255 bytes"
    } else if name == "." || name == ".." || name.contains('/') {
        "its name is a path"
    } else if artifacts_text::has_control(name) {
        "its name has a control character"
    } else if artifacts_text::has_hidden(name) {
        "its name has an invisible character, or one that turns the direction of writing"
    } else if TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
        "its name belongs to the host or to git"
    } else {
        return Ok(());
    };
    Err(why)
}

/// Checks that all of it may be an entry.
///
/// # Errors
/// When it has more files or bytes than the limits allow, or a file may not have its name.
pub fn check_entry(files: &EntryFiles, limits: &Limits) -> Result<(), String> {
    let size: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    if files.len() as u64 > limits.files {
        return Err(format!("{} files are more than the limit of {}", files.len(), limits.files));
    }
    if size > limits.output {
        return Err(format!("{size} bytes are more than the limit of {}", limits.output));
    }
    for name in files.keys() {
        check_file_name(name)
            .map_err(|why| format!("the file `{}` cannot be in an entry: {why}", escaped(name, 300)))?;
    }
    Ok(())
}
