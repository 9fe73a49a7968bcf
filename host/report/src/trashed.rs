use std::fmt::Write as _;

use artifacts_text::{agreeing, counted, terminal};

use crate::{FileChange, RowAction};

/// An entry without an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrashedEntry {
    /// Its name.
    pub name: String,
    /// The storage that it is in.
    pub storage: String,
    /// Who stored it, if that is known.
    pub backend: Option<String>,
    /// Files and bytes, if they can be determined.
    pub size: Option<(usize, u64)>,
    /// Its files.
    pub contents: Vec<FileChange>,
    /// What was done to it.
    pub done: RowAction,
    /// Where it is in the trash, once it was moved there.
    pub trash: Option<String>,
}

/// A line each, and one that counts them; of none nothing.
pub fn trashed(entries: &[TrashedEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let size = entry.size.map_or_else(String::new, |(files, bytes)| {
            format!("  {}, {}", counted(files, "file"), counted(bytes, "byte"))
        });
        let (storage, name) = (terminal(&entry.storage), terminal(&entry.name));
        let _ = writeln!(text, "{}  {storage}/{name}{size}", entry.done.as_str());
        for line in entry.contents.iter().filter(|_| entry.done.is_to_come()).filter_map(FileChange::goes) {
            let _ = writeln!(text, "    {}", terminal(&line));
        }
    }
    for trash in entries.iter().filter_map(|entry| entry.trash.as_ref()) {
        let _ = writeln!(text, "for 30 days in {}", terminal(trash));
    }
    if let Some(first) = entries.first() {
        let _ = writeln!(text, "{} {}", first.done.as_str(), counted_entries(entries.len()));
    }
    text
}

/// Returns a number of entries in words.
fn counted_entries(count: usize) -> String {
    format!("{count} {}", agreeing(count, "entry", "entries"))
}
