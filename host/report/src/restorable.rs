//! What is in the trash, and what comes back from it.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_text::{listed, size};

use crate::layout::{Below, GREEN, Line, PLAIN, RED, YELLOW, layout};
use crate::{FileChange, RecipientNames, RowAction, Style};

/// An entry in the trash, or one that came back or left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorableEntry {
    /// Its instance.
    pub name: InstanceName,
    /// The storage that it was in.
    pub storage: String,
    /// What names it among the entries of its instance: the time at which it went to the trash, with more where two have the same.
    pub at: String,
    /// The command that moved it there, if that is known.
    pub command: Option<String>,
    /// Who stored it, if that is known.
    pub backend: Option<String>,
    /// Files and bytes.
    pub size: (usize, u64),
    /// Its files.
    pub contents: Vec<FileChange>,
    /// When its value was generated, if that is known.
    pub generated: Option<String>,
    /// When a later value of the instance was generated, if there is one.
    pub newer: Option<String>,
    /// The keys that can decrypt it; none where a file's are unknown.
    pub recipients: Option<BTreeSet<String>>,
    /// Those of them that are not accepted for the instance.
    pub unaccepted: BTreeSet<String>,
    /// What there is to say of what it would become.
    pub notes: Vec<String>,
    /// What was done to it, or would be; none of what is only listed.
    pub done: Option<RowAction>,
    /// Where in the trash is what it replaced.
    pub replaced: Option<String>,
}

/// Returns a row for each of them; nothing of none. Whose the recipients are is said of what would come back, and where `style` is
/// verbose.
pub fn restorable(entries: &[RestorableEntry], names: &RecipientNames, style: &Style) -> String {
    let line = |entry: &RestorableEntry| {
        let contents = entry.contents.iter().filter_map(FileChange::goes).chain([size(entry.size.1)]);
        let by = entry.command.as_ref().map(|command| format!("by {command}"));
        let last: Vec<String> = by.into_iter().chain(contents).collect();
        let is_explained = entry.done == Some(RowAction::WouldRestore) || style.verbose;
        let below = if is_explained { entry.explanation(names) } else { entry.notes.clone() };
        Line {
            word: entry.done.map_or("trashed", RowAction::as_str),
            paint: match entry.done {
                None => PLAIN,
                Some(RowAction::Restored) => GREEN,
                Some(action) if action.is_to_come() => YELLOW,
                Some(_) => RED,
            },
            name: style.names.shorten(&entry.name),
            columns: vec![entry.at.clone()],
            last: last.join(", "),
            below: below.into_iter().map(|note| Below::Text(style.names.shorten_text(&note).into_owned())).collect(),
        }
    };
    layout(&entries.iter().map(line).collect::<Vec<_>>(), 0, style)
}

impl RestorableEntry {
    fn explanation(&self, names: &RecipientNames) -> Vec<String> {
        let who = match &self.recipients {
            Some(recipients) if recipients.is_empty() => None,
            Some(recipients) => Some(format!("can decrypt it: {}", listed(&names.sorted(recipients)))),
            None => Some("recipients unknown".to_owned()),
        };
        let unaccepted = (!self.unaccepted.is_empty())
            .then(|| format!("not accepted for this artifact: {}", listed(&names.sorted(&self.unaccepted))));
        let older = self.newer.as_ref().map(|newer| {
            let generated = self.generated.as_ref().map(|time| format!(", generated {time}")).unwrap_or_default();
            format!("an older value{generated}; a newer one was generated {newer}")
        });
        who.into_iter().chain(unaccepted).chain(older).chain(self.notes.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Side;
    use crate::testing::{plain, style};

    fn entry(done: Option<RowAction>) -> RestorableEntry {
        let recipients = BTreeSet::from(["age1a".to_owned(), "age1b".to_owned()]);
        let before = Some(Side::Secret { size: Some(788), recipients: Some(recipients.clone()) });
        RestorableEntry {
            name: "per-machine/web2/tls".parse().unwrap(),
            storage: "secrets".to_owned(),
            at: "2026-11-22T14:03:00Z".to_owned(),
            command: Some("rekey".to_owned()),
            backend: None,
            size: (1, 788),
            contents: vec![FileChange { file: "key".to_owned(), before, after: None }],
            generated: Some("2026-10-01T00:00:00Z".to_owned()),
            newer: Some("2026-11-22T14:03:00Z".to_owned()),
            recipients: Some(recipients),
            unaccepted: BTreeSet::from(["age1b".to_owned()]),
            notes: vec!["not declared".to_owned()],
            done,
            replaced: None,
        }
    }

    #[test]
    fn who_can_decrypt_it_and_that_it_is_older_is_said_before_it_comes_back() {
        let names = RecipientNames::default();
        let shown = |entry: RestorableEntry| plain(&restorable(&[entry], &names, &style(usize::MAX)));
        let first = "web2/tls       2026-11-22T14:03:00Z   by rekey, key (2 recipients), 788 B\n";
        assert_eq!(shown(RestorableEntry { notes: Vec::new(), ..entry(None) }), format!("trashed  {first}"));
        let asked = shown(entry(Some(RowAction::WouldRestore)));
        for said in [
            "would restore  web2/tls",
            "can decrypt it: age1a, age1b\n",
            "not accepted for this artifact: age1b\n",
            "an older value, generated 2026-10-01T00:00:00Z; a newer one was generated 2026-11-22T14:03:00Z\n",
            "not declared\n",
        ] {
            assert!(asked.contains(said), "{said}: {asked}");
        }
        let unknown = RestorableEntry { recipients: None, ..entry(Some(RowAction::WouldRestore)) };
        assert!(shown(unknown).contains("recipients unknown"));
        assert_eq!(restorable(&[], &names, &style(80)), "");
    }
}
