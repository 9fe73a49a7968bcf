use std::collections::BTreeMap;

use artifacts_plan::InstanceState;
use artifacts_text::shell_word;

use crate::Report;

/// So many hints are shown of one state.
const SHOWN: usize = 2;
/// So many instances are named in one command.
const NAMED: usize = 3;

/// Says what a hint does to the stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing is stored yet.
    Generates,
    /// The value is kept.
    Keeps,
    /// The value of before comes back.
    Undoes,
    /// Nothing; it shows what happened.
    Reviews,
    /// The value goes to the trash.
    Trashes,
    /// The value is replaced.
    Replaces,
}

impl Effect {
    /// Every effect, in order.
    pub const ALL: [Self; 6] =
        [Self::Generates, Self::Keeps, Self::Undoes, Self::Reviews, Self::Trashes, Self::Replaces];

    fn label(self) -> &'static str {
        match self {
            Self::Generates => "",
            Self::Keeps => "keep: ",
            Self::Undoes => "undo: ",
            Self::Reviews => "review: ",
            Self::Trashes => "trash: ",
            Self::Replaces => "new value: ",
        }
    }

    /// Returns its word, as `--json` has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Generates => "generate",
            Self::Keeps => "keep",
            Self::Undoes => "undo",
            Self::Reviews => "review",
            Self::Trashes => "trash",
            Self::Replaces => "new value",
        }
    }
}

/// Holds one thing to do about the state of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What it does to the value.
    pub effect: Effect,
    /// How it is done.
    pub way: Way,
}

/// Says how something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A command that works now, word by word.
    Command(Vec<String>),
    /// Something that no command does.
    Text(String),
}

impl Hint {
    /// A command.
    pub fn command<S: Into<String>>(effect: Effect, words: impl IntoIterator<Item = S>) -> Self {
        Self { effect, way: Way::Command(words.into_iter().map(Into::into).collect()) }
    }

    /// A change that no command makes.
    pub fn text(effect: Effect, text: impl Into<String>) -> Self {
        Self { effect, way: Way::Text(text.into()) }
    }

    /// The same without the instance's name, where it says the same for others.
    fn shape(&self, name: &str) -> (Effect, Vec<Option<&str>>, Option<&str>) {
        match &self.way {
            Way::Command(words) => {
                (self.effect, words.iter().map(|word| (word != name).then_some(word.as_str())).collect(), None)
            }
            Way::Text(text) => (self.effect, Vec::new(), Some(text)),
        }
    }

    /// As it is shown for these instances, of which it is the first one's.
    fn shown(&self, names: &[&str]) -> String {
        let Way::Command(words) = &self.way else {
            let Way::Text(text) = &self.way else { return String::new() };
            return text.clone();
        };
        let takes_name = names.first().is_some_and(|name| words.iter().any(|word| word == name));
        let mut shown = Vec::new();
        for word in words {
            match names.first() {
                Some(name) if word == name => shown.extend(names.iter().take(NAMED).map(|name| shell_word(name))),
                _ => shown.push(shell_word(word)),
            }
        }
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 && takes_name { format!(" and {more} more") } else { String::new() };
        format!("`{}`{more}", shown.join(" "))
    }
}

/// Hints in one line: at most two, and the one that replaces a value never alone and never first. Of these instances they are the
/// first one's.
pub fn hint_line(hints: &[Hint], names: &[&str]) -> Option<String> {
    let mut hints: Vec<&Hint> = hints.iter().collect();
    hints.sort_by_key(|hint| hint.effect == Effect::Replaces);
    if hints.first().is_none_or(|hint| hint.effect == Effect::Replaces) {
        return None;
    }
    // What replaces a value comes last, and is left out rather than what keeps it.
    hints.truncate(SHOWN);
    let label = |hint: &Hint| if hints.len() > 1 { hint.effect.label() } else { "" };
    Some(hints.iter().map(|hint| format!("{}{}", label(hint), hint.shown(names))).collect::<Vec<_>>().join("; "))
}

