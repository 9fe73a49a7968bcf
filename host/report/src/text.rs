use std::fmt::Write as _;

use anstyle::AnsiColor;
use artifacts_text::{Comparison, counted, terminal, terminal_lines};
use textwrap::WordSeparator;
use textwrap::core::Word;

use crate::{Failure, Style};

/// Begins a line that is another program's own.
const FOREIGN: char = '|';
/// Begins bold text; `terminal` leaves none of it in any name.
const BOLD: &str = "\u{1b}[1m";
/// Ends painted text.
const END: &str = "\u{1b}[0m";

impl Failure {
    /// Returns it as a warning: it stops nothing.
    pub fn warning(&self, style: &Style) -> String {
        let subjects: Vec<&str> = Some(self.subject.as_str()).into_iter().filter(|one| !one.is_empty()).collect();
        message(("warning:", AnsiColor::Yellow), &subject(&subjects, self.backend.as_deref(), style), self, style)
    }

    /// Returns what it says below its first line: what was compared, and what to do.
    pub(crate) fn parts(&self) -> Vec<(&'static str, &str)> {
        let Comparison { found, expected } = &self.details.comparison;
        let parts = [("found:", found), ("expected:", expected), ("hint:", &self.hint)];
        parts.into_iter().filter_map(|(label, text)| Some((label, text.as_deref()?))).collect()
    }
}

/// A warning and what to do, wrapped.
pub fn warning(text: &str, hint: Option<&str>, style: &Style) -> String {
    message(("warning:", AnsiColor::Yellow), "", &Failure::new("", text).hint(hint), style)
}

/// A message of a line or more, wrapped; what is wrapped is indented, so that no line but a first one begins at the left.
pub fn note(text: &str, style: &Style) -> String {
    let mut note = String::new();
    for line in terminal_lines(&style.names.shorten_text(text)).split('\n') {
        let indent = line.len() - line.trim_start().len() + 2;
        let _ = writeln!(note, "{}", hung(line, indent, style));
    }
    note
}

/// A name, padded to so many columns, and what is said of it, wrapped beside it.
pub fn field(name: &str, columns: usize, value: &str, style: &Style) -> String {
    format!("{name:<columns$} {}\n", wrapped(&terminal_lines(value), columns + 1, style))
}

/// Renders the subjects of a message, bold and with what separates them from it.
pub(crate) fn subject(names: &[&str], backend: Option<&str>, style: &Style) -> String {
    if names.is_empty() {
        return String::new();
    }
    let bold = anstyle::Style::new().bold();
    let name = |name: &&str| format!("{bold}{}{bold:#}", terminal(&style.names.shorten_text(name)));
    let names = names.iter().map(name).collect::<Vec<_>>().join(", ");
    backend.map_or_else(|| format!("{names}: "), |backend| format!("{names} ({}): ", terminal(backend)))
}

/// Renders a message: a label, the subject, what failed, and the parts below it.
pub(crate) fn message((label, color): (&str, AnsiColor), subject: &str, failure: &Failure, style: &Style) -> String {
    let color = color.on_default().bold();
    let what = style.names.shorten_text(&failure.message);
    let sentence = subject.to_owned() + &terminal_lines(&what);
    let mut text = format!("{color}{label}{color:#} {}\n", wrapped_beside(&sentence, label.len() + 1, 2, style));
    let parts = failure.parts();
    let width = parts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, part) in parts {
        // Behind an empty line is what is copied as it stands.
        let (part, block) = part.split_once("\n\n").unwrap_or((part, ""));
        let part = style.names.shorten_text(part);
        let _ = writeln!(text, "  {label:width$} {}", wrapped(&terminal_lines(&part), width + 3, style));
        if !block.is_empty() {
            let _ = writeln!(text, "\n{}", terminal_lines(block.trim_end()));
        }
    }
    text
}

