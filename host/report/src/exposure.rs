//! What a recipient could read: where their key was a recipient, and what is known of each value since.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_text::{counted, listed_up_to};

use crate::Style;
use crate::hints::NAMED;
use crate::layout::{Below, Line, PLAIN, YELLOW, layout};
use crate::text::wrapped;

/// Lists what a recipient could read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Who was asked for: a name that was accepted on this machine, or a key.
    pub who: String,
    /// Their keys, as they are shown.
    pub keys: Vec<String>,
    /// The values, dependencies first.
    pub values: Vec<ExposedValue>,
    /// What could not be searched, a sentence each.
    pub gaps: Vec<String>,
    /// Whether a person has seen it in this run.
    pub is_shown: bool,
}

/// Describes what is known of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct ExposedValue {
    /// The instance.
    pub name: InstanceName,
    /// Whether a stored entry of it names them as a recipient.
    pub is_stored: bool,
    /// Whether this machine accepted them for it last.
    pub is_accepted: bool,
    /// How many entries in the trash name them.
    pub trash: usize,
    /// How many versions in git's history name them.
    pub history: usize,
    /// Names under which it was stored then.
    pub former: BTreeSet<InstanceName>,
    /// Whether an entry of it has unknown recipients.
    pub is_unknown: bool,
    /// What it was generated from, of what they could read.
    pub from: BTreeSet<InstanceName>,
    /// Whether they are declared as its recipient now.
    pub is_recipient: bool,
    /// Whether it is declared, and a value of it is stored.
    pub is_replaceable: bool,
    /// Whether it is declared to be replaced by hand.
    pub is_manual: bool,
    /// Whether its value is a new one: known where both were decrypted.
    pub is_new: Option<bool>,
}

impl ExposedValue {
    /// Describes an instance of which nothing is known yet.
    pub fn new(name: InstanceName) -> Self {
        Self {
            name,
            is_stored: false,
            is_accepted: false,
            trash: 0,
            history: 0,
            former: BTreeSet::new(),
            is_unknown: false,
            from: BTreeSet::new(),
            is_recipient: false,
            is_replaceable: false,
            is_manual: false,
            is_new: None,
        }
    }

    /// Returns whether their key was a recipient of it somewhere.
    pub fn is_readable(&self) -> bool {
        self.is_stored || self.is_accepted || self.is_recipient || self.trash > 0 || self.history > 0
    }

    /// Returns whether a new value may still be wanted, and there can be one.
    pub fn is_open(&self) -> bool {
        self.is_replaceable && self.is_new != Some(true)
    }

    fn line(&self, style: &Style) -> Line {
        let word = match (self.is_readable(), self.is_unknown) {
            (true, _) => "could read",
            (false, true) => "unknown",
            (false, false) => "derived",
        };
        Line {
            word,
            paint: if self.is_open() { YELLOW } else { PLAIN },
            name: style.names.shorten(&self.name),
            last: self.places().join(", "),
            below: self.explanation(style).into_iter().map(Below::Text).collect(),
            ..Line::default()
        }
    }

    fn places(&self) -> Vec<String> {
        let stored = self.is_stored.then(|| "stored".to_owned());
        let accepted = (self.is_accepted && !self.is_stored).then(|| "accepted on this machine".to_owned());
        let trash = (self.trash > 0).then(|| format!("trash ({})", self.trash));
        let history = (self.history > 0).then(|| format!("git history ({})", counted(self.history, "version")));
        [stored, accepted, trash, history].into_iter().flatten().collect()
    }

    fn explanation(&self, style: &Style) -> Vec<String> {
        let names = |names: &BTreeSet<InstanceName>| {
            listed_up_to(&names.iter().map(|name| style.names.shorten(name)).collect::<Vec<_>>(), NAMED)
        };
        let former = (!self.former.is_empty()).then(|| format!("stored as {} then", names(&self.former)));
        let unknown =
            self.is_unknown.then(|| "recipients unknown: it was added or modified outside artifacts".to_owned());
        let from = (!self.from.is_empty()).then(|| format!("generated from {}", names(&self.from)));
        let still = self.is_recipient.then(|| "still declared as a recipient".to_owned());
        let new = match self.is_new {
            _ if !self.is_replaceable => Some("no value is stored that could be replaced"),
            // The summary counts these.
            None => None,
            Some(true) => Some("new value since: yes"),
            Some(false) => Some("new value since: no"),
        };
        let manual = self.is_manual.then(|| format!("manual: `artifacts rotate {}`", style.names.shorten(&self.name)));
        [former, unknown, from, still, new.map(str::to_owned), manual].into_iter().flatten().collect()
    }
}