impl Report {
    /// What to do about instances that are absent or stale: a line for each cause.
    pub fn hints(&self) -> Vec<String> {
        let mut lines: Vec<(String, &[Hint], Vec<String>)> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (name, row) in self.rows.iter().filter(|(_, row)| row.done.is_none() && !row.hints.is_empty()) {
            let name = name.to_string();
            let label = label(&row.state);
            let shapes: Vec<_> = row.hints.iter().map(|hint| hint.shape(&name)).collect();
            let key = format!("{label}{shapes:?}");
            let at = *seen.entry(key).or_insert(lines.len());
            match lines.get_mut(at) {
                Some((.., names)) => names.push(name),
                None => lines.push((label, &row.hints, vec![name])),
            }
        }
        lines.into_iter().filter_map(|(label, hints, names)| line(&label, hints, &names)).collect()
    }
}

/// The hints of the first of these instances, for all of them.
fn line(label: &str, hints: &[Hint], names: &[String]) -> Option<String> {
    let first = names.first()?;
    // A command for one file of one instance takes no second name.
    let takes_more = hints.iter().all(|hint| match &hint.way {
        Way::Command(words) => words.last() == Some(first),
        Way::Text(_) => true,
    });
    let more = if takes_more { 0 } else { names.len() - 1 };
    let names: Vec<&str> = names.iter().map(String::as_str).take(names.len() - more).collect();
    let more = if more > 0 { format!(", and the same for {more} more") } else { String::new() };
    Some(format!("{label}: {}{more}", hint_line(hints, &names)?))
}

/// `stale (files, receipt)`.
fn label(state: &InstanceState) -> String {
    let mut kinds: Vec<&str> = state.reasons().iter().map(|reason| reason.kind.as_str()).collect();
    kinds.dedup();
    if kinds.is_empty() { state.as_str().to_owned() } else { format!("{} ({})", state.as_str(), kinds.join(", ")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use artifacts_declared::InstanceName;
    use artifacts_plan::{Reason, ReasonKind};

    use super::*;
    use crate::InstanceRow;

    fn row(name: &str, kind: ReasonKind, hints: Vec<Hint>) -> (InstanceName, InstanceRow) {
        let row = InstanceRow::new(None, InstanceState::Stale(vec![Reason::new(kind, "why")]));
        (name.parse().unwrap(), InstanceRow { hints, ..row })
    }

    fn rekey(name: &str) -> Vec<Hint> {
        vec![Hint::command(Effect::Keeps, ["artifacts", "rekey", name])]
    }

    fn outdated(name: &str) -> Vec<Hint> {
        vec![
            Hint::command(Effect::Replaces, ["artifacts", "generate", "--stale", name]),
            Hint::command(Effect::Keeps, ["artifacts", "adopt", name]),
        ]
    }

    #[test]
    fn one_cause_is_one_line_that_names_three() {
        let names = ["shared/a", "shared/b", "shared/c", "shared/d", "shared/e"];
        let rows = names.iter().map(|name| row(name, ReasonKind::Recipients, rekey(name))).collect();
        let report = Report { rows, ..Report::default() };
        assert_eq!(report.hints(), ["stale (recipients): `artifacts rekey shared/a shared/b shared/c` and 2 more"]);
    }

    #[test]
    fn what_replaces_a_value_stands_neither_first_nor_alone() {
        let report =
            Report { rows: [row("shared/a", ReasonKind::Expired, outdated("shared/a"))].into(), ..Report::default() };
        let line =
            "stale (expired): keep: `artifacts adopt shared/a`; new value: `artifacts generate --stale shared/a`";
        assert_eq!(report.hints(), [line]);
        assert_eq!(hint_line(&outdated("a")[..1], &["a"]), None);
    }

    #[test]
    fn a_command_for_one_file_is_not_given_a_second_name() {
        let set = |name: &str| vec![Hint::command(Effect::Keeps, ["artifacts", "set", name, "f g"])];
        let rows = ["shared/a", "shared/b"].map(|name| row(name, ReasonKind::Files, set(name))).into();
        let report = Report { rows, ..Report::default() };
        assert_eq!(report.hints(), ["stale (files): `artifacts set shared/a 'f g'`, and the same for 1 more"]);
    }
}
