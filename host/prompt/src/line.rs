use std::mem::take;
use std::ops::Range;

use artifacts_seam::Secret;
use artifacts_text::is_control;
use zeroize::Zeroizing;

use crate::event::Event;
use crate::wiped::insert;

/// The largest value, in bytes.
pub(crate) const LARGEST: usize = 16 << 20;

/// How a value is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineKind {
    /// It is not shown.
    pub hidden: bool,
    /// It has several lines: Enter begins the next, Ctrl-D accepts.
    pub lines: bool,
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEffect {
    /// Nothing to be seen.
    Nothing,
    /// The line looks different.
    Changed,
    /// Lines were completed. The first begins at this byte of the text.
    Completed(usize),
    /// The value is complete.
    Accepted,
    /// A control character was refused.
    Refused(char),
    /// Something else was refused, for this reason.
    Declined(&'static str),
    /// A paste of several lines waits for a decision: `d` discards it, `k` keeps it.
    Held {
        /// Its lines.
        lines: usize,
        /// Its characters.
        characters: usize,
    },
    /// The paste that waited is gone.
    Discarded,
    /// The person wants out.
    Interrupted,
    /// The input ended.
    Ended,
    /// The person wants the shell for a while.
    Suspended,
}

/// A value while a person enters it: one line, or several of which the last is edited. Knows no terminal; what it held is wiped.
#[derive(Debug)]
pub struct LineEditor {
    kind: LineKind,
    text: Zeroizing<String>,
    /// A byte offset into the text, at a character.
    cursor: usize,
    held: Option<Zeroizing<String>>,
    /// Whether what is hidden is shown, until the next key.
    is_shown: bool,
}

impl LineEditor {
    /// Begins with an empty value.
    pub fn new(kind: LineKind) -> Self {
        Self { kind, text: Zeroizing::default(), cursor: 0, held: None, is_shown: false }
    }

    /// Begins with a value that was entered before; the cursor is behind it.
    pub(crate) fn with_text(kind: LineKind, text: &str) -> Self {
        let mut editor = Self::new(kind);
        insert(&mut editor.text, 0, text);
        editor.cursor = text.len();
        editor
    }

    /// Returns how the value is entered, and whether it is hidden now.
    pub fn kind(&self) -> LineKind {
        LineKind { hidden: self.kind.hidden && !self.is_shown, ..self.kind }
    }

    /// Whether Enter ends the value now.
    pub fn takes_enter(&self) -> bool {
        !self.kind.lines && self.held.is_none()
    }

    /// Returns what was entered so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns where the next character goes, as a byte offset.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether a paste waits for a decision.
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Returns which part of the text is edited: the line that the cursor is in.
    pub fn line(&self) -> Range<usize> {
        if !self.kind.lines {
            return 0..self.text.len();
        }
        let start = self.before().rfind('\n').map_or(0, |at| at + 1);
        let end = self.behind().find('\n').map_or(self.text.len(), |at| self.cursor + at);
        start..end
    }

    /// Takes the text out; what is left is empty.
    pub fn take(&mut self) -> Zeroizing<String> {
        self.cursor = 0;
        take(&mut self.text)
    }

    /// Ends with the value.
    pub fn into_value(mut self) -> Secret {
        Secret::new(take(&mut *self.text).into_bytes())
    }

    /// Takes an event, and says what follows from it.
    pub fn handle(&mut self, event: Event) -> LineEffect {
        let was_shown = take(&mut self.is_shown);
        let effect = match event {
            Event::Interrupt => LineEffect::Interrupted,
            Event::Suspend => LineEffect::Suspended,
            Event::Show if self.kind.hidden && self.held.is_none() => {
                self.is_shown = !was_shown;
                LineEffect::Changed
            }
            event => match self.held.take() {
                Some(held) => self.decide(held, &event),
                None => self.edit(event),
            },
        };
        if was_shown && effect == LineEffect::Nothing { LineEffect::Changed } else { effect }
    }

    fn edit(&mut self, event: Event) -> LineEffect {
        match event {
            Event::Character(letter) if is_control(letter) => self.control(letter),
            Event::Character(letter) | Event::Literal(letter) => self.insert(letter.encode_utf8(&mut [0; 4])),
            Event::Control(letter) => self.control(letter),
            Event::Paste(text) => self.paste(text),
            Event::Unreadable(why) => LineEffect::Declined(why),
            Event::Enter if self.kind.lines => self.insert("\n"),
            Event::Enter => LineEffect::Accepted,
            Event::EndOfInput if self.kind.lines => LineEffect::Accepted,
            Event::EndOfInput if self.text.is_empty() => LineEffect::Ended,
            Event::EndOfInput
            | Event::Ignored
            | Event::Interrupt
            | Event::Suspend
            | Event::Skip
            | Event::Back
            | Event::Show => LineEffect::Nothing,
            Event::Backspace => self.remove(self.previous()..self.cursor),
            Event::Delete => self.remove(self.cursor..self.next()),
            Event::Left => self.move_to(self.previous().max(self.line().start)),
            Event::Right => self.move_to(self.next().min(self.line().end)),
            Event::Home => self.move_to(self.line().start),
            Event::End => self.move_to(self.line().end),
            Event::ClearLine => self.remove(self.line().start..self.cursor),
            Event::ClearWord => self.remove(self.word().max(self.line().start)..self.cursor),
        }
    }

    fn control(&mut self, letter: char) -> LineEffect {
        // A tab belongs to many texts of several lines, and a terminal without bracketed paste sends it as a key.
        if letter == '\t' && self.kind.lines { self.insert("\t") } else { LineEffect::Refused(letter) }
    }

    fn paste(&mut self, mut text: Zeroizing<String>) -> LineEffect {
        let allowed = |letter| letter == '\n' || letter == '\t';
        if let Some(letter) = text.chars().find(|&letter| is_control(letter) && !allowed(letter)) {
            return LineEffect::Refused(letter);
        }
        if self.kind.lines {
            return self.insert(&text);
        }
        let one = text.strip_suffix('\n').unwrap_or(&text).len();
        if text[..one].contains('\n') {
            let (lines, characters) = (text.lines().count(), text.chars().count());
            self.held = Some(text);
            return LineEffect::Held { lines, characters };
        }
        if text.contains('\t') {
            return LineEffect::Refused('\t');
        }
        // The line break behind a line that was copied whole.
        text.truncate(one);
        self.insert(&text)
    }

    /// The answer to what becomes of a paste. Nothing but a clear `k` keeps it.
    fn decide(&mut self, held: Zeroizing<String>, event: &Event) -> LineEffect {
        match event {
            Event::Character('k' | 'K') => self.insert(&held),
            Event::Character('d' | 'D') | Event::Enter | Event::EndOfInput => LineEffect::Discarded,
            _ => {
                self.held = Some(held);
                LineEffect::Nothing
            }
        }
    }

    fn insert(&mut self, part: &str) -> LineEffect {
        if self.text.len() + part.len() > LARGEST {
            return LineEffect::Declined("A value has at most 16 MiB.");
        }
        let start = self.line().start;
        insert(&mut self.text, self.cursor, part);
        self.cursor += part.len();
        if self.kind.lines && part.contains('\n') { LineEffect::Completed(start) } else { LineEffect::Changed }
    }

    fn remove(&mut self, range: Range<usize>) -> LineEffect {
        self.cursor = range.start;
        self.text.replace_range(range, "");
        LineEffect::Changed
    }

    fn move_to(&mut self, at: usize) -> LineEffect {
        self.cursor = at;
        LineEffect::Changed
    }

    fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn behind(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    fn previous(&self) -> usize {
        self.before().char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn next(&self) -> usize {
        self.cursor + self.behind().chars().next().map_or(0, char::len_utf8)
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        self.before()
            .trim_end()
            .char_indices()
            .rfind(|(_, letter)| letter.is_whitespace())
            .map_or(0, |(at, letter)| at + letter.len_utf8())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: LineKind = LineKind { hidden: false, lines: false };
    const LINES: LineKind = LineKind { hidden: false, lines: true };

    fn paste(text: &str) -> Event {
        Event::Paste(Zeroizing::new(text.to_owned()))
    }

    fn after(kind: LineKind, events: impl IntoIterator<Item = Event>) -> LineEditor {
        let mut editor = LineEditor::new(kind);
        for event in events {
            editor.handle(event);
        }
        editor
    }

    fn typed(text: &str) -> Vec<Event> {
        text.chars().map(Event::Character).collect()
    }

    #[test]
    fn keys_edit_and_are_no_part_of_the_value() {
        use Event::*;
        for (text, keys, expected) in [
            ("pw", vec![Left, Character('x')], "pxw"),
            ("pw", vec![Left, Left, Left, Delete, Right, Right, Character('x')], "wx"),
            ("añb", vec![Left, Backspace, Home, Character('é')], "éab"),
            ("漢字", vec![Home, Delete, End, Character('z')], "字z"),
            ("one two  ", vec![ClearWord, Character('x')], "one x"),
            ("one two", vec![Left, ClearLine], "o"),
            ("a", vec![Delete, Ignored, Backspace, Backspace], ""),
            ("a", vec![Control('\u{7}'), Control('\t'), Literal('\u{1b}')], "a\u{1b}"),
        ] {
            let events = typed(text).into_iter().chain(keys.clone());
            assert_eq!(after(LINE, events).text(), expected, "{text} {keys:?}");
        }
        assert_eq!(after(LINE, typed("a")).handle(Control('\u{7}')), LineEffect::Refused('\u{7}'));
    }

    #[test]
    fn a_paste_of_several_lines_is_held_back_where_one_is_taken() {
        for (decision, text) in [
            (Event::Character('d'), "ab"),
            (Event::Enter, "ab"),
            (Event::EndOfInput, "ab"),
            (Event::Character('k'), "aone\ntwo\tthree\nb"),
        ] {
            let mut editor = after(LINE, typed("ab").into_iter().chain([Event::Left]));
            let held = editor.handle(paste("one\ntwo\tthree\n"));
            assert_eq!(held, LineEffect::Held { lines: 2, characters: 14 });
            assert_eq!(editor.handle(Event::Character('y')), LineEffect::Nothing);
            assert_eq!(editor.handle(paste("k")), LineEffect::Nothing);
            assert!(editor.is_holding());
            editor.handle(decision);
            assert!(!editor.is_holding());
            assert_eq!(editor.text(), text);
        }
        let mut editor = after(LINE, [paste("one\ntwo")]);
        assert_eq!(editor.handle(Event::Interrupt), LineEffect::Interrupted);
    }

    #[test]
    fn a_line_that_was_copied_whole_is_taken_without_its_break_and_not_accepted() {
        let mut editor = LineEditor::new(LINE);
        assert_eq!(editor.handle(paste("token\n")), LineEffect::Changed);
        assert_eq!(editor.text(), "token");
        assert_eq!(editor.handle(paste("\n\n")), LineEffect::Held { lines: 2, characters: 2 });
    }

    #[test]
    fn a_paste_with_control_characters_is_refused_whole() {
        for kind in [LINE, LINES] {
            let mut editor = after(kind, typed("a"));
            assert_eq!(editor.handle(paste("x\u{1b}[A")), LineEffect::Refused('\u{1b}'));
            assert_eq!(editor.text(), "a");
        }
        assert_eq!(LineEditor::new(LINE).handle(paste("a\tb")), LineEffect::Refused('\t'));
        assert_eq!(after(LINES, [paste("a\tb")]).text(), "a\tb");
    }

    #[test]
    fn several_lines_take_line_breaks_and_end_with_ctrl_d() {
        let mut editor = after(LINES, typed("one"));
        assert_eq!(editor.handle(Event::Enter), LineEffect::Completed(0));
        assert_eq!(editor.handle(paste("two\nthr")), LineEffect::Completed(4));
        assert_eq!(editor.line(), 8..11);
        for event in [Event::Home, Event::Left, Event::Character('>')] {
            editor.handle(event);
        }
        assert_eq!(editor.text(), "one\ntwo\n>thr");
        assert_eq!(editor.handle(Event::EndOfInput), LineEffect::Accepted);
        assert_eq!(editor.into_value().expose(), b"one\ntwo\n>thr");
    }

    #[test]
    fn ctrl_d_ends_an_empty_line_and_does_nothing_to_another() {
        assert_eq!(LineEditor::new(LINE).handle(Event::EndOfInput), LineEffect::Ended);
        assert_eq!(after(LINE, typed("a")).handle(Event::EndOfInput), LineEffect::Nothing);
    }

    #[test]
    fn what_is_hidden_is_shown_until_the_next_key() {
        let mut editor = after(LineKind { hidden: true, lines: false }, typed("pw"));
        assert!(editor.kind().hidden);
        assert_eq!(editor.handle(Event::Show), LineEffect::Changed);
        assert!(!editor.kind().hidden);
        // The next key does what it does, and hides the value.
        assert_eq!(editor.handle(Event::Left), LineEffect::Changed);
        assert!(editor.kind().hidden);
        editor.handle(Event::Show);
        assert_eq!(editor.handle(Event::Ignored), LineEffect::Changed);
        assert!(editor.kind().hidden);
        assert_eq!(after(LINE, typed("a")).handle(Event::Show), LineEffect::Nothing, "nothing is hidden");
        assert_eq!(editor.text(), "pw");
    }

    #[test]
    fn a_value_has_a_limit() {
        let mut editor = after(LINES, [paste(&"x".repeat(LARGEST))]);
        assert!(matches!(editor.handle(Event::Character('x')), LineEffect::Declined(_)));
        assert_eq!(editor.text().len(), LARGEST);
    }

    pub fn an_event() -> impl Strategy<Value = Event> {
        use Event::*;
        let letter = prop_oneof![Just('k'), Just('d'), Just('\t'), any::<char>()];
        prop_oneof![
            4 => letter.clone().prop_map(Character),
            1 => letter.prop_map(Control),
            2 => "[a-cé漢 \\n\\t]{0,9}|\\PC{0,5}|(?s:.){0,5}".prop_map(|text| paste(&text)),
            5 => proptest::sample::select(vec![
                Enter, Backspace, Delete, Left, Right, Home, End, ClearLine, ClearWord, Interrupt, EndOfInput, Suspend,
                Ignored, Unreadable("no"), Skip, Back, Show,
            ]),
        ]
    }

    proptest! {
        #[test]
        fn no_control_character_becomes_part_of_a_value(
            events in proptest::collection::vec(an_event(), 0..60),
            hidden in any::<bool>(),
            lines in any::<bool>(),
        ) {
            let mut editor = LineEditor::new(LineKind { hidden, lines });
            let mut kept = false;
            for event in events {
                kept |= editor.is_holding() && matches!(event, Event::Character('k' | 'K'));
                editor.handle(event);
                prop_assert!(editor.text().is_char_boundary(editor.cursor()));
                let line = editor.line();
                prop_assert!(line.start <= editor.cursor() && editor.cursor() <= line.end);
                let allowed = |letter| (lines || kept) && (letter == '\n' || letter == '\t');
                prop_assert!(!editor.text().chars().any(|letter| is_control(letter) && !allowed(letter)));
            }
        }
    }
}
