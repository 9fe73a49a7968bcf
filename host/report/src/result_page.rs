//! The page of a command that writes, or would: what it did, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use artifacts_declared::InstanceName;
use artifacts_text::{agreeing, counted, separated, shell_word, size, terminal};

use crate::layout::{Below, GREEN, Line, YELLOW, layout};
use crate::replaced::unit_lines;
use crate::status_page::{are_many, one_of_many};
use crate::style::sections;
use crate::text::note;
use crate::{
    FileChange, Hint, InstanceRow, RecipientNames, Report, ReportPage, RestorableEntry, RowAction, Style, restorable,
    trashed,
};

/// A stored instance that became stale by what was done to a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NowStale {
    /// The instance.
    pub name: InstanceName,
    /// The dependency.
    pub dependency: InstanceName,
    /// What to do about it.
    pub hints: Vec<Hint>,
}

impl Report {
    /// Returns the page of a command that `took` so long.
    pub fn result_page(&self, took: Option<Duration>, style: &Style) -> ReportPage {
        let mut lines = self.done(style);
        lines.extend(self.manual(style));
        lines.extend(self.now_stale.iter().map(|stale| now_stale(stale, style)));
        lines.extend(self.left(style));
        // What has a row says there what was done.
        let is_alone = |entry: &&RestorableEntry| self.rows.get(&entry.name).is_none_or(|row| row.done.is_none());
        let back: Vec<RestorableEntry> = self.restorable.iter().filter(is_alone).cloned().collect();
        let trash = trashed(&self.trashed, style) + &restorable(&back, &self.names, style);
        let not_shown = self.exposure.as_ref().filter(|exposure| !exposure.is_shown);
        let exposure = not_shown.map(|exposure| exposure.page(style)).unwrap_or_default();
        let listed = self.exposure.as_ref().map(|exposure| exposure.summary(|name| self.is_replaced(name), style));
        let head = exposure
            + &layout(&lines, 0, style)
            + &trash
            + &self.staged()
            + &self.decrypted(style)
            + &self.former(style);
        let would = self.rows.values().any(|row| row.done.is_some()) || !self.trashed.is_empty();
        let would = would || self.restorable.iter().any(|entry| entry.done.is_some());
        let dry = if self.is_preview && would { "dry run: nothing was written\n" } else { "" };
        let summary = if self.is_one() { String::new() } else { self.count_of_actions(took, style) };
        let tail = sections([self.next(style), dry.to_owned() + &listed.unwrap_or_default() + &summary]);
        ReportPage { head, tail }
    }

    /// Whether there is one row that says it all: a command for one file was done.
    fn is_one(&self) -> bool {
        let is_file = |row: &InstanceRow| {
            matches!(row.done, Some(RowAction::Set | RowAction::WouldSet | RowAction::Adopted | RowAction::WouldAdopt))
        };
        self.errors.is_empty() && self.rows.len() == 1 && self.rows.values().all(is_file)
    }

    fn done(&self, style: &Style) -> Vec<Line> {
        let mut by_action: BTreeMap<usize, Vec<(&InstanceName, &InstanceRow, RowAction)>> = BTreeMap::new();
        for (name, row) in &self.rows {
            if let Some(action) = row.done {
                by_action.entry(action.order()).or_default().push((name, row, action));
            }
        }
        let mut lines = Vec::new();
        for rows in by_action.into_values() {
            let line = |(name, row, action): &(&InstanceName, &InstanceRow, RowAction)| {
                (InstanceName::clone(name), line(name, row, *action, (&self.names, style)))
            };
            let (plain, others): (Vec<_>, Vec<_>) = rows.iter().map(line).partition(|(_, line)| line.below.is_empty());
            if are_many(plain.len(), style) {
                let names: Vec<InstanceName> = plain.iter().map(|(name, _)| name.clone()).collect();
                let first = plain.into_iter().next().map(|(_, line)| Line { last: String::new(), ..line });
                lines.extend(first.map(|line| one_of_many(line, &names, style)));
                lines.extend(others.into_iter().map(|(_, line)| line));
            } else {
                let mut all: Vec<_> = plain.into_iter().chain(others).collect();
                all.sort_by(|(one, _), (other, _)| one.cmp(other));
                lines.extend(all.into_iter().map(|(_, line)| line));
            }
        }
        lines
    }

