//! What to do next: one line for each cause, what keeps the value first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use artifacts_plan::{InstanceState, Reason, ReasonKind};
use artifacts_text::{command_words, shell_word, terminal, terminal_lines};
use textwrap::core::display_width;

use crate::hints::{NAMED, SHOWN, shown, split_name};
use crate::text::wrapped;
use crate::{Hint, InstanceRow, NowStale, Report, Style, Way};

/// Width of the column of causes.
const CAUSES: usize = 22;

/// The order in which reasons are listed: those whose value is kept by one command first.
const ORDER: [ReasonKind; 8] = [
    ReasonKind::Recipients,
    ReasonKind::Files,
    ReasonKind::Expired,
    ReasonKind::Validation,
    ReasonKind::Dependency,
    ReasonKind::Receipt,
    ReasonKind::Format,
    ReasonKind::Backend,
];

/// Instances for which the same is to be done.
struct Cause<'a> {
    /// Where it stands in the list.
    order: usize,
    label: String,
    names: Vec<String>,
    hints: Vec<&'a Hint>,
}

/// Causes, each once.
#[derive(Default)]
struct Causes<'a> {
    list: Vec<Cause<'a>>,
    places: BTreeMap<(usize, String), usize>,
}

impl<'a> Causes<'a> {
    /// Adds an instance; nothing where there is nothing to do.
    fn add(&mut self, order: usize, label: String, name: String, hints: Vec<&'a Hint>) {
        if hints.is_empty() {
            return;
        }
        let shapes: Vec<_> = hints.iter().map(|hint| hint.shape(&name)).collect();
        let place = *self.places.entry((order, format!("{label}{shapes:?}"))).or_insert(self.list.len());
        match self.list.get_mut(place) {
            Some(cause) => cause.names.push(name),
            None => self.list.push(Cause { order, label, names: vec![name], hints }),
        }
    }
}

/// A line: so many of a cause, and what to do.
struct NextLine {
    label: String,
    action: String,
}

impl Report {
    /// Returns what to do next; nothing of nothing.
    pub(crate) fn next(&self, style: &Style) -> String {
        let mut lines: Vec<NextLine> =
            self.causes(style).iter().flat_map(|cause| self.lines_of(cause, style)).collect();
        let generates_all = lines.iter().any(|line| line.action == "artifacts generate");
        if !generates_all {
            lines.extend(self.blocked_lines(style));
        }
        if lines.is_empty() {
            return String::new();
        }
        let width = lines.iter().map(|line| line.label.len()).max().unwrap_or(0).max(CAUSES) + 2;
        let mut text = "next\n".to_owned();
        for NextLine { label, action } in &lines {
            let action = terminal_lines(action);
            let label = terminal(label);
            if (width + 2).saturating_add(display_width(&action)) <= style.width {
                let _ = writeln!(text, "  {label:width$}{action}");
            } else {
                let _ = writeln!(text, "  {label}\n    {}", wrapped(&action, 4, style));
            }
        }
        text
    }

