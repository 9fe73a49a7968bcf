use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Label;
use artifacts_plan::RecipientDelta;
use artifacts_text::listed_up_to;

/// So many recipients that change are named in one line.
const NAMED: usize = 3;

/// Says whose the recipients are, by key. Nothing of it is identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientNames(BTreeMap<String, KnownRecipient>);

/// Holds what is known of one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRecipient {
    /// Its label, if anything tells one.
    pub label: Option<Label>,
    /// Where its key is declared, such as `host key of nixos web1`; empty where it is not declared any more.
    pub source: String,
    /// Its key as it is shown: the fingerprint of an SSH key or of a long one, any other key whole.
    pub shown: String,
    /// Keys that were accepted under the same name before, in place of this one.
    pub earlier: BTreeSet<String>,
    /// Keys that have its name now, in place of this one.
    pub later: BTreeSet<String>,
    /// The form of an SSH key that some backends use in its place: it is the same person's.
    pub converted: Option<String>,
}

impl RecipientNames {
    /// Returns what is known of a recipient.
    pub fn get(&self, key: &str) -> Option<&KnownRecipient> {
        self.0.get(key)
    }

    /// Adds what is known of others.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Returns the name by which a recipient is shown: its label, or else its key.
    pub fn name(&self, key: &str) -> String {
        match self.get(key) {
            Some(KnownRecipient { label: Some(label), .. }) => label.to_string(),
            Some(known) => known.shown.clone(),
            None => artifacts_text::visible_ascii(key).into_owned(),
        }
    }

    /// Returns the form that a key has in common with those that backends convert it to.
    pub(crate) fn common<'k>(&'k self, key: &'k str) -> &'k str {
        self.get(key).and_then(|known| known.converted.as_deref()).unwrap_or(key)
    }

    /// Returns a key as it is shown.
    pub(crate) fn shown(&self, key: &str) -> String {
        let shown = self.get(key).map(|known| known.shown.clone()).filter(|shown| !shown.is_empty());
        shown.unwrap_or_else(|| artifacts_text::terminal(key).into_owned())
    }

    /// Returns who of those that join takes a name over from another key, and who of those that leave lost it to a key that does not join.
    pub(crate) fn replaced<'k>(
        &self,
        joined: &'k BTreeSet<String>,
        left: &'k BTreeSet<String>,
    ) -> (BTreeSet<&'k String>, BTreeSet<&'k String>) {
        let of = |key: &String, of: fn(&KnownRecipient) -> &BTreeSet<String>| self.get(key).map(of);
        let is_new = |key: &&String| of(key, |known| &known.earlier).is_some_and(|earlier| !earlier.is_empty());
        let new: BTreeSet<&String> = joined.iter().filter(is_new).collect();
        // Who joins in its place says it already.
        let is_old = |key: &&String| of(key, |known| &known.later).is_some_and(|later| !later.is_empty());
        let has_successor = |key: &&String| {
            new.iter().any(|new| of(new, |known| &known.earlier).is_some_and(|earlier| earlier.contains(*key)))
        };
        let old = left.iter().filter(is_old).filter(|key| !has_successor(key)).collect();
        (new, old)
    }

    /// Returns the names of recipients, sorted.
    pub fn sorted<'k>(&self, keys: impl IntoIterator<Item = &'k String>) -> Vec<String> {
        let mut names: Vec<String> = keys.into_iter().map(|key| self.name(key)).collect();
        names.sort();
        names
    }

    /// Returns the labels of these recipients, by key: as they are shown, for programs that show them. A position is no label.
    pub(crate) fn labels<'k>(&self, keys: impl IntoIterator<Item = &'k String>) -> BTreeMap<&'k str, String> {
        let label = |key: &'k String| {
            let label = self.get(key)?.label.as_ref().filter(|label| label.names().next().is_some())?;
            Some((key.as_str(), label.to_string()))
        };
        keys.into_iter().filter_map(label).collect()
    }

    /// Names who joins and who leaves, those first whose key is another one: `KEY CHANGED: web1; +mail1 -admin2`. Of more than three
    /// others, the rest is counted, `+3 -1`, unless `all` are wanted.
    pub fn changed(&self, RecipientDelta { joined, left, .. }: &RecipientDelta, all: bool) -> String {
        let (new, old) = self.replaced(joined, left);
        let replaced: BTreeSet<&String> = new.union(&old).copied().collect();
        let told: BTreeSet<&String> =
            replaced.iter().filter_map(|key| self.get(key)).flat_map(|it| &it.earlier).collect();
        let others = |keys: &BTreeSet<String>| -> BTreeSet<String> {
            keys.iter().filter(|key| !replaced.contains(key) && !told.contains(key)).cloned().collect()
        };
        let names = listed_up_to(&self.sorted(replaced.iter().copied()), if all { usize::MAX } else { NAMED });
        let (joined, left) = (others(joined), others(left));
        let signed = |sign: char, keys: &BTreeSet<String>| {
            if all || joined.len() + left.len() <= NAMED {
                self.sorted(keys).iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
            } else {
                (!keys.is_empty()).then(|| format!("{sign}{}", keys.len())).into_iter().collect()
            }
        };
        let others = [signed('+', &joined), signed('-', &left)].concat().join(" ");
        let changed = (!replaced.is_empty()).then(|| format!("KEY CHANGED: {names}"));
        changed.into_iter().chain(Some(others).filter(|others| !others.is_empty())).collect::<Vec<_>>().join("; ")
    }

    /// Does the same, with the files where these are not all.
    pub fn changed_in_files(&self, delta: &RecipientDelta, all: bool) -> String {
        let who = self.changed(delta, all);
        let files: Vec<&str> = delta.files.iter().map(String::as_str).collect();
        if delta.is_whole { who } else { format!("{who} in {}", files.join(", ")) }
    }
}