impl Exposure {
    /// Returns whether a value is left that may have to be replaced; `is_done` tells of those that were.
    pub(crate) fn is_open(&self, is_done: impl Fn(&InstanceName) -> bool) -> bool {
        self.values.iter().any(|value| value.is_open() && !is_done(&value.name))
    }

    /// Returns the page: who it is, what they could read, and what was not searched.
    pub fn page(&self, style: &Style) -> String {
        let line = |word, name: &str, text: &str| Line {
            word,
            name: name.to_owned(),
            last: text.to_owned(),
            ..Line::default()
        };
        let who: Vec<Line> = self.keys.iter().map(|key| line("recipient", &self.who, key)).collect();
        let values: Vec<Line> = self.values.iter().map(|value| value.line(style)).collect();
        let gaps: String =
            self.gaps.iter().map(|gap| crate::warning(&format!("incomplete: {gap}"), None, style)).collect();
        let none = if self.values.is_empty() { "no value is known that they could read\n" } else { "" };
        layout(&who, 0, style) + &layout(&values, 0, style) + none + &gaps
    }

    /// Returns how many values were listed, and what is known of them since: `4 values listed: 3 with a new value since, 1 unknown`.
    /// `is_done` tells of those that were replaced in this run. Nothing where none was listed.
    pub(crate) fn summary(&self, is_done: impl Fn(&InstanceName) -> bool, style: &Style) -> String {
        if self.values.is_empty() {
            return String::new();
        }
        let [mut new, mut same, mut unknown, mut absent] = [0_usize; 4];
        for value in &self.values {
            *match value.is_new {
                _ if is_done(&value.name) => &mut new,
                _ if !value.is_replaceable => &mut absent,
                Some(true) => &mut new,
                Some(false) => &mut same,
                None => &mut unknown,
            } += 1;
        }
        let parts = [
            (new, "with a new value since"),
            (same, "with the same value"),
            (unknown, "unknown"),
            (absent, "not stored"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let line = format!("{} listed: {}", counted(self.values.len(), "value"), parts.collect::<Vec<_>>().join(", "));
        format!("{}\n", wrapped(&line, 2, style))
    }

    /// Returns the page of one value, before a question about it.
    pub fn page_of(value: &ExposedValue, style: &Style) -> String {
        layout(&[value.line(style)], 0, style)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{plain, style};

    fn value(name: &str) -> ExposedValue {
        ExposedValue { is_replaceable: true, ..ExposedValue::new(name.parse().unwrap()) }
    }

    #[test]
    fn each_value_says_where_it_could_be_read_and_what_is_known_of_it_since() {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<InstanceName>>();
        let exposure = Exposure {
            who: "admin2".to_owned(),
            keys: vec!["age1admin2".to_owned()],
            values: vec![
                ExposedValue { is_stored: true, is_recipient: true, trash: 1, history: 2, ..value("shared/ca") },
                ExposedValue { history: 1, former: names(&["shared/old"]), is_new: Some(true), ..value("shared/b") },
                ExposedValue { is_unknown: true, is_manual: true, ..value("shared/c") },
                ExposedValue { from: names(&["shared/ca"]), ..value("shared/d") },
                ExposedValue { is_accepted: true, is_replaceable: false, ..value("shared/e") },
            ],
            gaps: vec!["this is a shallow clone".to_owned()],
            is_shown: false,
        };
        let expected = "recipient  admin2         age1admin2\n\
            could read  shared/ca      stored, trash (1), git history (2 versions)\n\
            \x20           still declared as a recipient\n\
            could read  shared/b       git history (1 version)\n\
            \x20           stored as shared/old then\n\
            \x20           new value since: yes\n\
            unknown     shared/c\n\
            \x20           recipients unknown: it was added or modified outside artifacts\n\
            \x20           manual: `artifacts rotate shared/c`\n\
            derived     shared/d\n\
            \x20           generated from shared/ca\n\
            could read  shared/e       accepted on this machine\n\
            \x20           no value is stored that could be replaced\n\
            warning: incomplete: this is a shallow clone\n";
        assert_eq!(plain(&exposure.page(&style(80))), expected);
        let summary = |done: &str| exposure.summary(|name| name.to_string() == done, &style(80));
        assert_eq!(summary(""), "5 values listed: 1 with a new value since, 3 unknown, 1 not stored\n");
        assert_eq!(summary("shared/d"), "5 values listed: 2 with a new value since, 2 unknown, 1 not stored\n");
        assert_eq!(Exposure::default().summary(|_| false, &style(80)), "");
        let open: Vec<bool> = exposure.values.iter().map(ExposedValue::is_open).collect();
        assert_eq!(open, [true, false, true, true, false]);
        assert!(plain(&Exposure::default().page(&style(80))).starts_with("no value is known"));
    }
}
