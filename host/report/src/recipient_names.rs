use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Label;

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

    /// Names who joins and who leaves: `+mail1 -admin2`. More than three are counted, `+3 -1`, unless `all` are wanted.
    pub fn changed(&self, joined: &BTreeSet<String>, left: &BTreeSet<String>, all: bool) -> String {
        let signed = |sign: char, keys: &BTreeSet<String>| {
            if all || joined.len() + left.len() <= NAMED {
                self.sorted(keys).iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>()
            } else {
                (!keys.is_empty()).then(|| format!("{sign}{}", keys.len())).into_iter().collect()
            }
        };
        [signed('+', joined), signed('-', left)].concat().join(" ")
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
        let changed = |joined: &[&str], left: &[&str], all| known.changed(&set(joined), &set(left), all);
        assert_eq!(changed(&["k1"], &["k2"], false), "+mail1 -admin2");
        assert_eq!(changed(&["k3", "k4"], &[], false), "+\"eve\" +ssh-ed25519 SHA256:x");
        assert_eq!(changed(&["k1", "k3", "k4"], &["k2"], false), "+3 -1");
        assert_eq!(changed(&[], &["k1", "k2", "k3", "k4"], false), "-4");
        assert_eq!(changed(&["k1", "k3", "age1\u{1b}"], &["k2"], true), "+\"eve\" +age1\\u{1b} +mail1 -admin2");
    }
}
