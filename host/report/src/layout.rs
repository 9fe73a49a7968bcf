//! Rows in columns.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};
use artifacts_text::{terminal, terminal_lines};
use textwrap::core::display_width;

use crate::Style;
use crate::text::wrapped;

/// The name column has at least so many columns: pages of a few rows look alike.
const NAMES: usize = 12;
/// Blanks behind the word.
const GAP: usize = 2;
/// Blanks between the name and details.
const BETWEEN: usize = 3;

pub(crate) const GREEN: Paint = AnsiColor::Green.on_default();
pub(crate) const RED: Paint = AnsiColor::Red.on_default();
pub(crate) const YELLOW: Paint = AnsiColor::Yellow.on_default();
pub(crate) const DIM: Paint = Paint::new().dimmed();
pub(crate) const PLAIN: Paint = Paint::new();

/// One row: a word, a name, details in columns, and what stands below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub word: &'static str,
    pub paint: Paint,
    pub name: String,
    /// Short details, one a column; they are dim.
    pub columns: Vec<String>,
    /// The last column.
    pub last: String,
    pub below: Vec<Below>,
}

/// What stands below a row.
#[derive(Debug, Clone)]
pub(crate) enum Below {
    /// Text, wrapped.
    Text(String),
    /// Lines that are fit for a terminal already, and stay as they are.
    Painted(String),
}

/// Renders rows. The word has at least `word_width` columns. Nothing is broken: where a line is too long, its last column moves to
/// the next one.
pub(crate) fn layout(lines: &[Line], word_width: usize, style: &Style) -> String {
    let word_width = lines.iter().map(|line| line.word.len()).max().unwrap_or(0).max(word_width);
    let longest = lines.iter().filter(|line| line.has_more()).map(|line| display_width(&terminal(&line.name))).max();
    let name_width = longest.unwrap_or(0).min((style.width / 2).max(NAMES)).max(NAMES);
    let columns = lines.iter().map(|line| line.columns.len()).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = lines.iter().filter_map(|line| line.columns.get(at));
        cells.map(|cell| display_width(&terminal(cell))).max().unwrap_or(0)
    };
    let columns: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        line.render(&mut text, (word_width, name_width, &columns), style);
    }
    text
}

impl Line {
    fn has_more(&self) -> bool {
        !self.last.is_empty() || !self.columns.is_empty()
    }

    fn render(&self, text: &mut String, (word_width, name_width, columns): (usize, usize, &[usize]), style: &Style) {
        let paint = self.paint;
        let indent = word_width + GAP;
        let name = terminal(&self.name);
        let _ = write!(text, "{paint}{}{paint:#}{}{name}", self.word, " ".repeat(indent - self.word.len()));
        let mut used = indent + display_width(&name);
        let mut start = indent + name_width + BETWEEN;
        let pad_to = |start: usize, used: usize| " ".repeat(start.saturating_sub(used).max(BETWEEN));
        for (cell, width) in self.columns.iter().zip(columns) {
            let cell = terminal(cell);
            let _ = write!(text, "{}{DIM}{cell}{DIM:#}", pad_to(start, used));
            used = start.max(used + BETWEEN) + display_width(&cell);
            start += width + BETWEEN;
        }
        let last = terminal_lines(&self.last);
        let (first, rest) = last.split_once('\n').unwrap_or((&last, ""));
        let is_beside = used + BETWEEN <= start && start + display_width(first) <= style.width;
        let is_beside = is_beside || style.width == usize::MAX;
        if is_beside && !first.is_empty() {
            let _ = write!(text, "{}{first}", pad_to(start, used));
        }
        text.push('\n');
        let pad = " ".repeat(indent);
        let first = if is_beside { "" } else { first };
        for part in [first, rest].into_iter().filter(|part| !part.is_empty()) {
            let _ = writeln!(text, "{pad}{}", wrapped(part, indent, style));
        }
        for below in &self.below {
            match below {
                Below::Text(below) => {
                    let _ = writeln!(text, "{pad}{}", wrapped(&terminal_lines(below), indent, style));
                }
                Below::Painted(below) => below.lines().for_each(|line| {
                    let _ = writeln!(text, "{pad}{line}");
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{plain, style};

    fn line(word: &'static str, name: &str, last: &str) -> Line {
        Line { word, name: name.to_owned(), last: last.to_owned(), ..Line::default() }
    }

    #[test]
    fn the_last_column_of_a_long_line_moves_to_the_next_one_and_no_name_is_broken() {
        let long = "k8s-worker-frankfurt-38/prometheus-node-exporter-federation-client-certificate";
        let lines = [
            line("absent", "web1/a", "prompts for token"),
            line("stale", long, "expired 3 days ago"),
            line("stale", "web1/b", "recipients of a file with a long name changed: 1 added, 0 removed"),
        ];
        let text = plain(&layout(&lines, 9, &style(80)));
        assert_eq!(
            text,
            format!(
                "absent     web1/a                                     prompts for token\nstale      {long}\n           \
                 expired 3 days ago\nstale      web1/b\n           recipients of a file with a long name changed: 1 added, 0 removed\n"
            )
        );
        assert!(text.lines().all(|line| display_width(line) <= 80 || line.contains(long)), "{text}");
    }

    #[test]
    fn nothing_is_wrapped_where_there_is_no_width() {
        let last = "x ".repeat(100) + "x";
        let text = plain(&layout(&[line("stale", &"n".repeat(120), &last)], 9, &style(usize::MAX)));
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let row = |name: &str, columns: &[&str], last: &str| Line {
            columns: columns.iter().map(ToString::to_string).collect(),
            ..line("present", name, last)
        };
        let lines = [row("a", &["agenix", "2 recipients"], "2026-11-02"), row("b", &["dummy"], "")];
        let text = plain(&layout(&lines, 9, &style(80)));
        assert_eq!(
            text,
            "present    a              agenix   2 recipients   2026-11-02\npresent    b              dummy\n"
        );
    }
}
