//! The question about recipients, on one page for the whole run. Where that is longer than the screen it is shown in parts, and a yes
//! counts only at its end.

use std::io::Write as _;

use artifacts_prompt::{Terminal, rows};
use artifacts_report::{Failure, RecipientChange, RecipientNames, recipient_page};

use crate::console::{self, Console};
use crate::person;

/// The lines of a terminal that does not say how many it has.
const USUAL: usize = 24;

/// Shows the page on standard error, for a run that asks no one.
pub fn show(console: Console, changes: &[RecipientChange], names: &RecipientNames) {
    let page = recipient_page(changes, names, false, &console.on_stderr());
    console.painted(&page);
    if !page.is_empty() {
        console.gap();
    }
}

/// Asks at the terminal.
///
/// # Errors
/// When the terminal fails.
pub fn ask(
    console: Console,
    terminal: &mut Terminal,
    changes: &[RecipientChange],
    names: &RecipientNames,
) -> Result<bool, Failure> {
    let mut details = false;
    loop {
        let page = recipient_page(changes, names, details, &console.on_stderr());
        let other = if details { "" } else { "   d all secrets and keys" };
        let size = (console::columns(), console::height().unwrap_or(USUAL));
        let parts = parts(&format!("{page}\ny encrypt   n change nothing{other}\n"), size);
        for (at, part) in parts.iter().enumerate() {
            write(console, part);
            let is_last = at + 1 == parts.len();
            if !is_last && is_no(&terminal.choose("Enter next page   n change nothing")?) {
                return Ok(false);
            }
        }
        match terminal.choose("Encrypt to these recipients? [y/N]")?.as_str() {
            "y" | "yes" => return Ok(true),
            "d" => details = true,
            _ => return Ok(false),
        }
    }
}

fn is_no(answer: &str) -> bool {
    matches!(answer, "n" | "no" | "q")
}

/// A page is seen by who is asked, whatever standard error is.
fn write(console: Console, text: &str) {
    console.painted(text);
    if !console.watched()
        && let Some(mut tty) = person::tty()
    {
        let _ = write!(tty, "{}", anstream::adapter::strip_str(text));
    }
}

/// Splits a page into parts that fit a screen of so many columns and lines, each with room for a question below it.
fn parts(page: &str, (columns, height): (usize, usize)) -> Vec<String> {
    let room = height.saturating_sub(2).max(1);
    let (mut parts, mut used) = (vec![String::new()], 0);
    for line in page.split_inclusive('\n') {
        let rows = rows(&anstream::adapter::strip_str(line.trim_end_matches('\n')).to_string(), columns);
        if used > 0 && used + rows > room {
            parts.push(String::new());
            used = 0;
        }
        used += rows;
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_split_where_the_screen_ends_and_nothing_of_it_is_lost() {
        let page = (0..20).map(|line| format!("\u{1b}[1mline {line}\u{1b}[0m\n")).collect::<Vec<_>>().concat();
        let split = parts(&page, (80, 9));
        assert_eq!(split.iter().map(|part| part.lines().count()).collect::<Vec<_>>(), [7, 7, 6]);
        assert_eq!(split.concat(), page);
        assert_eq!(parts(&page, (80, 22)).len(), 1);
        assert_eq!(parts("one\n", (80, 0)).len(), 1);
        let long = format!("{}\nend\n", "x".repeat(10_000));
        assert_eq!(parts(&long, (80, 5)).len(), 2, "a line that is longer than the screen stands alone");
    }

    #[test]
    fn a_wide_letter_takes_two_columns() {
        let page = format!("\u{1b}[1m{}\u{1b}[0m\n", "漢".repeat(60)).repeat(6);
        let lines = |size| parts(&page, size).iter().map(|part| part.lines().count()).collect::<Vec<_>>();
        assert_eq!(lines((80, 8)), [3, 3], "two rows each");
        assert_eq!(lines((120, 8)), [6], "one row each");
        assert_eq!(lines((119, 8)), [3, 3], "half a letter does not fit");
    }

    #[test]
    fn only_a_no_ends_a_page_early() {
        assert!(["n", "no", "q"].into_iter().all(is_no));
        assert!(!["", "y", "yes", "d"].into_iter().any(is_no));
    }
}
