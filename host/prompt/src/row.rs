use std::ops::Range;

use artifacts_text::{agreeing, is_hidden, separated};
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use crate::line::{LineEditor, LineKind};
use crate::wiped::insert;

/// The most mask characters. Beyond that only the count grows.
const MASK: usize = 64;

/// What is at least between the text and the words behind it.
const GAP: usize = 2;

/// Where the words behind the text end, in a row that is wide enough.
const EDGE: usize = 79;

/// What one row of the screen shows of a value that is being entered, never more than fits.
#[derive(Debug, Clone, Default)]
pub struct PromptRow {
    /// All of the row.
    pub all: Zeroizing<String>,
    /// What of it is before the cursor.
    pub before: Zeroizing<String>,
}

impl PromptRow {
    /// Draws the line that is edited, behind `name`, for so many columns. What is hidden is shown as masks and counts; `words` stand in
    /// place of the count.
    pub fn draw(editor: &LineEditor, name: &str, words: Option<&str>, columns: usize, mask: char) -> Self {
        Self::draw_line(editor, editor.line(), name, words, columns, mask)
    }

    /// Draws another line of the text, as it stands on the screen once the cursor has left it.
    pub fn draw_line(
        editor: &LineEditor,
        line: Range<usize>,
        name: &str,
        words: Option<&str>,
        columns: usize,
        mask: char,
    ) -> Self {
        // The last column stays empty: what is written there makes some terminals begin a new row.
        let columns = columns.saturating_sub(1);
        let name = fitting(name, columns);
        let left = columns - name.width();
        let count = words.map_or_else(|| count(editor), str::to_owned);
        let count = if count.len() + GAP < left { count } else { String::new() };
        let room = if count.is_empty() { left } else { left - count.len() - GAP };
        let (cells, cursor) = cells(editor, line, mask, room);
        let shown = window(&cells, cursor, room);
        let mut row = Self { all: Zeroizing::new(name.clone()), before: Zeroizing::new(name) };
        for at in shown {
            push(&mut row.all, &cells[at]);
            if at < cursor {
                push(&mut row.before, &cells[at]);
            }
        }
        if !count.is_empty() {
            let used = row.all.width() + count.width();
            let gap = columns.min(EDGE).saturating_sub(used).max(GAP);
            push(&mut row.all, &" ".repeat(if cells.is_empty() { 0 } else { gap }));
            push(&mut row.all, &count);
        }
        row
    }
}

fn push(text: &mut Zeroizing<String>, part: &str) {
    let end = text.len();
    insert(text, end, part);
}

/// As much of the begin as fits.
fn fitting(name: &str, columns: usize) -> String {
    let fits = |end: &usize| name.get(..*end).is_some_and(|begin| begin.width() <= columns);
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    name[..ends.take_while(fits).last().unwrap_or(0)].to_owned()
}

/// How much was entered of what is hidden.
fn count(editor: &LineEditor) -> String {
    if editor.kind().hidden && !editor.text().is_empty() { amount(editor.text(), editor.kind()) } else { String::new() }
}

/// Returns what is said of a value in place of itself: `24 characters`, `2 lines, 1,704 bytes`.
pub(crate) fn amount(value: &str, kind: LineKind) -> String {
    let of = |number: usize, one: &str| format!("{} {one}{}", separated(number), agreeing(number, "", "s"));
    if kind.lines {
        format!("{}, {}", of(value.lines().count(), "line"), of(value.len(), "byte"))
    } else {
        of(value.chars().count(), "character")
    }
}

/// What stands for the characters around the cursor, and how many are before it. No more than can fit.
fn cells(editor: &LineEditor, line: Range<usize>, mask: char, room: usize) -> (Vec<Zeroizing<String>>, usize) {
    let kind = editor.kind();
    let (text, at) = (editor.text(), editor.cursor().min(line.end));
    let before = text.get(line.start..at).unwrap_or_default();
    let behind = text.get(at..line.end).unwrap_or_default();
    if kind.hidden && kind.lines {
        return (Vec::new(), 0);
    }
    if kind.hidden {
        let (first, all) = (before.chars().count(), before.chars().count() + behind.chars().count());
        let masks = (0..all.min(MASK)).map(|_| Zeroizing::new(mask.to_string())).collect();
        return (masks, first.min(MASK));
    }
    let start = before.char_indices().rev().take(room + 1).last().map_or(0, |(start, _)| start);
    let before = before.get(start..).unwrap_or_default();
    let cells = before.chars().chain(behind.chars().take(room + 1)).map(cell).collect();
    (cells, before.chars().count())
}

