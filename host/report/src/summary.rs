//! The last line of a page: how many instances there are, and what they are or what was done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use artifacts_plan::InstanceState;
use artifacts_text::counted;

use crate::text::wrapped;
use crate::{InstanceRow, Report, RowAction, Style};

/// States in the order in which they are counted.
const STATES: [&str; 6] = ["present", "on-target", "absent", "stale", "blocked", "error"];

impl Report {
    /// `3 artifacts: 2 present, 1 absent`; nothing without artifacts.
    pub(crate) fn count_of_states(&self, style: &Style) -> String {
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.rows.values() {
            *states.entry(row.state.as_str()).or_default() += 1;
        }
        let parts = STATES.iter().filter_map(|state| Some(format!("{} {state}", states.get(state)?)));
        self.line(&parts.collect::<Vec<_>>(), style)
    }

    /// `3 artifacts: 1 generated, 1 failed, 1 unchanged, 41 s`; nothing without artifacts. What has work left is counted by its
    /// state.
    pub(crate) fn count_of_actions(&self, took: Option<Duration>, style: &Style) -> String {
        let failed = self.failed();
        let mut done: BTreeMap<usize, (RowAction, usize)> = BTreeMap::new();
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, row) in &self.rows {
            let others = &mut others;
            match row.done {
                Some(action) => done.entry(action.order()).or_insert((action, 0)).1 += 1,
                None if failed.contains(name.to_string().as_str()) => *others.entry("failed").or_default() += 1,
                None => *others.entry(unchanged(row)).or_default() += 1,
            }
        }
        let done = done.into_values().map(|(action, count)| {
            let word = action.as_str();
            if action.is_to_come() { format!("{word} {count}") } else { format!("{count} {word}") }
        });
        let order = ["failed", "unchanged"].iter().chain(&STATES);
        let others = order.filter_map(|word| Some(format!("{} {word}", others.get(word)?)));
        self.line(&done.chain(others).chain(took.and_then(span)).collect::<Vec<_>>(), style)
    }

    /// The subjects of failures.
    fn failed(&self) -> BTreeSet<&str> {
        self.errors.iter().map(|failure| failure.subject.as_str()).collect()
    }

    fn line(&self, parts: &[String], style: &Style) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let line = format!("{}: {}", counted(self.rows.len(), "artifact"), parts.join(", "));
        format!("{}\n", wrapped(&line, 2, style))
    }
}

impl RowAction {
    /// Where it is listed.
    pub(crate) fn order(self) -> usize {
        Self::ALL.iter().position(|action| *action == self).unwrap_or_default()
    }
}

/// Nothing is left to do of what is unchanged.
fn unchanged(row: &InstanceRow) -> &'static str {
    match &row.state {
        InstanceState::Present | InstanceState::OnTarget => "unchanged",
        other => other.as_str(),
    }
}

/// How long something took: `41 s`, `3 min`; nothing below two seconds.
fn span(took: Duration) -> Option<String> {
    match took.as_secs() {
        0 | 1 => None,
        seconds @ 2..120 => Some(format!("{seconds} s")),
        seconds => Some(format!("{} min", seconds / 60)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Failure;
    use crate::testing::style;

    fn row(
        name: &str,
        done: Option<RowAction>,
        state: InstanceState,
    ) -> (artifacts_declared::InstanceName, InstanceRow) {
        (name.parse().unwrap(), InstanceRow { done, ..InstanceRow::new(None, state) })
    }

    #[test]
    fn everything_is_counted_once() {
        let mut report = Report {
            rows: [
                row("shared/a", Some(RowAction::Generated), InstanceState::Present),
                row("shared/b", Some(RowAction::Regenerated), InstanceState::Present),
                row("shared/c", None, InstanceState::Absent),
                row("shared/d", None, InstanceState::Present),
                row("shared/e", None, InstanceState::OnTarget),
                row("shared/f", None, InstanceState::Stale(Vec::new())),
            ]
            .into(),
            errors: vec![Failure::new("shared/c", "it failed")],
            ..Report::default()
        };
        let line = "6 artifacts: 1 generated, 1 regenerated, 1 failed, 2 unchanged, 1 stale, 41 s\n";
        assert_eq!(report.count_of_actions(Some(Duration::from_secs(41)), &style(100)), line);
        assert_eq!(report.count_of_states(&style(80)), "6 artifacts: 3 present, 1 on-target, 1 absent, 1 stale\n");
        report.rows = [row("shared/a", Some(RowAction::WouldGenerate), InstanceState::Absent)].into();
        assert_eq!(report.count_of_actions(None, &style(80)), "1 artifact: would generate 1\n");
        assert_eq!(Report::default().count_of_states(&style(80)), "");
    }

    #[test]
    fn a_short_while_is_not_told() {
        let spans = [1, 2, 119, 120, 200].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans.map(Option::unwrap_or_default), ["", "2 s", "119 s", "2 min", "3 min"]);
    }
}