/// Wraps all but the first line's indentation; neither a word nor what stands between backticks is ever broken, so that commands
/// and paths can be copied: a half of a command may be a command, too. What another program said stays as it is, behind a bar.
pub(crate) fn wrapped(text: &str, indent: usize, style: &Style) -> String {
    wrapped_beside(text, indent, indent, style)
}

/// The same, with another indentation for what another program said.
fn wrapped_beside(text: &str, indent: usize, of_foreign: usize, style: &Style) -> String {
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
fn hung(line: &str, indent: usize, style: &Style) -> String {
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

/// Where the first word and the blanks behind it end. A backtick without a second one is a character as any other. What is bold
/// is a name, and one word.
fn word_end(line: &str) -> usize {
    let (mut code, mut bold, mut blank) = (false, false, false);
    for (at, c) in line.char_indices() {
        let rest = line.get(at..).unwrap_or_default();
        let opens = |rest: &str| rest.chars().skip(1).any(|c| c == '`');
        match c {
            ' ' if !code && !bold => blank = true,
            _ if blank => return at,
            '`' => code = !code && opens(rest),
            _ if rest.starts_with(BOLD) => bold = true,
            _ if rest.starts_with(END) => bold = false,
            _ => {}
        }
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{plain, style};

    fn error(failure: &Failure) -> String {
        plain(&crate::failures(std::slice::from_ref(failure), &style(24)))
    }

    #[test]
    fn no_subject_is_empty() {
        let about = |subject: &str| plain(&Failure::new(subject, "so it is").warning(&style(24)));
        assert_eq!(about(""), "warning: so it is\n");
        assert_eq!(about("web1"), "warning: web1: so it is\n");
    }

    #[test]
    fn words_of_another_program_stay_as_they_are() {
        let failure =
            Failure::new("web1", "it ended with many words\n| as  long as they are, unwrapped\n|\n| three\n| four");
        assert_eq!(
            error(&failure.hint(Some("mind it"))),
            "error: web1: it ended with\n       many words\n  | as  long as they are, unwrapped\n  |\n  | … 2 more lines: -v shows all\n  hint: mind it\n"
        );
    }

    #[test]
    fn what_is_compared_stands_below_each_other() {
        let failure = Failure::new("web1/a", "it differs").compared(Comparison::new("3b1f", "9f86"));
        assert_eq!(error(&failure), "error: web1/a: it differs\n  found:    3b1f\n  expected: 9f86\n");
        let failure = failure.hint(Some("review it"));
        assert!(error(&failure).ends_with("  expected: 9f86\n  hint:     review it\n"));
    }

    #[test]
    fn a_subject_is_bold_and_never_broken() {
        let text = crate::failures(&[Failure::new("shared/a name of some words", "it is so")], &style(24));
        assert!(text.contains("\u{1b}[1mshared/a name of some words\u{1b}[0m:"), "{text:?}");
    }

    #[test]
    fn a_note_is_wrapped_and_only_its_first_line_begins_at_the_left() {
        let note = |text| note(text, &style(24));
        assert_eq!(note("12 bytes were said, error: all is lost"), "12 bytes were said,\n  error: all is lost\n");
        assert_eq!(note("a:\n  in it there is more than fits"), "a:\n  in it there is more\n    than fits\n");
        assert_eq!(note("a\u{1b}b"), "a\\u{1b}b\n");
    }

    #[test]
    fn a_command_is_never_broken() {
        let text = note("it is `artifacts adopt --all 'two words'` that does `it, where it can", &style(24));
        assert_eq!(text, "it is\n  `artifacts adopt --all 'two words'`\n  that does `it, where\n  it can\n");
    }

    #[test]
    fn what_is_said_of_a_name_is_wrapped_beside_it() {
        let text = field("files", 6, "open 3, close 4, read 5, stat 6", &style(24));
        assert_eq!(text, "files  open 3, close 4,\n       read 5, stat 6\n");
    }
}