    fn causes(&self, style: &Style) -> Vec<Cause<'_>> {
        let most = if style.verbose { usize::MAX } else { SHOWN };
        let mut causes = Causes::default();
        for (name, row) in self.rows.iter().filter(|(_, row)| row.done.is_none()) {
            let (order, label) = label(row);
            causes.add(order, label, name.to_string(), shown(&row.hints, most));
        }
        let is_told = |stale: &&NowStale| self.rows.get(&stale.name).is_some_and(|row| !row.hints.is_empty());
        for stale in self.now_stale.iter().filter(|stale| !is_told(stale)) {
            causes.add(1 + ORDER.len(), "now stale".to_owned(), stale.name.to_string(), shown(&stale.hints, most));
        }
        for (name, row) in &self.rows {
            let hints = row.unstaged.iter().flat_map(|unstaged| &unstaged.hints).collect();
            causes.add(2 + ORDER.len(), "unstaged".to_owned(), name.to_string(), hints);
        }
        for orphaned in &self.orphaned {
            causes.add(3 + ORDER.len(), "orphaned".to_owned(), orphaned.name.clone(), orphaned.hints.iter().collect());
        }
        causes.list.sort_by_key(|cause| cause.order);
        causes.list
    }

    fn lines_of<'a>(&'a self, cause: &'a Cause<'a>, style: &'a Style) -> impl Iterator<Item = NextLine> + 'a {
        let is_many = cause.names.len() > NAMED;
        // Of many that can be done at once by a command without names, only that is shown.
        let at_once = cause.hints.iter().find(|hint| is_many && takes_no_name(hint, &cause.names));
        // A few are staged by their names.
        let is_staging = cause.label == "unstaged" && cause.hints.iter().any(|hint| takes_no_name(hint, &cause.names));
        let hints: Vec<&Hint> = match at_once {
            Some(hint) => vec![*hint],
            None if is_staging => cause.hints.iter().take(1).copied().collect(),
            None => cause.hints.clone(),
        };
        let is_labeled = hints.len() > 1 || cause.label == "orphaned";
        hints.into_iter().map(move |hint| {
            let suffix = if is_labeled { hint.effect.suffix() } else { "" };
            let all = cause.names.len();
            let (named, action) = self.action(hint, &cause.names, style);
            let count = if named < all { format!("{named} of {all}") } else { all.to_string() };
            NextLine { label: format!("{count} {}{suffix}", cause.label), action }
        })
    }

    /// Returns of how many of these instances an action takes care, and the action.
    fn action(&self, hint: &Hint, names: &[String], style: &Style) -> (usize, String) {
        let (Some(first), all) = (names.first(), names.len()) else { return (0, String::new()) };
        let words = match &hint.way {
            Way::Command(words) => words,
            Way::Text(text) => match command_words(text) {
                Some(words) => return (1, joined(words.iter().map(|word| shell_word(word)))),
                None => return (1, style.names.shorten_text(&format!("{first}: {text}")).into_owned()),
            },
        };
        let shown_word = |word: &str| shown_word(word, words, style);
        if self.means_all(words, first, all) {
            let words = words.iter().filter(|word| *word != first);
            return (all, joined(words.map(|word| shown_word(word))));
        }
        if takes_no_name(hint, names) {
            return (all, joined(words.iter().map(|word| shown_word(word))));
        }
        let is_last = |at: usize| at + 1 == words.len();
        let takes_more = words.iter().enumerate().all(|(at, word)| is_last(at) || !split_name(word, first).1);
        let ends_in_name = words.last().is_some_and(|word| split_name(word, first).1);
        let most = if takes_more && ends_in_name { all.min(NAMED) } else { 1 };
        let mut shown = Vec::new();
        for (at, word) in words.iter().enumerate() {
            match split_name(word, first) {
                (before, true) if is_last(at) => {
                    shown.extend(names.iter().take(most).map(|name| shown_word(&format!("{before}{name}"))));
                }
                _ => shown.push(shown_word(word)),
            }
        }
        (most, joined(shown.into_iter()))
    }

    /// Whether a command does the same without a name: it works on everything that needs it, and that is nothing but these.
    fn means_all(&self, words: &[String], name: &str, count: usize) -> bool {
        let open = self.rows.values().filter(|row| row.done.is_none());
        let is = |row: &&InstanceRow, command: &str| {
            row.hints.iter().any(
                |hint| matches!(&hint.way, Way::Command(words) if words.get(1).is_some_and(|word| word == command)),
            )
        };
        let needing = match words {
            [_, command, last] if last == name && command == "generate" => {
                open.filter(|row| row.state == InstanceState::Absent).count()
            }
            [_, command, last] if last == name && command == "rekey" => {
                let recipients =
                    |row: &&InstanceRow| row.state.reasons().iter().any(|reason| reason.kind == ReasonKind::Recipients);
                open.filter(|row| is(row, "rekey") || recipients(row)).count()
            }
            [_, command, last] if last == name && command == "prune" && count > NAMED => self.orphaned.len(),
            _ => return false,
        };
        self.is_complete && needing == count
    }

    /// What has to be generated first for something that is blocked.
    fn blocked_lines(&self, style: &Style) -> Vec<NextLine> {
        let blocked = self.rows.values().filter(|row| row.done.is_none() && row.state == InstanceState::Blocked);
        let (mut needed, mut places): (Vec<(String, usize)>, BTreeMap<_, usize>) = Default::default();
        for need in blocked.filter_map(|row| row.needs.as_ref()).filter(|need| need.file.is_some()) {
            let place = *places.entry(&need.instance).or_insert(needed.len());
            match needed.get_mut(place) {
                Some((_, count)) => *count += 1,
                None => needed.push((style.names.shorten(&need.instance), 1)),
            }
        }
        let line = |(name, count): (String, usize)| NextLine {
            label: format!("{count} blocked"),
            action: format!("artifacts generate {}", shell_word(&name)),
        };
        needed.into_iter().map(line).collect()
    }
}

