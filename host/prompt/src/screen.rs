use std::fs::File;
use std::io::Write;

use artifacts_declared::PromptKind;
use artifacts_text::terminal;
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{InputModes, tcgetattr, tcgetwinsize};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::line::{LineEditor, LineEffect, LineKind};
use crate::mode::suspend;
use crate::request::PromptRequest;
use crate::row::PromptRow;

/// The most completed lines of a paste that are shown.
const SHOWN: usize = 50;

/// The columns of a terminal that does not say how many it has.
const USUAL: usize = 80;

/// Moves the cursor back by one column.
const BACK: &str = "\u{8}";

/// How asking for a value ended.
pub(crate) enum Outcome {
    Accepted,
    /// The input ended instead.
    Ended,
}

/// The row that a value is entered in. Needs no escape sequences: it is written over what was there.
pub(crate) struct Screen<'a> {
    tty: &'a File,
    name: String,
    mask: char,
    kind: LineKind,
    /// What stands there.
    shown: PromptRow,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(tty: &'a File, name: &str, dumb: bool, kind: LineKind) -> Result<Self, Error> {
        let unicode = tcgetattr(tty)?.input_modes.contains(InputModes::IUTF8) && !dumb;
        let mask = if unicode { '•' } else { '*' };
        let mut screen = Self { tty, name: name.to_owned(), mask, kind, shown: PromptRow::default() };
        // A long name is no part of the row, nor is that of several lines.
        if kind.lines || name.width() > screen.columns() / 2 {
            screen.name.clear();
            screen.write(&format!("{}\n", name.trim_end()))?;
        }
        Ok(screen)
    }

    fn columns(&self) -> usize {
        match tcgetwinsize(self.tty) {
            Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
            _ => USUAL,
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        let mut tty = self.tty;
        Ok(tty.write_all(text.as_bytes())?)
    }

    fn row(&self, editor: &LineEditor) -> PromptRow {
        PromptRow::draw(editor, &self.name, self.columns(), self.mask)
    }

    /// Draws the row, where it differs from what is there.
    pub(crate) fn draw(&mut self, editor: &LineEditor) -> Result<(), Error> {
        self.put(&self.row(editor))
    }

    /// Draws again next time: what is there is another user's.
    pub(crate) fn forget(&mut self) -> Result<(), Error> {
        self.shown = PromptRow::default();
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

    /// Leaves the row as it is, and goes to the next.
    fn leave(&mut self, row: &PromptRow) -> Result<(), Error> {
        self.put(row)?;
        self.shown = PromptRow::default();
        self.write("\n")
    }

    fn remark(&mut self, editor: &LineEditor, text: &str) -> Result<(), Error> {
        self.leave(&self.row(editor))?;
        self.write(&format!("{text}\n"))
    }

    /// Shows what follows from an event. Some when nothing more is asked.
    pub(crate) fn show(
        &mut self,
        effect: &LineEffect,
        editor: &LineEditor,
        question: Option<&PromptRequest>,
    ) -> Result<Option<Outcome>, Error> {
        match effect {
            LineEffect::Completed(from) if !self.kind.hidden => self.completed(editor, *from)?,
            LineEffect::Nothing | LineEffect::Changed | LineEffect::Completed(_) => {}
            LineEffect::Refused(letter) => self.remark(editor, &refusal(*letter))?,
            LineEffect::Declined(why) => self.remark(editor, why)?,
            LineEffect::Held { lines, characters } => self.remark(editor, &held(*lines, *characters, question))?,
            LineEffect::Discarded => self.remark(editor, "The paste was discarded.")?,
            LineEffect::Suspended => {
                suspend(|| {
                    let _ = kill_current_process_group(Signal::TSTP);
                });
                self.forget()?;
            }
            LineEffect::Accepted => {
                self.leave(&self.row(editor))?;
                return Ok(Some(Outcome::Accepted));
            }
            LineEffect::Ended => {
                self.write("\n")?;
                return Ok(Some(Outcome::Ended));
            }
            LineEffect::Interrupted => {
                self.write("^C\n")?;
                return Err(Error::Interrupted);
            }
        }
        Ok(None)
    }

    /// Leaves completed lines behind, as they would stand there had they been typed.
    fn completed(&mut self, editor: &LineEditor, from: usize) -> Result<(), Error> {
        let end = editor.line().start;
        let done = editor.text().get(from..end).unwrap_or_default();
        let count = done.matches('\n').count();
        let mut start = from;
        for line in done.split_inclusive('\n').take(SHOWN) {
            let row =
                PromptRow::draw_line(editor, start..start + line.len() - 1, &self.name, self.columns(), self.mask);
            self.leave(&row)?;
            start += line.len();
        }
        if count > SHOWN { self.write(&format!("… and {} more lines\n", count - SHOWN)) } else { Ok(()) }
    }
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

fn refusal(letter: char) -> String {
    let name = match u8::try_from(letter) {
        Ok(b'\t') => "A tab".to_owned(),
        Ok(0x1b) => "Escape".to_owned(),
        Ok(byte) if byte < 0x20 => format!("Ctrl-{}", char::from(byte + 0x40)),
        _ => terminal(&letter.to_string()).into_owned(),
    };
    format!("{name} is not allowed in a value. Ctrl-V inserts it literally.")
}

fn held(lines: usize, characters: usize, question: Option<&PromptRequest>) -> String {
    let what = format!("Pasted {lines} lines, {characters} characters; one line is expected.");
    let keys = "  d discard (default)   k keep all lines";
    let Some(question) = question else { return format!("{what}\n{keys}") };
    let kind = if question.kind == PromptKind::Hidden { "multiline-hidden" } else { "multiline" };
    let name = terminal(question.prompt.as_str());
    format!("{what}\n{keys}\n  To avoid this question, set prompts.{name}.type = \"{kind}\".")
}
