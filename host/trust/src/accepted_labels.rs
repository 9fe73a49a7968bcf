//! The labels under which recipients were accepted. A label is never identity: this only finds out that one has another key now.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Label;
use serde::{Deserialize, Serialize};

/// So much of a name that anyone could have written is kept, in bytes.
const LONGEST: usize = 256;

/// Maps each name to the recipients that were accepted last under it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct AcceptedLabels(BTreeMap<String, NamedKeys>);

/// Holds the recipients of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedKeys {
    keys: BTreeSet<String>,
    /// Whether the name was by the declarations.
    declared: bool,
    /// Recipients that had the name before these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    former: BTreeSet<String>,
}

impl NamedKeys {
    /// Keeps who had the name before.
    fn after(mut self, before: Option<&Self>) -> Self {
        let all = before.into_iter().flat_map(|before| before.former.union(&before.keys));
        self.former.extend(all.filter(|key| !self.keys.contains(*key)).cloned());
        self
    }
}

/// Holds the labels that recipients of a run have, by key.
#[derive(Debug, Clone, Default)]
pub struct NewLabels {
    /// Of those that were shown as new and accepted just now: a name of theirs belongs to them alone from now on.
    pub joined: BTreeMap<String, Label>,
    /// Of those that were accepted before. A name of theirs counts where it has no recipient yet.
    pub known: BTreeMap<String, Label>,
    /// Of every recipient that has a name from an earlier yes, whether this run is about it or not: the labels that it has now.
    pub still: BTreeMap<String, Label>,
}

impl AcceptedLabels {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The label of a recipient, what was declared first.
    pub(crate) fn of(&self, key: &str) -> Option<Label> {
        let all = self.0.iter().filter(|(_, of_name)| of_name.keys.contains(key));
        let (declared, claimed): (Vec<_>, Vec<_>) = all.partition(|(_, of_name)| of_name.declared);
        let names: BTreeSet<String> = declared.into_iter().map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            claimed.first().map(|(name, _)| Label::Claimed((*name).clone()))
        } else {
            Some(Label::Declared(names))
        }
    }

    /// All recipients that have or had a name.
    pub(crate) fn ever(&self, name: &str) -> BTreeSet<&str> {
        let named = self.0.get(kept(name)).into_iter();
        named.flat_map(|named| named.keys.union(&named.former)).map(String::as_str).collect()
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All recipients that have a name.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.values().flat_map(|of_name| &of_name.keys)
    }

    /// The recipients of a name, if none of them is the one that is sought.
    pub(crate) fn others(&self, name: &str, is_sought: impl Fn(&str) -> bool) -> BTreeSet<&str> {
        let named = self.0.get(kept(name)).filter(|named| !named.keys.iter().any(|key| is_sought(key)));
        named.into_iter().flat_map(|named| &named.keys).map(String::as_str).collect()
    }

    /// Whether there is anything to learn where nothing was asked.
    pub(crate) fn learn_from(&self, new: &NewLabels) -> bool {
        new.known.values().flat_map(Label::names).any(|name| !self.0.contains_key(kept(name)))
    }

    pub(crate) fn accept(&mut self, new: &NewLabels) {
        let mut joined: BTreeMap<&str, NamedKeys> = by_name(&new.joined);
        for (name, still) in by_name(&new.still) {
            // Who had the name and still has it keeps it, also where this run is not about it.
            if let (Some(joined), Some(before)) = (joined.get_mut(name), self.0.get(name)) {
                joined.keys.extend(still.keys.intersection(&before.keys).cloned());
            }
        }
        for (name, known) in by_name(&new.known) {
            match (joined.get_mut(name), self.0.get(name)) {
                (Some(joined), Some(before)) => joined.keys.extend(known.keys.intersection(&before.keys).cloned()),
                (Some(_), None) | (None, Some(_)) => {}
                (None, None) => drop(joined.insert(name, known)),
            }
        }
        let named = joined.into_iter().map(|(name, named)| (name.to_owned(), named.after(self.0.get(name))));
        let named: Vec<(String, NamedKeys)> = named.collect();
        self.0.extend(named);
    }
}

fn by_name(labels: &BTreeMap<String, Label>) -> BTreeMap<&str, NamedKeys> {
    let mut by_name: BTreeMap<&str, NamedKeys> = BTreeMap::new();
    for (key, label) in labels {
        for name in label.names() {
            let named = by_name.entry(kept(name)).or_default();
            named.keys.insert(key.clone());
            named.declared |= label.is_declared();
        }
    }
    by_name
}

