//! What may lie in a slice: flat files with clean names, within limits.

use artifacts_seam::Files;

use crate::Limits;

/// The longest file name, in bytes, on every file system that matters.
const LONGEST: usize = 255;

/// Names that mean something to the host or to git, in any case of letters.
const TAKEN: &[&str] = &["receipt.json", "public", ".git", ".gitignore", ".gitattributes", ".gitmodules"];

/// Why a backend may not have a file of this name; `None` when it may.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("its name is empty")
    } else if name.len() > LONGEST {
        Some("its name is longer than 255 bytes")
    } else if name == "." || name == ".." || name.contains('/') {
        Some("its name is a path")
    } else if artifacts_text::has_control(name) {
        Some("its name has a control character")
    } else if artifacts_text::has_hidden(name) {
        Some("its name has an invisible character, or one that turns the direction of writing")
    } else if TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
        Some("its name belongs to the host or to git")
    } else {
        None
    }
}

/// Whether all of it may be a slice.
pub(crate) fn check(files: &Files, limits: &Limits) -> Result<(), String> {
    let size: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    if files.len() as u64 > limits.files {
        return Err(format!("{} files are more than the limit of {}", files.len(), limits.files));
    }
    if size > limits.output {
        return Err(format!("{size} bytes are more than the limit of {}", limits.output));
    }
    match files.keys().find_map(|name| fault(name).map(|why| (name, why))) {
        Some((name, why)) => {
            Err(format!("the file `{}` cannot be in a slice: {why}", crate::words::escaped(name, 300)))
        }
        None => Ok(()),
    }
}
