//! The page of `status`: what needs work, and how many there are.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Cause, InstanceState, Reason, ReasonKind};
use artifacts_text::{counted, listed_up_to};

use crate::layout::{Below, Line, PLAIN, RED, YELLOW, layout};
use crate::style::sections;
use crate::{Failure, InstanceRow, Report, ReportPage, Style};

/// Width of the longest state.
const STATES: usize = "on-target".len();
/// More rows than this with one state and reason become one.
const ALIKE: usize = 30;
/// More columns than any word, and what separates it, takes.
const LONGEST: usize = 20;
/// So many names that expire soon are listed.
const EXPIRING: usize = 5;
/// Length of a day, in seconds.
const DAY: u64 = 24 * 60 * 60;

/// Says which rows a page lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFilter {
    /// Those that need work.
    Work,
    /// All, with backend, recipients and date.
    All,
}

impl Report {
    /// Returns the page of `status`.
    pub fn status_page(&self, listing: RowFilter, style: &Style) -> ReportPage {
        let lines = match listing {
            RowFilter::Work => self.work(style),
            RowFilter::All => self.everything(style),
        };
        let head = layout(&lines, STATES, style);
        let tail = sections([self.expiring(style), self.next(style), self.count_of_states(style)]);
        ReportPage { head, tail }
    }

    /// Returns the failures that the page of `status` does not show in a row.
    pub fn errors_without_row(&self) -> Vec<Failure> {
        let has_row = |failure: &&Failure| {
            let name = failure.subject.parse::<InstanceName>().ok();
            let row = name.and_then(|name| self.rows.get(&name));
            row.is_some_and(|row| matches!(&row.state, InstanceState::Error(why) if *why == failure.message))
        };
        self.errors.iter().filter(|failure| !has_row(failure)).cloned().collect()
    }

