use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};
use artifacts_plan::InstanceState;
use artifacts_text::{counted, terminal, terminal_lines};
use textwrap::WordSeparator;
use textwrap::core::Word;

use crate::{Failure, InstanceRow, Report};

/// How wide the reader's page is; colours are always written and taken out again by who prints to no terminal.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns.
    pub width: usize,
    /// The most lines that are shown of another program's words.
    pub foreign: usize,
}

/// Begins a line that is another program's own.
const FOREIGN: char = '|';

impl Report {
    /// The table of instances, and one line that counts them.
    pub fn table(&self, style: Style) -> String {
        let mut text = String::new();
        let state_width = self.rows.values().map(|row| word(row).len()).max().unwrap_or(0);
        let names: Vec<String> = self.rows.keys().map(ToString::to_string).collect();
        let name_width = names.iter().map(|name| textwrap::core::display_width(name)).max().unwrap_or(0);
        for (name, row) in names.iter().zip(self.rows.values()) {
            line(&mut text, name, row, (state_width, name_width), style);
        }
        if !self.rows.is_empty() {
            let _ = writeln!(text, "{}", self.count());
        }
        if let Some((opened, written)) = self.counts {
            let _ = writeln!(text, "{opened} decrypted, {written} re-encrypted");
        }
        text
    }

    /// `3 instances: 2 present, 1 absent`.
    fn count(&self) -> String {
        let mut by_state: BTreeMap<&str, usize> = BTreeMap::new();
        for row in self.rows.values() {
            *by_state.entry(word(row)).or_default() += 1;
        }
        let parts: Vec<String> = by_state.iter().map(|(state, n)| format!("{n} {state}")).collect();
        format!("{}: {}", counted(self.rows.len(), "instance"), parts.join(", "))
    }
}

impl Failure {
    /// Its message and hint, wrapped.
    pub fn text(&self, style: Style) -> String {
        if self.kind == Some(Self::DECLINED) {
            return note(&self.message, style);
        }
        message("error:", AnsiColor::Red, &self.sentence(), self.hint.as_deref(), style)
    }

    /// The same where it stops nothing.
    pub fn warning(&self, style: Style) -> String {
        message("warning:", AnsiColor::Yellow, &self.sentence(), self.hint.as_deref(), style)
    }

    /// The subject, where there is one, and the message.
    fn sentence(&self) -> String {
        let message = terminal_lines(&self.message);
        match (&self.subject, &self.backend) {
            (subject, _) if subject.is_empty() => message.into_owned(),
            (subject, Some(backend)) => format!("{} ({}): {message}", terminal(subject), terminal(backend)),
            (subject, None) => format!("{}: {message}", terminal(subject)),
        }
    }
}

/// A warning and what to do, wrapped.
pub fn warning(text: &str, hint: Option<&str>, style: Style) -> String {
    message("warning:", AnsiColor::Yellow, &terminal_lines(text), hint, style)
}

/// A message of a line or more, wrapped; what is wrapped is indented, so that no line but a first one begins at the left.
pub fn note(text: &str, style: Style) -> String {
    let mut note = String::new();
    for line in terminal_lines(text).split('\n') {
        let indent = line.len() - line.trim_start().len() + 2;
        let _ = writeln!(note, "{}", hung(line, indent, style));
    }
    note
}

/// A name, padded to so many columns, and what is said of it, wrapped beside it.
pub fn field(name: &str, columns: usize, value: &str, style: Style) -> String {
    format!("{name:<columns$} {}\n", wrapped(&terminal_lines(value), columns + 1, style))
}

fn message(label: &str, color: AnsiColor, sentence: &str, hint: Option<&str>, style: Style) -> String {
    let color = color.on_default().bold();
    let mut text = format!("{color}{label}{color:#} {}\n", wrapped_beside(sentence, label.len() + 1, 2, style));
    if let Some(hint) = hint {
        // Behind an empty line is what is copied as it stands.
        let (hint, block) = hint.split_once("\n\n").unwrap_or((hint, ""));
        let _ = writeln!(text, "  hint: {}", wrapped(&terminal_lines(hint), 8, style));
        if !block.is_empty() {
            let _ = writeln!(text, "\n{}", terminal_lines(block.trim_end()));
        }
    }
    text
}

/// Wraps all but the first line's indentation; neither a word nor what stands between backticks is ever broken, so that commands
/// and paths can be copied: a half of a command may be a command, too. What another program said stays as it is, behind a bar.
fn wrapped(text: &str, indent: usize, style: Style) -> String {
    wrapped_beside(text, indent, indent, style)
}

/// The same, with another indentation for what another program said.
fn wrapped_beside(text: &str, indent: usize, of_foreign: usize, style: Style) -> String {
    let options = unbroken(style.width.saturating_sub(indent));
    let (pad, bar) = (format!("\n{}", " ".repeat(indent)), format!("\n{}", " ".repeat(of_foreign)));
    let (mut result, mut foreign) = (String::new(), 0_usize);
    for (number, line) in text.lines().enumerate() {
        if number > 0 && line.starts_with(FOREIGN) {
            foreign += 1;
            if foreign <= style.foreign {
                result.extend([&bar, line]);
            }
            continue;
        }
        if number > 0 {
            result.push_str(&pad);
        }
        result.push_str(&textwrap::wrap(line, &options).join(&pad));
    }
    if foreign > style.foreign {
        let more = counted(foreign - style.foreign, "more line");
        result.extend([&bar, format!("{FOREIGN} … {more}: -v shows all").as_str()]);
    }
    result
}

