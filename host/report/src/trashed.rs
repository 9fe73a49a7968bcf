use std::collections::BTreeMap;

use artifacts_text::{shell_word, size};

use crate::layout::{Line, RED, YELLOW, layout};
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
        let kept = entry.trash.as_ref().map(|trash| match entry.size {
            Some(_) => format!("for 30 days: `artifacts restore {}`", shell_word(&name)),
            None => format!("for 30 days in {trash}"),
        });
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
            ..Line::default()
        }
    };
    let lines: Vec<Line> = entries.iter().map(line).collect();
    // What is only asked about is shown whole.
    match lines.as_slice() {
        [first, ..] if are_many(lines.len(), style) && entries.iter().all(|entry| !entry.done.is_to_come()) => {
            let name = format!("{} entries for 30 days; -v lists them", lines.len());
            layout(&[Line { name, last: String::new(), ..first.clone() }], 0, style)
        }
        lines => layout(lines, 0, style),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        }
    }

    #[test]
    fn an_entry_has_a_row_and_its_storage_where_there_are_two() {
        let shown = |entries: &[TrashedEntry]| plain(&trashed(entries, &style(80)));
        let one = "would trash  web2/tls       key (2 recipients), 788 B\n";
        assert_eq!(shown(&[entry("secrets", None)]), one);
        let done = "trashed  web2/tls       for 30 days: `artifacts restore web2/tls`\n";
        assert_eq!(shown(&[entry("secrets", Some("secrets/.artifacts/trash/x"))]), done);
        let unread = TrashedEntry { size: None, ..entry("secrets", Some("secrets/.artifacts/trash/x")) };
        let done = "trashed  web2/tls       for 30 days in secrets/.artifacts/trash/x\n";
        assert_eq!(shown(&[unread]), done);
        let two = shown(&[entry("secrets", None), entry("vault", None)]);
        assert!(two.contains("in secrets, key") && two.contains("in vault, key"), "{two}");
        let many = vec![entry("secrets", Some("x")); 31];
        assert_eq!(shown(&many), "trashed  31 entries for 30 days; -v lists them\n");
        assert_eq!(shown(&[]), "");
    }
}