impl FromIterator<(String, KnownRecipient)> for RecipientNames {
    fn from_iter<I: IntoIterator<Item = (String, KnownRecipient)>>(known: I) -> Self {
        Self(known.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn three_are_named_and_more_are_counted() {
        let named = |key: &str, label: Label| {
            (key.to_owned(), KnownRecipient { label: Some(label), ..KnownRecipient::default() })
        };
        let declared = |name: &str| Label::Declared(set(&[name]));
        let mut known: RecipientNames = [
            named("k1", declared("mail1")),
            named("k2", declared("admin2")),
            named("k3", Label::Claimed("eve".to_owned())),
        ]
        .into_iter()
        .collect();
        let unlabeled = KnownRecipient { shown: "ssh-ed25519 SHA256:x".to_owned(), ..KnownRecipient::default() };
        known.extend([("k4".to_owned(), unlabeled)].into_iter().collect());
        let delta = |joined: &[&str], left: &[&str]| RecipientDelta {
            joined: set(joined),
            left: set(left),
            ..RecipientDelta::default()
        };
        let changed = |joined: &[&str], left: &[&str], all| known.changed(&delta(joined, left), all);
        assert_eq!(changed(&["k1"], &["k2"], false), "+mail1 -admin2");
        assert_eq!(changed(&["k3", "k4"], &[], false), "+\"eve\" +ssh-ed25519 SHA256:x");
        assert_eq!(changed(&["k1", "k3", "k4"], &["k2"], false), "+3 -1");
        assert_eq!(changed(&[], &["k1", "k2", "k3", "k4"], false), "-4");
        assert_eq!(changed(&["k1", "k3", "age1\u{1b}"], &["k2"], true), "+\"eve\" +age1\\u{1b} +mail1 -admin2");
    }

    #[test]
    fn another_key_under_a_name_is_named_first_however_many_others_change() {
        let one = |key: &str, name: &str, earlier: &[&str], later: &[&str]| {
            let (label, earlier, later) = (Some(Label::Declared(set(&[name]))), set(earlier), set(later));
            (key.to_owned(), KnownRecipient { label, earlier, later, ..KnownRecipient::default() })
        };
        let known: RecipientNames = [
            one("new", "alice", &["old"], &[]),
            one("old", "alice", &[], &["new"]),
            one("gone", "bob", &[], &["kept"]),
            one("k1", "mail1", &[], &[]),
        ]
        .into_iter()
        .collect();
        let changed = |joined: &[&str], left: &[&str]| {
            let (joined, left) = (set(joined), set(left));
            known.changed(&RecipientDelta { joined, left, ..RecipientDelta::default() }, false)
        };
        assert_eq!(changed(&["new"], &["old"]), "KEY CHANGED: alice");
        assert_eq!(changed(&["new"], &[]), "KEY CHANGED: alice", "both keys stay");
        assert_eq!(changed(&[], &["gone"]), "KEY CHANGED: bob", "the key that has its name now was there before");
        assert_eq!(changed(&["new", "k1"], &["old", "gone"]), "KEY CHANGED: alice, bob; +mail1");
        assert_eq!(changed(&["new", "a", "b", "c", "d"], &["old"]), "KEY CHANGED: alice; +4");
    }
}