/// Where a row's cause stands in the list, and what it is called.
fn label(row: &InstanceRow) -> (usize, String) {
    let kinds: Vec<ReasonKind> =
        ORDER.into_iter().filter(|kind| row.state.reasons().iter().any(|reason| reason.kind == *kind)).collect();
    let order = kinds.first().and_then(|first| ORDER.iter().position(|kind| kind == first)).map_or(0, |at| at + 1);
    let is_modified = row.state.reasons().iter().any(Reason::is_modified);
    let word = |kind: &ReasonKind| match kind {
        ReasonKind::Receipt if is_modified => "modified",
        ReasonKind::Receipt => "older",
        other => other.as_str(),
    };
    let words: Vec<&str> = kinds.iter().map(word).collect();
    (order, if words.is_empty() { row.state.as_str().to_owned() } else { words.join(", ") })
}

fn takes_no_name(hint: &Hint, names: &[String]) -> bool {
    let Some(first) = names.first() else { return false };
    matches!(&hint.way, Way::Command(words) if !words.iter().any(|word| word.contains(first.as_str())))
}

/// A word of a command to be copied. A name is short in a command of this program; for any other it is a path.
fn shown_word(word: &str, words: &[String], style: &Style) -> String {
    let is_ours = words.first().is_some_and(|program| program == "artifacts");
    match word.parse() {
        Ok(name) if is_ours => shell_word(&style.names.shorten(&name)),
        _ => shell_word(word),
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use artifacts_declared::InstanceName;

    use super::*;
    use crate::testing::style;
    use crate::{Effect, Need, Orphaned, Unstaged};

    fn row(name: &str, state: InstanceState, hints: Vec<Hint>) -> (InstanceName, InstanceRow) {
        (name.parse().unwrap(), InstanceRow { hints, ..InstanceRow::new(None, state) })
    }

    fn stale(kind: ReasonKind) -> InstanceState {
        InstanceState::Stale(vec![Reason::new(kind, "why")])
    }

    fn command(effect: Effect, words: &[&str]) -> Hint {
        Hint::command(effect, words.iter().copied())
    }

    fn rekey(name: &str) -> (InstanceName, InstanceRow) {
        row(name, stale(ReasonKind::Recipients), vec![command(Effect::Keeps, &["artifacts", "rekey", name])])
    }

    fn absent(name: &str) -> (InstanceName, InstanceRow) {
        row(name, InstanceState::Absent, vec![command(Effect::Generates, &["artifacts", "generate", name])])
    }

    fn next(report: &Report, width: usize) -> String {
        report.next(&style(width))
    }

    #[test]
    fn a_command_for_everything_needs_no_names() {
        let rows = [absent("shared/a"), absent("shared/b"), rekey("shared/c")].into();
        let mut report = Report { rows, is_complete: true, ..Report::default() };
        let all = "next\n  2 absent                artifacts generate\n  1 recipients            artifacts rekey\n";
        assert_eq!(next(&report, 80), all);
        report.is_complete = false;
        let named = "next\n  2 absent                artifacts generate shared/a shared/b\n  1 recipients            artifacts rekey shared/c\n";
        assert_eq!(next(&report, 80), named);
        report.is_complete = true;
        // One whose value may be kept is not generated along with the others.
        report.rows.extend([row("shared/d", InstanceState::Absent, Vec::new())]);
        assert!(next(&report, 80).contains("artifacts generate shared/a shared/b\n"));
    }

    #[test]
    fn what_keeps_the_value_comes_first_and_each_line_says_what_it_does() {
        let name = "shared/a";
        let hints = vec![
            command(Effect::Replaces, &["artifacts", "rotate", name]),
            command(Effect::Keeps, &["artifacts", "adopt", name]),
        ];
        let report = Report { rows: [row(name, stale(ReasonKind::Expired), hints)].into(), ..Report::default() };
        let lines = "next\n  1 expired, keep         artifacts adopt shared/a\n  1 expired, new value    artifacts rotate shared/a\n";
        assert_eq!(next(&report, 80), lines);
        let narrow = "next\n  1 expired, keep\n    artifacts adopt shared/a\n  1 expired, new value\n    artifacts rotate shared/a\n";
        assert_eq!(next(&report, 40), narrow);
    }

    #[test]
    fn a_command_names_three_and_a_path_is_theirs() {
        let hints = |name: &str| {
            let path = format!("secrets/{name}");
            vec![
                command(Effect::Keeps, &["artifacts", "adopt", name]),
                command(Effect::Reviews, &["git", "diff", "--", &path]),
            ]
        };
        let rows = (0..5).map(|at| format!("shared/{at}"));
        let rows = rows.map(|name| row(&name, stale(ReasonKind::Receipt), hints(&name))).collect();
        let report = Report { rows, ..Report::default() };
        let lines = "next\n  3 of 5 modified, keep    artifacts adopt shared/0 shared/1 shared/2\n  \
                     3 of 5 modified, review  git diff -- secrets/shared/0 secrets/shared/1 secrets/shared/2\n";
        assert_eq!(next(&report, 100), lines);
    }

    #[test]
    fn a_command_for_one_file_is_not_given_a_second_name() {
        let set = |name: &str| vec![command(Effect::Keeps, &["artifacts", "set", name, "f g"])];
        let rows = ["shared/a", "shared/b"].map(|name| row(name, stale(ReasonKind::Files), set(name))).into();
        let report = Report { rows, ..Report::default() };
        assert_eq!(next(&report, 80), "next\n  1 of 2 files            artifacts set shared/a 'f g'\n");
    }

    #[test]
    fn conflicts_of_one_merge_are_settled_together_and_each_side_has_its_name() {
        let row = |name: &str| {
            let path = format!("secrets/{name}");
            let checkout = |effect, side: &str| command(effect, &["git", "checkout", side, "--", &path]);
            let hints = vec![
                checkout(Effect::KeepsOurs, "--ours"),
                checkout(Effect::KeepsTheirs, "--theirs"),
                command(Effect::Completes, &["git", "add", "--", &path]),
                command(Effect::Completes, &["artifacts", "adopt", name]),
            ];
            let unstaged = Some(Unstaged { why: "unresolved merge conflict".to_owned(), hints });
            (name.parse().unwrap(), InstanceRow { unstaged, ..InstanceRow::new(None, InstanceState::Present) })
        };
        let report = Report { rows: ["shared/a", "shared/b"].map(row).into(), ..Report::default() };
        let lines = "next\n  2 unstaged, keep ours    git checkout --ours -- secrets/shared/a secrets/shared/b\n  \
                     2 unstaged, keep theirs  git checkout --theirs -- secrets/shared/a secrets/shared/b\n  \
                     2 unstaged, then         git add -- secrets/shared/a secrets/shared/b\n  \
                     2 unstaged, then         artifacts adopt shared/a shared/b\n";
        assert_eq!(next(&report, 100), lines);
    }

    #[test]
    fn what_is_unstaged_orphaned_or_blocked_has_a_line_of_its_own() {
        let unstaged = |name: &str| {
            let path = format!("secrets/{name}");
            let hints = vec![
                command(Effect::Keeps, &["git", "add", "--", &path]),
                command(Effect::Keeps, &["artifacts", "generate"]),
            ];
            let unstaged = Some(Unstaged { why: "why".to_owned(), hints });
            (name.parse().unwrap(), InstanceRow { unstaged, ..InstanceRow::new(None, InstanceState::Present) })
        };
        let orphaned = |name: &str| Orphaned::new(name.to_owned(), "secrets".to_owned(), None, None);
        let need = Need { instance: "shared/k".parse().unwrap(), file: Some("public".to_owned()) };
        let blocked = InstanceRow { needs: Some(need), ..InstanceRow::new(None, InstanceState::Blocked) };
        let mut report = Report {
            rows: [unstaged("shared/a"), ("shared/b".parse().unwrap(), blocked)].into(),
            orphaned: vec![orphaned("shared/o")],
            is_complete: true,
            ..Report::default()
        };
        let lines = "next\n  1 unstaged              git add -- secrets/shared/a\n  1 orphaned, keep        artifacts rename shared/o NEW\n  1 orphaned, trash       artifacts prune shared/o\n  \
                     1 blocked               artifacts generate shared/k\n";
        assert_eq!(next(&report, 80), lines);
        report.rows = (0..5).map(|at| unstaged(&format!("shared/{at}"))).collect();
        report.orphaned = (0..5).map(|at| orphaned(&format!("shared/o{at}"))).collect();
        let lines = "next\n  5 unstaged              artifacts generate\n  1 of 5 orphaned, keep   artifacts rename shared/o0 NEW\n  5 orphaned, trash       artifacts prune\n";
        assert_eq!(next(&report, 80), lines);
    }
}
