//! Whose the recipients of a run are, for people. Nothing of it decides anything.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Label;
use artifacts_plan::{Cause, InstanceState};
use artifacts_report::{EVERYONE, KnownRecipient, RecipientChange, RecipientNames};
use artifacts_text::visible_ascii;
use artifacts_trust::AcceptedRecipients;

use crate::declared_keys::DeclaredKeys;

/// Tells whose recipients are, from all that is known: what is declared, what backends say, what was accepted, and what receipts say.
pub(crate) struct Names<'a> {
    pub declared: &'a DeclaredKeys,
    /// By the word of backends.
    pub labels: &'a BTreeMap<String, String>,
    /// By the word of receipts, which anyone who can push may have written.
    pub stored: &'a BTreeMap<String, String>,
    /// None where that cannot be read.
    pub accepted: Option<&'a AcceptedRecipients>,
}

impl Names<'_> {
    /// Every name that the declarations or a backend give a recipient now.
    pub(crate) fn current(&self, key: &str) -> Option<Label> {
        self.declared.full_label(key, self.labels.get(key)).filter(|label| label.names().next().is_some())
    }

    /// Every name of a recipient.
    pub(crate) fn label(&self, key: &str) -> Option<Label> {
        self.or_earlier(key, self.declared.full_label(key, self.labels.get(key)))
    }

    /// The label, or the one that it had, if it has no name now.
    fn or_earlier(&self, key: &str, current: Option<Label>) -> Option<Label> {
        let named = current.clone().filter(|label| label.names().next().is_some());
        named
            .or_else(|| self.accepted?.label(key))
            .or_else(|| self.stored.get(key).map(|name| Label::Claimed(name.trim().to_owned())))
            .or(current)
    }

    /// The keys that were accepted under each name of a label in place of this one.
    fn earlier(&self, label: &Label, key: &str) -> BTreeMap<String, BTreeSet<String>> {
        let Some(accepted) = self.accepted else { return BTreeMap::new() };
        // The same key in the form of another backend is no other one.
        let converted = |key: &str| artifacts_age::recipient_of_ssh(key).unwrap_or_else(|| key.to_owned());
        let sought = LazyCell::new(|| converted(key));
        let others = |name: &str| {
            let others = accepted.others_named(name, |one| one == key || converted(one) == *sought);
            others.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let by_name = label.names().map(|name| (name.to_owned(), others(name)));
        by_name.filter(|(_, others)| !others.is_empty()).collect()
    }

    /// The keys that have a name now under which this one was accepted, where this one has none any more.
    fn later(&self, key: &str) -> BTreeSet<String> {
        let is_declared = || self.current(key).is_some_and(|label| label.is_declared());
        let Some(label) = self.accepted.and_then(|accepted| accepted.label(key)).filter(|_| !is_declared()) else {
            return BTreeSet::new();
        };
        let mut others: BTreeSet<String> = label.names().flat_map(|name| self.declared.keys_named(name)).collect();
        others.remove(key);
        let converted: Vec<String> = others.iter().filter_map(|key| artifacts_age::recipient_of_ssh(key)).collect();
        others.retain(|key| !converted.contains(key));
        others
    }

    fn known(&self, key: &str) -> KnownRecipient {
        if key == EVERYONE {
            return KnownRecipient { shown: EVERYONE.to_owned(), ..KnownRecipient::default() };
        }
        let earlier = self.label(key).map(|label| self.earlier(&label, key)).unwrap_or_default();
        let mut label = self.or_earlier(key, self.declared.label(key, self.labels.get(key)));
        if let Some(Label::Declared(names)) = &mut label
            && !earlier.keys().any(|name| names.contains(name))
        {
            // The name that has another key now is shown in any case.
            names.extend(earlier.keys().next().cloned());
        }
        let earlier = earlier.into_values().flatten().collect();
        // What is no key could be taken for a name.
        let is_accepted = |accepted: &AcceptedRecipients| !accepted.others_named(key, |_| false).is_empty();
        let is_quoted =
            key.contains(char::is_whitespace) || self.declared.is_name(key) || self.accepted.is_some_and(is_accepted);
        let shown = artifacts_age::fingerprint(key).unwrap_or_else(|| {
            let shown = visible_ascii(key);
            if is_quoted { format!("\"{shown}\"") } else { shown.into_owned() }
        });
        let source = self.declared.source(key, label.as_ref());
        let converted = artifacts_age::recipient_of_ssh(key);
        KnownRecipient { label, source, shown, earlier, later: self.later(key), converted }
    }

    /// What is known of these recipients, and of those that have their names in place of them or had them.
    pub(crate) fn of<'k>(&self, keys: impl IntoIterator<Item = &'k String>) -> RecipientNames {
        let keys: BTreeSet<&String> = keys.into_iter().collect();
        let mut all: BTreeMap<String, KnownRecipient> =
            keys.into_iter().map(|key| (key.clone(), self.known(key))).collect();
        let others: BTreeSet<String> =
            all.values().flat_map(|known| known.earlier.union(&known.later)).cloned().collect();
        for key in others {
            all.entry(key).or_insert_with_key(|key| self.known(key));
        }
        all.into_iter().collect()
    }

    /// What is known of the recipients of these changes.
    pub(crate) fn of_changes<'k>(&self, changes: impl IntoIterator<Item = &'k RecipientChange>) -> RecipientNames {
        self.of(changes.into_iter().flat_map(|change| change.before.iter().chain(&change.after)))
    }
}

/// The recipients that join and leave by these states, by key.
pub(crate) fn changed<'s>(states: impl Iterator<Item = &'s InstanceState>) -> BTreeSet<String> {
    let deltas = states.flat_map(InstanceState::reasons).filter_map(|reason| match &reason.cause {
        Cause::Recipients(delta) => Some(delta),
        _ => None,
    });
    deltas.flat_map(|delta| delta.joined.iter().chain(&delta.left)).cloned().collect()
}

/// Names in the reasons of a state who joins and who leaves.
pub(crate) fn name_reasons(state: &mut InstanceState, names: &RecipientNames) {
    let InstanceState::Stale(reasons) = state else { return };
    for reason in reasons {
        let Cause::Recipients(delta) = &reason.cause else { continue };
        reason.message = names.changed_in_files(delta, false);
    }
}
