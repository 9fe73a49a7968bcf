use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::AnsiColor;
use artifacts_text::terminal;
use schemars::JsonSchema;
use serde::Serialize;

/// Whom a file was encrypted to, and whom it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RecipientChange {
    /// The instance's name.
    pub instance: String,
    /// The file.
    pub file: String,
    /// The recipients that were agreed to.
    pub before: BTreeSet<String>,
    /// Those that it would have.
    pub after: BTreeSet<String>,
}

/// So many instances that change alike are named.
const NAMED: usize = 10;

/// Recipients before and after.
type Sides<'a> = (&'a BTreeSet<String>, &'a BTreeSet<String>);

/// Changes of recipients, those that are alike shown once, each recipient whole: an abbreviated key is no key.
pub fn recipient_changes(changes: &[RecipientChange]) -> String {
    blocks("recipients change:", changes)
}

/// The same for what has to be accepted: where nothing was accepted before, it is a first use.
pub fn recipient_questions(changes: &[RecipientChange]) -> String {
    let (first, others): (Vec<_>, Vec<_>) = changes.iter().cloned().partition(|change| change.before.is_empty());
    blocks("first use of these recipients on this machine:", &first) + &recipient_changes(&others)
}

pub(crate) fn blocks(heading: &str, changes: &[RecipientChange]) -> String {
    let mut alike: BTreeMap<Sides<'_>, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for change in changes {
        let instances = alike.entry((&change.before, &change.after)).or_default();
        instances.entry(&change.instance).or_default().push(&change.file);
    }
    let mut text = String::new();
    let mut alike: Vec<_> = alike.into_iter().collect();
    alike.sort_by(|(_, one), (_, other)| one.keys().next().cmp(&other.keys().next()));
    for ((before, after), instances) in alike {
        let _ = writeln!(text, "{heading}");
        for (instance, files) in instances.iter().take(NAMED) {
            let _ = writeln!(text, "    {}: {}", terminal(instance), terminal(&files.join(", ")));
        }
        if let Some(more) = instances.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = writeln!(text, "    and {more} more {}", if more == 1 { "artifact" } else { "artifacts" });
        }
        let (green, red) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default());
        for recipient in before.union(after) {
            let shown = terminal(recipient);
            let _ = match (before.contains(recipient), after.contains(recipient)) {
                (true, true) => writeln!(text, "    {shown}"),
                (false, _) => writeln!(text, "  {green}+ {shown}{green:#}"),
                (_, false) => writeln!(text, "  {red}- {shown}{red:#}"),
            };
        }
    }
    text
}

impl RecipientChange {
    /// `1 added, 2 removed`.
    pub fn count(&self) -> String {
        let joined = self.after.difference(&self.before).count();
        let left = self.before.difference(&self.after).count();
        format!("{joined} added, {left} removed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_changes_alike_is_shown_once_with_everybody_before_and_after() {
        let change = |instance: usize| RecipientChange {
            instance: format!("shared/{instance:02}"),
            file: "f".to_owned(),
            before: set(&["a", "b"]),
            after: set(&["b", "c\u{1b}[2J"]),
        };
        let text = recipient_changes(&(0..12).map(change).collect::<Vec<_>>());
        assert_eq!(text.matches("recipients change:").count(), 1);
        assert!(text.contains("shared/09: f\n    and 2 more artifacts\n"), "{text}");
        assert!(text.contains("- a") && text.contains("    b\n") && text.contains("+ c\\u{1b}[2J"), "{text}");
        let text = recipient_changes(&(0..11).map(change).collect::<Vec<_>>());
        assert!(text.contains("    and 1 more artifact\n"), "{text}");
        assert_eq!(change(0).count(), "1 added, 1 removed");
    }

    #[test]
    fn a_first_use_is_no_change() {
        let change = |before: &[&str]| RecipientChange {
            instance: "shared/a".to_owned(),
            file: "f".to_owned(),
            before: set(before),
            after: set(&["k1"]),
        };
        let first = "first use of these recipients on this machine:\n    shared/a: f\n";
        let text = recipient_questions(&[change(&[]), change(&["k0"])]);
        assert!(text.starts_with(first) && text.contains("recipients change:\n"), "{text}");
        assert!(!recipient_questions(&[change(&["k0"])]).contains("first use"));
        assert!(!recipient_changes(&[change(&[])]).contains("first use"));
    }
}