    fn work(&self, style: &Style) -> Vec<Line> {
        let failures = self.failures_by_subject();
        let mut lines = Vec::new();
        let of = |word: &'static str| {
            let rows = self.rows.iter().filter(move |(_, row)| row.state.as_str() == word);
            rows.map(|(name, row)| (name.clone(), self.work_line(name, row, &failures, style))).collect::<Vec<_>>()
        };
        for word in ["absent", "stale"] {
            lines.extend(alike(of(word), style));
        }
        lines.extend(self.due(style));
        lines.extend(alike(self.unstaged(style), style));
        lines.extend(self.orphans(style));
        lines.extend(alike(of("blocked"), style));
        lines.extend(said_once(alike(of("error"), style)));
        lines
    }

    /// What a command left because it waits, keeps its value by another command, or because git does not know it.
    pub(crate) fn left(&self, style: &Style) -> Vec<Line> {
        let failures = BTreeMap::new();
        let told: BTreeSet<&InstanceName> = self.now_stale.iter().map(|stale| &stale.name).collect();
        let of = |word: &str| {
            let left = self.rows.iter().filter(|(_, row)| row.done.is_none() && row.state.as_str() == word);
            // Without hints no one asked about what is stale.
            let left = left.filter(|(name, row)| word == "blocked" || (!row.hints.is_empty() && !told.contains(name)));
            left.map(|(name, row)| (name.clone(), self.work_line(name, row, &failures, style))).collect::<Vec<_>>()
        };
        let mut lines = alike(of("stale"), style);
        lines.extend(alike(of("blocked"), style));
        lines.extend(alike(self.unstaged(style), style));
        lines
    }

    fn work_line(
        &self,
        name: &InstanceName,
        row: &InstanceRow,
        failures: &BTreeMap<&str, &Failure>,
        style: &Style,
    ) -> Line {
        let mut details = self.details(name, row, failures, style);
        let last = if details.is_empty() { String::new() } else { details.remove(0) };
        let columns =
            if style.verbose { vec![row.backend.clone().unwrap_or_else(|| "-".to_owned())] } else { Vec::new() };
        Line {
            word: row.state.as_str(),
            paint: if matches!(row.state, InstanceState::Error(_)) { RED } else { YELLOW },
            name: style.names.shorten(name),
            columns,
            last,
            below: details.into_iter().map(Below::Text).collect(),
        }
    }

    /// What expires within the time that was asked for, the first one first.
    fn due(&self, style: &Style) -> Vec<Line> {
        let mut due: Vec<(u64, &InstanceName)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.is_due)
            .filter_map(|(name, row)| Some((row.expires_in?, name)))
            .collect();
        due.sort();
        let line = |(left, name): (u64, &InstanceName)| {
            let name = style.names.shorten(name);
            Line { word: "expiring", paint: YELLOW, name, last: format!("in {}", days(left)), ..Line::default() }
        };
        due.into_iter().map(line).collect()
    }

    /// Entries that git does not know as they are stored; what git does not know counts as present.
    fn unstaged(&self, style: &Style) -> Vec<(InstanceName, Line)> {
        let line = |(name, row): (&InstanceName, &InstanceRow)| {
            let unstaged = row.unstaged.as_ref()?;
            let last = unstaged.why.clone();
            let line =
                Line { word: "unstaged", paint: YELLOW, name: style.names.shorten(name), last, ..Line::default() };
            Some((name.clone(), line))
        };
        self.rows.iter().filter_map(line).collect()
    }

    fn orphans(&self, style: &Style) -> Vec<Line> {
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for orphaned in &self.orphaned {
            *names.entry(orphaned.name.as_str()).or_default() += 1;
        }
        let line = |orphaned: &crate::Orphaned| {
            let place = if names.get(orphaned.name.as_str()).is_some_and(|count| *count > 1) {
                format!(", in {}", orphaned.storage)
            } else {
                String::new()
            };
            let name = orphaned.name.parse();
            Line {
                word: "orphaned",
                paint: YELLOW,
                name: name.map_or_else(|_| orphaned.name.clone(), |name| style.names.shorten(&name)),
                last: format!("no longer declared{place}"),
                ..Line::default()
            }
        };
        if are_many(self.orphaned.len(), style) {
            let name = format!("{}; -v lists them", counted(self.orphaned.len(), "entry"));
            return vec![Line { word: "orphaned", paint: YELLOW, name, ..Line::default() }];
        }
        self.orphaned.iter().map(line).collect()
    }

    fn everything(&self, style: &Style) -> Vec<Line> {
        let failures = self.failures_by_subject();
        let mut lines = Vec::new();
        for (name, row) in &self.rows {
            let work = matches!(row.state, InstanceState::Present | InstanceState::OnTarget);
            let paint = match row.state {
                InstanceState::Error(_) => RED,
                _ if work => PLAIN,
                _ => YELLOW,
            };
            let recipients = row.recipients.filter(|count| *count > 0).map(|count| counted(count, "recipient"));
            let mut columns = vec![row.backend.clone().unwrap_or_else(|| "-".to_owned())];
            columns.extend(recipients.or_else(|| row.day.as_ref().map(|_| "-".to_owned())));
            columns.extend(row.day.clone());
            let unstaged = row.unstaged.iter().map(|unstaged| format!("unstaged: {}", unstaged.why));
            let below =
                self.details(name, row, &failures, style).into_iter().chain(unstaged).chain(row.notes.iter().cloned());
            let below = below.map(Below::Text).collect();
            let name = style.names.shorten(name);
            lines.push(Line { word: row.state.as_str(), paint, name, columns, last: String::new(), below });
        }
        lines.extend(self.orphans(style));
        lines
    }

    fn failures_by_subject(&self) -> BTreeMap<&str, &Failure> {
        self.errors.iter().map(|failure| (failure.subject.as_str(), failure)).collect()
    }

    /// `expiring:  web1/acme in 9 days, db1/tls in 12 days`.
    fn expiring(&self, style: &Style) -> String {
        let mut soon: Vec<(u64, &InstanceName)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.state == InstanceState::Present && !row.is_due)
            .filter_map(|(name, row)| Some((row.expires_in?, name)))
            .collect();
        if soon.is_empty() {
            return String::new();
        }
        soon.sort();
        let most = if style.verbose { usize::MAX } else { EXPIRING };
        let one = |(left, name): &(u64, &InstanceName)| format!("{} in {}", style.names.shorten(name), days(*left));
        let list: Vec<String> = soon.iter().map(one).collect();
        crate::text::field("expiring:", "expiring:".len() + 1, &listed_up_to(&list, most), style)
    }

    /// What is to be said of an instance, a line each.
    fn details(
        &self,
        name: &InstanceName,
        row: &InstanceRow,
        failures: &BTreeMap<&str, &Failure>,
        style: &Style,
    ) -> Vec<String> {
        let shown: Vec<String> = match &row.state {
            InstanceState::Absent if !row.prompts.is_empty() => vec![format!("prompts for {}", row.prompts.join(", "))],
            InstanceState::Blocked => row
                .needs
                .iter()
                .map(|need| match &need.file {
                    Some(file) => format!("needs `{file}` of {}", style.names.shorten(&need.instance)),
                    None => format!("waits for {}", style.names.shorten(&need.instance)),
                })
                .collect(),
            InstanceState::Error(why) => {
                let mut lines = vec![why.clone()];
                let failure = failures.get(name.to_string().as_str()).filter(|failure| failure.message == *why);
                let parts = failure.iter().flat_map(|failure| failure.parts());
                lines.extend(parts.map(|(label, part)| format!("{label} {part}")));
                lines
            }
            state => state.reasons().iter().map(|one| self.reason(one, style)).collect(),
        };
        shown.into_iter().map(|line| style.names.shorten_text(&line).into_owned()).collect()
    }

    /// A reason in words; the kind stands before it where the sentence does not tell. Of recipients, details are all that change.
    fn reason(&self, reason: &Reason, style: &Style) -> String {
        let kind = reason.kind.as_str();
        let message = match &reason.cause {
            Cause::Recipients(delta) if style.verbose => self.names.changed_in_files(delta, true),
            _ => reason.message.clone(),
        };
        match reason.kind {
            ReasonKind::Recipients | ReasonKind::Dependency if !message.starts_with(kind) => {
                format!("{kind}: {message}")
            }
            _ => message,
        }
    }
}

