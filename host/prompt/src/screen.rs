use std::fs::File;
use std::io::Write;

use rustix::termios::{InputModes, Winsize, tcgetattr, tcgetwinsize};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::line::LineEditor;
use crate::options::TerminalOptions;
use crate::row::PromptRow;

/// The most completed lines of a paste that are shown.
const SHOWN: usize = 50;

/// The size of a terminal that does not say it.
const USUAL: (usize, usize) = (80, 24);

/// Moves the cursor back by one column.
const BACK: &str = "\u{8}";

/// Clears all that is at and behind the cursor.
const CLEAR: &str = "\u{1b}[J";

/// What a prompt shows: lines, below them the row that a value is entered in, below that the keys. Without escape sequences the row is
/// written over what was there, and the keys are a line above.
pub(crate) struct Screen<'a> {
    tty: &'a File,
    options: TerminalOptions,
    mask: char,
    /// What the row begins with.
    name: String,
    /// What stands in the row.
    shown: PromptRow,
    keys: String,
    /// Whether the keys stand below the row.
    has_keys: bool,
    /// The rows of the terminal above the row that belong to the prompt.
    above: usize,
    /// The rows that prompts shrank to, as far as these stand above the current one as they were written, the last one at the end.
    shrunk: Vec<usize>,
    /// The size of the terminal when the prompt began. None once the prompt no longer stands as it was written.
    size: Option<(usize, usize)>,
    /// For how many columns the row was drawn.
    drawn_for: usize,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(tty: &'a File, options: TerminalOptions) -> Result<Self, Error> {
        let unicode = tcgetattr(tty)?.input_modes.contains(InputModes::IUTF8) && !options.dumb;
        let mask = if unicode { '•' } else { '*' };
        let (name, keys, shown) = (String::new(), String::new(), PromptRow::default());
        let (has_keys, above, shrunk, size, drawn_for) = (false, 0, Vec::new(), None, 0);
        let mut screen = Self { tty, options, mask, name, shown, keys, has_keys, above, shrunk, size, drawn_for };
        screen.begin();
        Ok(screen)
    }

    /// Begins a prompt: what stands above does not belong to it.
    pub(crate) fn begin(&mut self) {
        self.above = 0;
        let size = Some(self.size_now());
        if self.size != size {
            self.shrunk.clear();
        }
        self.size = size;
    }

    fn size_now(&self) -> (usize, usize) {
        match tcgetwinsize(self.tty) {
            Ok(Winsize { ws_col, ws_row, .. }) if ws_col > 0 && ws_row > 0 => (ws_col.into(), ws_row.into()),
            _ => USUAL,
        }
    }

    pub(crate) fn columns(&self) -> usize {
        self.size_now().0
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        let mut tty = self.tty;
        Ok(tty.write_all(text.as_bytes())?)
    }

    /// Writes a line above the row; one that is too long is broken between words.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Error> {
        let columns = self.columns();
        for line in broken(text, columns) {
            self.above += rows(&line, columns);
            self.write(&format!("{line}\n"))?;
        }
        Ok(())
    }

    /// Begins the row. A long name is no part of it, nor is that of several lines.
    pub(crate) fn row(&mut self, name: &str, has_lines: bool) -> Result<(), Error> {
        name.clone_into(&mut self.name);
        if has_lines || name.width() > self.columns() / 2 {
            self.name.clear();
            return self.line(name.trim_end());
        }
        Ok(())
    }

    /// Returns how far the value is indented.
    pub(crate) fn indent(&self) -> usize {
        self.name.width().max(2)
    }

    /// Shows these keys from now on.
    pub(crate) fn keys(&mut self, keys: String) -> Result<(), Error> {
        if self.options.dumb {
            return if keys.is_empty() { Ok(()) } else { self.line(&keys) };
        }
        self.keys = keys;
        Ok(())
    }

    /// Draws the row, where it differs from what is there; `words` stand in place of the count of what is hidden.
    pub(crate) fn draw(&mut self, editor: &LineEditor, words: Option<&str>) -> Result<(), Error> {
        let columns = self.columns();
        if std::mem::replace(&mut self.drawn_for, columns) != columns
            && !self.shown.all.is_empty()
            && !self.options.dumb
        {
            // The terminal may have broken the row, or cut it.
            self.forget()?;
            self.write(CLEAR)?;
        }
        if !self.has_keys && !self.keys.is_empty() {
            let keys = if self.options.plain { self.keys.clone() } else { format!("\u{1b}[2m{}\u{1b}[0m", self.keys) };
            self.has_keys = true;
            // Below the row, which nothing stands in yet.
            self.write(&format!("\n{keys}\u{1b}[A\r"))?;
        }
        self.put(&PromptRow::draw(editor, &self.name, words, columns, self.mask))
    }

    /// Draws again next time: what is there is another program's.
    pub(crate) fn forget(&mut self) -> Result<(), Error> {
        self.shown = PromptRow::default();
        self.has_keys = false;
        self.size = None;
        self.write("\r")
    }

    /// Writes what differs from what is there, and no more: who waits for a prompt sees it once.
    fn put(&mut self, row: &PromptRow) -> Result<(), Error> {
        let mut text = Zeroizing::new(String::with_capacity(2 * (row.all.len() + self.shown.all.len()) + 16));
        let same = common(&self.shown.all, &row.all);
        let (at, target) = (self.shown.before.width(), row.all[..same].width());
        text.push_str(&BACK.repeat(at.saturating_sub(target)));
        text.push_str(row.all.get(self.shown.before.len()..same).unwrap_or_default());
        text.push_str(&row.all[same..]);
        let (new, old) = (row.all.width(), self.shown.all.width());
        text.push_str(&" ".repeat(old.saturating_sub(new)));
        text.push_str(&BACK.repeat(old.max(new) - row.before.width()));
        if row.all != self.shown.all || row.before != self.shown.before {
            self.write(&text)?;
        }
        self.shown = row.clone();
        Ok(())
    }

    /// Clears the keys; the cursor is behind the row then.
    pub(crate) fn clear_keys(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.has_keys) {
            return Ok(());
        }
        let whole = PromptRow { all: self.shown.all.clone(), before: self.shown.all.clone() };
        self.put(&whole)?;
        self.write(CLEAR)
    }

    /// Leaves the row as it was drawn, and goes to the next.
    pub(crate) fn leave(&mut self) -> Result<(), Error> {
        self.clear_keys()?;
        self.above += rows(&self.shown.all, self.columns());
        self.shown = PromptRow::default();
        self.write("\n")
    }

    /// Leaves the row, and says something below it; what is entered goes on below that.
    pub(crate) fn remark(&mut self, editor: &LineEditor, lines: &[String]) -> Result<(), Error> {
        self.draw(editor, None)?;
        self.leave()?;
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Leaves completed lines behind, as they would stand there had they been typed.
    pub(crate) fn completed(&mut self, editor: &LineEditor, from: usize) -> Result<(), Error> {
        let end = editor.line().start;
        let done = editor.text().get(from..end).unwrap_or_default();
        let count = done.matches('\n').count();
        let mut start = from;
        for line in done.split_inclusive('\n').take(SHOWN) {
            let range = start..start + line.len() - 1;
            let row = PromptRow::draw_line(editor, range, &self.name, None, self.columns(), self.mask);
            self.put(&row)?;
            self.leave()?;
            start += line.len();
        }
        if count > SHOWN { self.line(&format!("… and {} more lines", count - SHOWN)) } else { Ok(()) }
    }

    /// Leaves the row, and says below it that it was left by a key.
    pub(crate) fn break_off(&mut self, words: &str) -> Result<(), Error> {
        self.shrunk.clear();
        self.leave()?;
        self.line(words)
    }

    /// Replaces the prompt by these lines, where it still stands as it was written; else they stand below it. Lines that say nothing new
    /// are left out where nothing can be replaced.
    pub(crate) fn shrink(&mut self, lines: &[String], is_new: bool) -> Result<(), Error> {
        if self.options.dumb && !is_new {
            return Ok(());
        }
        if !self.take_away(0)? {
            self.shrunk.clear();
            self.above = 0;
        }
        lines.iter().try_for_each(|line| self.line(line))?;
        self.shrunk.push(self.above);
        Ok(())
    }

    /// Takes the prompt away, and the lines that the one before shrank to, as far as they still stand as they were written.
    pub(crate) fn back(&mut self) -> Result<(), Error> {
        let before = self.shrunk.pop().unwrap_or_default();
        if !self.take_away(before)? {
            self.shrunk.clear();
            self.take_away(0)?;
        }
        Ok(())
    }

    /// Takes the rows of the prompt away, and so many before it. False where they do not stand on the screen as they were written.
    fn take_away(&mut self, before: usize) -> Result<bool, Error> {
        let (size, rows) = (self.size_now(), self.above + before);
        if self.size != Some(size) || rows >= size.1 || self.options.dumb {
            return Ok(false);
        }
        self.above = 0;
        self.write(&format!("\u{1b}[{rows}A\r{CLEAR}"))?;
        Ok(true)
    }
}