fn kept(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str) -> Label {
        Label::Declared(BTreeSet::from([name.to_owned()]))
    }

    fn labels(labels: &[(&str, Label)]) -> BTreeMap<String, Label> {
        labels.iter().map(|(key, label)| ((*key).to_owned(), label.clone())).collect()
    }

    fn others<'a>(accepted: &'a AcceptedLabels, label: &Label, key: &str) -> BTreeSet<&'a str> {
        label.names().flat_map(|name| accepted.others(name, |one| one == key)).collect()
    }

    fn joined(accepted: &mut AcceptedLabels, of: &[(&str, Label)]) {
        accepted.accept(&NewLabels { joined: labels(of), ..NewLabels::default() });
    }

    #[test]
    fn another_key_under_a_name_is_found_out_whoever_gives_the_name() {
        let mut accepted = AcceptedLabels::default();
        joined(&mut accepted, &[("k1", declared("alice")), ("k2", declared("bob"))]);
        for label in [declared("alice"), Label::Claimed("alice".to_owned())] {
            assert_eq!(others(&accepted, &label, "evil"), BTreeSet::from(["k1"]), "{label}");
            assert_eq!(others(&accepted, &label, "k2"), BTreeSet::from(["k1"]), "a name that another key had, {label}");
            assert!(others(&accepted, &label, "k1").is_empty());
        }
        assert!(others(&accepted, &declared("carol"), "evil").is_empty());
        assert!(others(&accepted, &Label::Position("alice".to_owned()), "evil").is_empty(), "a position is no name");
    }

    #[test]
    fn after_a_yes_the_name_belongs_to_the_new_key_alone() {
        let mut accepted = AcceptedLabels::default();
        joined(&mut accepted, &[("k1", declared("alice"))]);
        joined(&mut accepted, &[("k2", declared("alice"))]);
        assert!(others(&accepted, &declared("alice"), "k2").is_empty());
        assert_eq!(others(&accepted, &declared("alice"), "k1"), BTreeSet::from(["k2"]), "the old key comes back");
        assert_eq!((accepted.of("k1"), accepted.of("k2")), (None, Some(declared("alice"))));
    }

    #[test]
    fn every_key_that_ever_had_a_name_is_still_found_by_it() {
        let mut accepted = AcceptedLabels::default();
        for keys in [&["k1"][..], &["k2"], &["k1"], &["k3"]] {
            let of: Vec<(&str, Label)> = keys.iter().map(|key| (*key, declared("alice"))).collect();
            joined(&mut accepted, &of);
        }
        assert_eq!(accepted.ever("alice"), BTreeSet::from(["k1", "k2", "k3"]));
        assert!(accepted.ever("bob").is_empty());
        let json = serde_json::to_string(&accepted).unwrap_or_default();
        assert!(serde_json::from_str::<AcceptedLabels>(&json).is_ok_and(|read| read == accepted));
        // As an earlier version stored it.
        let before = r#"{"alice": {"keys": ["k1"], "declared": true}}"#;
        let read = serde_json::from_str::<AcceptedLabels>(before).unwrap_or_default();
        assert_eq!(read.ever("alice"), BTreeSet::from(["k1"]));
    }

    #[test]
    fn what_was_not_shown_takes_no_name_from_anyone() {
        let mut accepted = AcceptedLabels::default();
        joined(&mut accepted, &[("k1", declared("alice"))]);
        let known = labels(&[("k2", declared("alice")), ("k3", declared("carol"))]);
        let new = NewLabels { known, ..NewLabels::default() };
        assert!(accepted.learn_from(&new));
        accepted.accept(&new);
        assert!(!accepted.learn_from(&new));
        assert_eq!(others(&accepted, &declared("alice"), "k2"), BTreeSet::from(["k1"]));
        assert_eq!(accepted.of("k3"), Some(declared("carol")));
        // One name on two machines, with a key on each: the one that had it keeps it.
        let new = NewLabels {
            joined: labels(&[("k4", declared("alice"))]),
            known: labels(&[("k1", declared("alice"))]),
            ..NewLabels::default()
        };
        accepted.accept(&new);
        assert!(["k1", "k4"].iter().all(|key| others(&accepted, &declared("alice"), key).is_empty()));
    }

    #[test]
    fn a_key_that_is_still_declared_elsewhere_keeps_its_name() {
        let mut accepted = AcceptedLabels::default();
        joined(&mut accepted, &[("k1", declared("alice")), ("k3", declared("bob"))]);
        let (joined, still) = (labels(&[("k2", declared("alice"))]), labels(&[("k1", declared("alice"))]));
        accepted.accept(&NewLabels { joined, still, ..NewLabels::default() });
        assert!(["k1", "k2"].iter().all(|key| others(&accepted, &declared("alice"), key).is_empty()));
        // Who never had a name by a yes gets none because it is declared.
        let (joined, still) = (labels(&[("k4", declared("alice"))]), labels(&[("k3", declared("alice"))]));
        accepted.accept(&NewLabels { joined, still, ..NewLabels::default() });
        assert_eq!(others(&accepted, &declared("alice"), "k3"), BTreeSet::from(["k4"]));
    }

    #[test]
    fn two_names_of_one_key_are_both_kept_and_a_claim_is_kept_as_one() {
        let mut accepted = AcceptedLabels::default();
        let both = Label::Declared(["alice", "root"].map(str::to_owned).into());
        joined(&mut accepted, &[("k1", both.clone()), ("k2", Label::Claimed("alice@laptop".to_owned()))]);
        assert_eq!(accepted.of("k1"), Some(both));
        assert_eq!(accepted.of("k2"), Some(Label::Claimed("alice@laptop".to_owned())));
        let json = serde_json::to_string(&accepted).unwrap_or_default();
        assert!(serde_json::from_str::<AcceptedLabels>(&json).is_ok_and(|read| read == accepted));
    }

    #[test]
    fn a_name_of_a_mebibyte_is_kept_in_part_and_still_compared() {
        let mut accepted = AcceptedLabels::default();
        let long = Label::Claimed("\u{e9}".repeat(1 << 19));
        joined(&mut accepted, &[("k1", long.clone())]);
        assert!(serde_json::to_string(&accepted).is_ok_and(|json| json.len() < 1000));
        assert_eq!(others(&accepted, &long, "k2"), BTreeSet::from(["k1"]));
    }
}
