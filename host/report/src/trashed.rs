use std::collections::{BTreeMap, BTreeSet};

use artifacts_text::{shell_word, size, terminal};

use crate::layout::{Below, Line, RED, YELLOW, layout};
use crate::status_page::are_many;
use crate::{FileChange, RowAction, Style};

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
    /// Whether git still tracks it where it was, once it was moved.
    pub is_tracked: bool,
}

impl TrashedEntry {
    /// The trash that it was moved to.
    fn trash_dir(&self) -> Option<&str> {
        Some(self.trash.as_deref()?.rsplit_once('/')?.0)
    }
}

/// Returns a row for each of them; nothing of none.
pub fn trashed(entries: &[TrashedEntry], style: &Style) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *names.entry(entry.name.as_str()).or_default() += 1;
    }
    let line = |entry: &TrashedEntry| {
        let is_twice = names.get(entry.name.as_str()).is_some_and(|count| *count > 1);
        let place = is_twice.then(|| format!("in {}", entry.storage));
        let name = entry.name.parse().map_or_else(|_| entry.name.clone(), |name| style.names.shorten(&name));
        // What could not be read was not recorded either.
        let back = entry.size.map(|_| format!(": `artifacts restore {}`", shell_word(&name))).unwrap_or_default();
        let kept = entry.trash.as_ref().map(|_| format!("for 30 days{back}"));
        let size = entry.size.map(|(_, bytes)| size(bytes));
        let contents = entry.contents.iter().filter_map(FileChange::goes).chain(size);
        let last: Vec<String> = match kept {
            Some(kept) => place.into_iter().chain([kept]).collect(),
            None => place.into_iter().chain(contents).collect(),
        };
        Line {
            word: entry.done.as_str(),
            paint: if entry.done.is_to_come() { YELLOW } else { RED },
            name,
            last: last.join(", "),
            below: entry.trash.iter().filter(|_| style.verbose).cloned().map(Below::Text).collect(),
            ..Line::default()
        }
    };
    let lines: Vec<Line> = entries.iter().map(line).collect();
    // What is only asked about is shown whole.
    let rows = match lines.as_slice() {
        [first, ..] if are_many(lines.len(), style) && entries.iter().all(|entry| !entry.done.is_to_come()) => {
            let name = format!("{} entries for 30 days; -v lists them", lines.len());
            layout(&[Line { name, last: String::new(), ..first.clone() }], 0, style)
        }
        lines => layout(lines, 0, style),
    };
    rows + &kept_in(entries)
}

/// Says in which trash entries are, and what is left to do in git; nothing of entries that were not moved.
fn kept_in(entries: &[TrashedEntry]) -> String {
    let dirs: BTreeSet<&str> = entries.iter().filter_map(TrashedEntry::trash_dir).collect();
    if dirs.is_empty() {
        return String::new();
    }
    let commit = if entries.iter().any(|entry| entry.is_tracked) { "; commit the removal" } else { "" };
    let dirs = dirs.into_iter().map(|dir| terminal(dir).into_owned()).collect::<Vec<_>>().join(" and ");
    format!("the trash is {dirs}{commit}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;
    use crate::testing::{plain, style};

    fn entry(storage: &str, trash: Option<&str>) -> TrashedEntry {
        let recipients = Some(BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        let before = Some(Side::Secret { size: Some(788), recipients });
        TrashedEntry {
            name: "per-machine/web2/tls".to_owned(),
            storage: storage.to_owned(),
            backend: None,
            size: Some((1, 788)),
            contents: vec![FileChange { file: "key".to_owned(), before, after: None }],
            done: if trash.is_some() { RowAction::Trashed } else { RowAction::WouldTrash },
            trash: trash.map(str::to_owned),
            is_tracked: trash.is_some(),
        }
    }

    #[test]
    fn an_entry_has_a_row_and_its_storage_where_there_are_two() {
        let shown = |entries: &[TrashedEntry]| plain(&trashed(entries, &style(80)));
        let one = "would trash  web2/tls       key (2 recipients), 788 B\n";
        assert_eq!(shown(&[entry("secrets", None)]), one);
        let done = "trashed  web2/tls       for 30 days: `artifacts restore web2/tls`\n\
                    the trash is secrets/.artifacts/trash; commit the removal\n";
        assert_eq!(shown(&[entry("secrets", Some("secrets/.artifacts/trash/x"))]), done);
        let unread = TrashedEntry { size: None, ..entry("secrets", Some("secrets/.artifacts/trash/x")) };
        assert!(shown(&[unread]).starts_with("trashed  web2/tls       for 30 days\n"));
        let two = shown(&[entry("secrets", None), entry("vault", None)]);
        assert!(two.contains("in secrets, key") && two.contains("in vault, key"), "{two}");
        let moved = entry("secrets", Some("secrets/.artifacts/trash/x"));
        let unknown = TrashedEntry { is_tracked: false, ..moved.clone() };
        assert!(shown(std::slice::from_ref(&unknown)).ends_with("the trash is secrets/.artifacts/trash\n"));
        let verbose = plain(&trashed(&[unknown], &Style { verbose: true, ..style(80) }));
        assert!(verbose.contains("\n         secrets/.artifacts/trash/x\n"), "{verbose}");
        let many = shown(&vec![moved; 31]);
        assert!(many.starts_with("trashed  31 entries for 30 days; -v lists them\nthe trash is "), "{many}");
        assert_eq!(shown(&[]), "");
    }
}