/// Wraps one line, with an indentation from the second line on.
fn hung(line: &str, indent: usize, style: Style) -> String {
    let pad = " ".repeat(indent);
    textwrap::fill(line, unbroken(style.width).subsequent_indent(&pad))
}

fn unbroken<'a>(width: usize) -> textwrap::Options<'a> {
    textwrap::Options::new(width.max(20))
        .break_words(false)
        .word_separator(WordSeparator::Custom(words))
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
}

fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut rest = line;
    Box::new(std::iter::from_fn(move || {
        let (word, next) = rest.split_at(word_end(rest));
        rest = next;
        (!word.is_empty()).then(|| Word::from(word))
    }))
}

/// Where the first word and the blanks behind it end. A backtick without a second one is a character as any other.
fn word_end(line: &str) -> usize {
    let (mut code, mut blank) = (false, false);
    for (at, c) in line.char_indices() {
        let opens = |rest: &str| rest.chars().skip(1).any(|c| c == '`');
        match c {
            ' ' if !code => blank = true,
            _ if blank => return at,
            '`' => code = !code && line.get(at..).is_some_and(opens),
            _ => {}
        }
    }
    line.len()
}

fn word(row: &InstanceRow) -> &'static str {
    match row.done {
        Some(done) => done.as_str(),
        None => row.state.as_str(),
    }
}

fn paint(row: &InstanceRow) -> Paint {
    let color = match (&row.state, row.done) {
        (InstanceState::Error(_), _) => AnsiColor::Red,
        (_, Some(done)) if done.is_to_come() => AnsiColor::Yellow,
        (InstanceState::Absent | InstanceState::Stale(_) | InstanceState::Blocked, _) => AnsiColor::Yellow,
        _ => AnsiColor::Green,
    };
    color.on_default()
}

fn line(text: &mut String, name: &str, row: &InstanceRow, (state_width, name_width): (usize, usize), style: Style) {
    let paint = paint(row);
    let name = terminal(name);
    let pad = " ".repeat(name_width.saturating_sub(textwrap::core::display_width(&name)));
    let backend = row.backend.as_deref().unwrap_or("-");
    let _ = writeln!(text, "{paint}{:state_width$}{paint:#}  {name}{pad}  {backend}", word(row));
    for reason in row.state.reasons() {
        let what = format!("{}: {}", reason.kind.as_str(), terminal_lines(&reason.message));
        let _ = writeln!(text, "{}{}", " ".repeat(state_width + 2), wrapped(&what, state_width + 2, style));
    }
    for said in row.lines() {
        let _ = writeln!(
            text,
            "{}{}",
            " ".repeat(state_width + 2),
            wrapped(&terminal_lines(&said), state_width + 2, style)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Style = Style { width: 24, foreign: 2 };

    #[test]
    fn no_subject_is_empty() {
        let about = |subject: &str| anstream_free(&Failure::new(subject, "so it is").warning(NARROW));
        assert_eq!(about(""), "warning: so it is\n");
        assert_eq!(about("web1"), "warning: web1: so it is\n");
    }

    #[test]
    fn words_of_another_program_stay_as_they_are() {
        let failure =
            Failure::new("web1", "it ended with many words\n| as  long as they are, unwrapped\n|\n| three\n| four");
        let text = failure.hint(Some("mind it")).text(NARROW);
        let text = anstream_free(&text);
        assert_eq!(
            text,
            "error: web1: it ended with\n       many words\n  | as  long as they are, unwrapped\n  |\n  | … 2 more lines: -v shows all\n  hint: mind it\n"
        );
    }

    fn anstream_free(text: &str) -> String {
        text.replace("\u{1b}[1m", "").replace("\u{1b}[31m", "").replace("\u{1b}[33m", "").replace("\u{1b}[0m", "")
    }

    #[test]
    fn a_note_is_wrapped_and_only_its_first_line_begins_at_the_left() {
        assert_eq!(
            note("12 bytes were said, error: all is lost", NARROW),
            "12 bytes were said,\n  error: all is lost\n"
        );
        assert_eq!(note("a:\n  in it there is more than fits", NARROW), "a:\n  in it there is more\n    than fits\n");
        assert_eq!(note("a\u{1b}b", NARROW), "a\\u{1b}b\n");
    }

    #[test]
    fn a_command_is_never_broken() {
        let text = note("it is `artifacts adopt --all 'two words'` that does `it, where it can", NARROW);
        assert_eq!(text, "it is\n  `artifacts adopt --all 'two words'`\n  that does `it, where\n  it can\n");
    }

    #[test]
    fn what_is_said_of_a_name_is_wrapped_beside_it() {
        let text = field("files", 6, "open 3, close 4, read 5, stat 6", NARROW);
        assert_eq!(text, "files  open 3, close 4,\n       read 5, stat 6\n");
    }
}