/// Returns how many rows of so many columns a line takes.
pub fn rows(line: &str, columns: usize) -> usize {
    let (mut rows, mut used) = (1, 0);
    for letter in line.chars() {
        let width = letter.width().unwrap_or(0);
        if used + width > columns && used > 0 {
            rows += 1;
            used = 0;
        }
        used += width;
    }
    rows
}

/// How many bytes two rows have in common at their begin. What joins the character before it is not told from that.
fn common(one: &str, two: &str) -> usize {
    let same = one.chars().zip(two.chars()).take_while(|(one, two)| one == two).map(|(letter, _)| letter.len_utf8());
    let mut same = same.sum::<usize>();
    let joins = |text: &str, at: usize| text[at..].chars().next().is_some_and(|letter| letter.width() == Some(0));
    while same > 0 && (joins(one, same) || joins(two, same)) {
        same -= one[..same].chars().next_back().map_or(same, char::len_utf8);
    }
    same
}

/// Breaks a line between words, so that each part fits into so many columns; all are indented as the first one is. A word that does
/// not fit stays whole.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(text.len() - text.trim_start_matches(' ').len());
    let mut lines = Vec::new();
    let mut line = String::new();
    // Each word has the blanks before it.
    let mut rest = text;
    while !rest.is_empty() {
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let end = rest[blanks..].find(' ').map_or(rest.len(), |at| blanks + at);
        let (word, next) = rest.split_at(end);
        if !line.trim_start().is_empty() && line.width() + word.width() > columns {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            line.push_str(word.trim_start_matches(' '));
        } else {
            line.push_str(word);
        }
        rest = next;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::{broken, rows};

    #[test]
    fn a_long_line_is_broken_between_words_and_nowhere_else() {
        let text = "  2 of 5   web1/a   Is this a question of many words that fits nowhere? [y/N]";
        for columns in 1..100 {
            let lines = broken(text, columns);
            assert!(lines.iter().all(|line| line.starts_with("  ")), "{columns}: {lines:?}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(lines.iter().flat_map(|line| words(line)).collect::<Vec<_>>(), words(text), "{columns}");
            let is_one = |line: &String| words(line).len() == 1;
            assert!(lines.iter().all(|line| line.width() <= columns || is_one(line)), "{columns}: {lines:?}");
        }
        assert_eq!(broken(text, 100), [text]);
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("a  b", 3), ["a", "b"]);
    }

    #[test]
    fn a_line_takes_as_many_rows_as_the_terminal_breaks_it_into() {
        for (line, columns, expected) in
            [("", 5, 1), ("12345", 5, 1), ("123456", 5, 2), ("漢字漢", 5, 2), ("漢字漢字漢", 5, 3), ("漢字", 1, 2)]
        {
            assert_eq!(rows(line, columns), expected, "{line} {columns}");
        }
    }
}