fn cell(letter: char) -> Zeroizing<String> {
    if is_hidden(letter) {
        return Zeroizing::new(artifacts_text::terminal(letter.encode_utf8(&mut [0; 4])).into_owned());
    }
    Zeroizing::new(letter.to_string())
}

/// Which cells are shown: as many before the cursor as fit, then as many behind it.
fn window(cells: &[Zeroizing<String>], cursor: usize, room: usize) -> Range<usize> {
    let (mut start, mut used) = (cursor, 0);
    while let Some(cell) = start.checked_sub(1).and_then(|before| cells.get(before)) {
        if used + cell.width() > room {
            break;
        }
        used += cell.width();
        start -= 1;
    }
    let mut end = cursor;
    while let Some(cell) = cells.get(end) {
        if used + cell.width() > room {
            break;
        }
        used += cell.width();
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Event;

    fn editor(text: &str, hidden: bool, lines: bool) -> LineEditor {
        let mut editor = LineEditor::new(LineKind { hidden, lines });
        for letter in text.chars() {
            editor.handle(if letter == '\n' { Event::Enter } else { Event::Literal(letter) });
        }
        editor
    }

    #[test]
    fn a_line_shows_its_text_and_what_is_hidden_its_masks_and_count() {
        let row = |text: &str, hidden, lines| {
            PromptRow::draw(&editor(text, hidden, lines), "pin: ", None, 80, '*').all.to_string()
        };
        assert_eq!(row("añ漢", false, false), "pin: añ漢");
        assert_eq!(row("a\u{202e}\u{7}", false, false), "pin: a\\u{202e}\\u{7}");
        assert_eq!(row("", true, false), "pin: ");
        assert_eq!(row("1", true, false), format!("pin: *{}1 character", " ".repeat(62)));
        assert_eq!(row("1234", true, false), format!("pin: ****{}4 characters", " ".repeat(58)));
        assert_eq!(row("1234", true, false).width(), EDGE);
        assert_eq!(row(&"1".repeat(100), true, false), format!("pin: {}  100 characters", "*".repeat(58)));
        assert_eq!(row("one\ntwo\n", true, true), "pin: 2 lines, 8 bytes");
        assert_eq!(row("one\ntwo", false, true), "pin: two");
    }

    #[test]
    fn words_stand_in_place_of_the_count() {
        let row = PromptRow::draw(&editor("1234", true, false), "pin: ", Some("matches"), 80, '*');
        assert_eq!(row.all.as_str(), format!("pin: ****{}matches", " ".repeat(63)));
    }

    #[test]
    fn a_narrow_row_shows_what_is_around_the_cursor() {
        let mut line = editor("0123456789abcdef", false, false);
        let row = |line: &LineEditor| PromptRow::draw(line, "pin: ", None, 16, '*');
        assert_eq!((row(&line).all.as_str(), row(&line).before.as_str()), ("pin: 6789abcdef", "pin: 6789abcdef"));
        line.handle(Event::Home);
        assert_eq!((row(&line).all.as_str(), row(&line).before.as_str()), ("pin: 0123456789", "pin: "));
        let wide = editor("漢字漢字漢字漢字", false, false);
        assert_eq!(row(&wide).all.as_str(), "pin: 字漢字漢字");
    }

    proptest! {
        #[test]
        fn a_row_fits_and_hides_what_is_hidden(text in "[a-z漢é\u{301}\u{200d}\u{7}]{0,90}", columns in 0_usize..100, hidden in any::<bool>(), lines in any::<bool>(), back in 0_usize..9) {
            let mut editor = editor(&text, hidden, lines);
            for _ in 0..back {
                editor.handle(Event::Left);
            }
            let row = PromptRow::draw(&editor, "P: ", None, columns, '*');
            prop_assert!(row.all.width() <= columns.saturating_sub(1), "{:?}", row);
            prop_assert!(row.all.starts_with(row.before.as_str()));
            let digits = |letter: char| letter.is_ascii_digit() || " P:*".contains(letter);
            let words = row.all.replace("character", "").replace("line", "").replace("byte", "").replace(['s', ','], "");
            prop_assert!(!hidden || words.chars().all(digits), "{:?}", row);
        }
    }
}