/// Says how long so many seconds are: `9 days`.
pub fn days(seconds: u64) -> String {
    match seconds / DAY {
        0 => "less than a day".to_owned(),
        days => counted(days, "day"),
    }
}

/// Makes one row of many that say the same.
pub(crate) fn alike(rows: Vec<(InstanceName, Line)>, style: &Style) -> Vec<Line> {
    let key = |line: &Line| {
        // Absent ones differ in their prompts alone, which are no reason.
        let last = if line.word == "absent" { String::new() } else { line.last.clone() };
        format!("{last}\n{:?}", line.below)
    };
    let mut groups: BTreeMap<String, Vec<InstanceName>> = BTreeMap::new();
    for (name, line) in &rows {
        groups.entry(key(line)).or_default().push(name.clone());
    }
    let mut shown = BTreeSet::new();
    let mut lines = Vec::new();
    for (_, line) in rows {
        let key = key(&line);
        let names = groups.get(&key).map(Vec::as_slice).unwrap_or_default();
        if !are_many(names.len(), style) {
            lines.push(line);
        } else if shown.insert(key) {
            lines.push(one_of_many(line, names, style));
        }
    }
    lines
}

/// Leaves out what stands below a row where an earlier one says the same.
fn said_once(mut lines: Vec<Line>) -> Vec<Line> {
    let mut said = BTreeSet::new();
    for line in &mut lines {
        if !said.insert(format!("{:?}", line.below)) {
            line.below.clear();
        }
    }
    lines
}

/// One row for all of these.
pub(crate) fn one_of_many(line: Line, names: &[InstanceName], style: &Style) -> Line {
    let reason = Some(line.last).filter(|last| line.word != "absent" && !last.is_empty());
    let (name, more) = (artifacts_in(names), "-v lists them");
    let (name, more) = if name.len() + more.len() + LONGEST <= style.width {
        (format!("{name}; {more}"), None)
    } else {
        (name, Some(more.to_owned()))
    };
    let below = more.into_iter().chain(reason).map(Below::Text).chain(line.below).collect();
    Line { name, last: String::new(), columns: Vec::new(), below, ..line }
}

/// `180 artifacts in 60 machines`.
fn artifacts_in(names: &[InstanceName]) -> String {
    let (mut machines, mut users, mut shared) = (BTreeSet::new(), BTreeSet::new(), false);
    for name in names {
        match name {
            InstanceName::Machine { target, .. } => drop(machines.insert(target)),
            InstanceName::User { target, .. } => drop(users.insert(target)),
            InstanceName::Shared { .. } => shared = true,
        }
    }
    let all = counted(names.len(), "artifact");
    match (machines.len(), users.len(), shared) {
        (0, 0, _) => {
            format!("{} shared {}", names.len(), artifacts_text::agreeing(names.len(), "artifact", "artifacts"))
        }
        (machines, 0, _) => format!("{all} in {}", counted(machines, "machine")),
        (0, users, _) => format!("{all} of {}", counted(users, "user")),
        (machines, users, _) => format!("{all} in {} and of {}", counted(machines, "machine"), counted(users, "user")),
    }
}

/// Whether so many rows that say the same become one.
pub(crate) fn are_many(count: usize, style: &Style) -> bool {
    count > ALIKE && !style.verbose
}