    /// What is replaced by hand: more is to be done for it than a command does.
    fn manual(&self, style: &Style) -> Vec<Line> {
        let line = |(name, row): (&InstanceName, &InstanceRow)| {
            let name = style.names.shorten(name);
            let command = format!("replaced by its name only: `artifacts rotate {}`", shell_word(&name));
            let reasons =
                row.state.reasons().iter().map(|reason| style.names.shorten_text(&reason.message).into_owned());
            let below = reasons.map(Below::Text).collect();
            Line { word: "manual", paint: YELLOW, name, last: command, below, ..Line::default() }
        };
        self.rows.iter().filter(|(_, row)| row.is_manual).map(line).collect()
    }

    /// `staged 2 entries; commit them`, where there is git.
    fn staged(&self) -> String {
        let is_written = |row: &&InstanceRow| row.done.is_some_and(|done| !done.is_to_come());
        let staged = self.rows.values().filter(is_written).filter(|row| row.staged == Some(true)).count();
        if staged == 0 || self.is_preview {
            return String::new();
        }
        format!("staged {}; commit {}\n", counted(staged, "entry"), agreeing(staged, "it", "them"))
    }

    /// `alice could read 2 of these values; to replace them: …`.
    fn former(&self, style: &Style) -> String {
        let line = |(who, count): (&String, &usize)| {
            let (values, them) = (agreeing(*count, "this value", "these values"), agreeing(*count, "it", "them"));
            let what = if *count == 1 { values.to_owned() } else { format!("{} of {values}", separated(*count)) };
            let (name, word) = (terminal(who), shell_word(who));
            note(&format!("{name} could read {what}; to replace {them}: `artifacts rotate --recipient {word}`"), style)
        };
        self.former.iter().map(line).collect()
    }

    fn decrypted(&self, style: &Style) -> String {
        let is_told = |counts: &(u64, u64)| style.verbose || !self.errors.is_empty() || *counts != (0, 0);
        match self.counts.filter(is_told) {
            Some((opened, written)) => format!("{opened} decrypted, {written} re-encrypted\n"),
            None => String::new(),
        }
    }
}

fn line(name: &InstanceName, row: &InstanceRow, action: RowAction, (names, style): (&RecipientNames, &Style)) -> Line {
    let recipients = || row.recipients.filter(|count| *count > 0).map(|count| counted(count, "recipient"));
    let last: Vec<String> = if action.is_to_come() {
        let files = row.files.iter().map(|file| file.brief(names));
        let prompts = (!row.prompts.is_empty()).then(|| format!("prompts for {}", row.prompts.join(", ")));
        let replaces =
            row.replaces.map(|(files, bytes)| format!("replaces {} ({})", counted(files, "file"), size(bytes)));
        files.chain(prompts).chain(replaces).collect()
    } else if action == RowAction::Adopted {
        Vec::new()
    } else {
        let parts: Vec<String> = row.file.iter().cloned().chain(recipients()).collect();
        Some(parts.join(", ")).filter(|text| !text.is_empty()).into_iter().collect()
    };
    let reasons = row.state.reasons().iter().filter(|_| !action.is_to_come());
    let reasons = reasons.map(|reason| format!("still stale ({}): {}", reason.kind.as_str(), reason.message));
    let files = row.files.iter().filter(|_| style.verbose && action.is_to_come()).map(FileChange::line);
    let units = Some(&row.units).filter(|_| style.verbose || action.is_to_come());
    let units = units.into_iter().flat_map(|units| unit_lines(units));
    let notes = files.chain(row.notes.iter().cloned()).chain(units).chain(reasons);
    let mut below: Vec<Below> = notes.map(|note| Below::Text(style.names.shorten_text(&note).into_owned())).collect();
    // What is generated for the first time changes nothing.
    let changes = row.files.iter().filter(|_| !action.is_to_come() && action != RowAction::Generated);
    below.extend(changes.map(|change| change.diff("")).filter(|diff| !diff.is_empty()).map(Below::Painted));
    let paint = if action.is_to_come() { YELLOW } else { GREEN };
    let columns = if style.verbose { vec![row.backend.clone().unwrap_or_else(|| "-".to_owned())] } else { Vec::new() };
    Line { word: action.as_str(), paint, name: style.names.shorten(name), columns, last: last.join("; "), below }
}

fn now_stale(dependent: &NowStale, style: &Style) -> Line {
    Line {
        word: "now stale",
        paint: YELLOW,
        name: style.names.shorten(&dependent.name),
        last: format!("dependency: {} was regenerated", style.names.shorten(&dependent.dependency)),
        ..Line::default()
    }
}
