//! The entry as a resource, misused.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::bindings::artifacts::backend::entries::{Entry, EntryError, EntryWriter};
use crate::{Failure, Plan, failure};

/// A handle of an earlier call.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// Names that no file of an entry has, and that no directory's file is reached by.
const ODD: &[&str] =
    &["", ".", "..", "/etc/passwd", "../etc/passwd", "/entry/one.age", "a/b", "receipt.json", "public", "\u{200b}"];

/// For where the entry is only read.
///
/// # Errors
/// Of kind `escaped` when something was done that must not be.
#[allow(unsafe_code)]
pub fn read(plan: &Plan, entry: &Entry) -> Result<bool, Failure> {
    match plan.mode.as_str() {
        "resource" => through(entry)?,
        // The handle of this call, taken for one that writes.
        "forge-writer" => {
            // SAFETY: none. The host has to find that it is another type.
            let forged = ManuallyDrop::new(unsafe { EntryWriter::from_handle(entry.handle()) });
            let _ = forged.write("escaped", b"x");
            return Err(failure("escaped", "it was written"));
        }
        "forge-handle" => {
            // SAFETY: none. The host has to find that there is no such handle.
            let forged = ManuallyDrop::new(unsafe { Entry::from_handle(entry.handle() + 1000) });
            let _ = forged.names();
            return Err(failure("escaped", "another handle was taken"));
        }
        // The first call keeps its handle, the next ones use it: it is gone, or theirs.
        "keep-handle" => match KEPT.swap(entry.handle(), Ordering::Relaxed) {
            0 => {}
            kept => {
                // SAFETY: none. The host has to find that the call is over.
                let kept = ManuallyDrop::new(unsafe { Entry::from_handle(kept) });
                if kept.names() != entry.names() {
                    return Err(failure("escaped", "the entry of an earlier call"));
                }
            }
        },
        "drop-handle" => {
            // SAFETY: none. It is dropped once more at the end of the call.
            drop(unsafe { Entry::from_handle(entry.handle()) });
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Both doors show the same files.
fn through(entry: &Entry) -> Result<(), Failure> {
    let mut lying = Vec::new();
    for file in std::fs::read_dir("/entry")? {
        lying.push(file?.file_name().display().to_string());
    }
    lying.sort();
    if entry.names() != Ok(lying.clone()) {
        return Err(failure("escaped", "the names differ"));
    }
    for name in lying {
        let whole = std::fs::read(format!("/entry/{name}"))?;
        if entry.size(&name) != Ok(whole.len() as u64) || entry.read(&name, 0, u64::MAX) != Ok(whole) {
            return Err(failure("escaped", "the bytes differ"));
        }
    }
    for name in ODD {
        if entry.read(name, 0, 1) != Err(EntryError::InvalidName) || entry.size(name) != Err(EntryError::InvalidName) {
            return Err(failure("escaped", name));
        }
    }
    match entry.read("never", 0, 1) {
        Err(EntryError::NoSuchFile) => Ok(()),
        other => Err(failure("escaped", &format!("{other:?}"))),
    }
}

/// For where it is written, after the items were.
///
/// # Errors
/// Of kind `escaped` when something was done that must not be.
pub fn write(plan: &Plan, entry: &EntryWriter) -> Result<bool, Failure> {
    match plan.mode.as_str() {
        // So many files.
        "resource-many" => {
            for number in 0..plan.text.parse().unwrap_or(0) {
                entry.write(&format!("{number}"), b"x").map_err(|error| failure("full", &error.to_string()))?;
            }
        }
        // So many bytes.
        "resource-big" => {
            let bytes = vec![7; plan.text.parse().unwrap_or(0)];
            entry.write("big", &bytes).map_err(|error| failure("full", &error.to_string()))?;
        }
        "resource-odd" => {
            for name in ODD {
                if entry.write(name, b"x") != Err(EntryError::InvalidName)
                    || entry.remove(name) != Err(EntryError::InvalidName)
                {
                    return Err(failure("escaped", name));
                }
            }
        }
        // Both doors lead to one entry.
        "resource-both" => {
            entry.write("a", b"1").map_err(|error| failure("full", &error.to_string()))?;
            std::fs::write("/entry/b", b"22")?;
            if std::fs::read("/entry/a")? != b"1" || entry.read("b", 0, 9) != Ok(b"22".to_vec()) {
                return Err(failure("escaped", "two entries"));
            }
            std::fs::remove_file("/entry/a")?;
            if entry.size("a") != Err(EntryError::NoSuchFile) {
                return Err(failure("escaped", "it is still there"));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}
