use artifacts_declared::PromptKind;
use artifacts_seam::Secret;

use crate::answers::is_blank;
use crate::event::Event;
use crate::line::{LineEditor, LineEffect, LineKind};

/// What follows from an event at a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogEffect {
    /// What follows for the line that is edited; never that it is accepted.
    Line(LineEffect),
    /// The value was entered once, and is entered again to be compared.
    Again,
    /// The two entries differ: the value is entered anew.
    Mismatch,
    /// Nothing was entered where a value is required.
    Missing,
    /// The value is complete.
    Answered(Secret),
    /// The person skips what is asked for.
    Skip,
    /// The person goes back to what was asked before.
    Back,
}

/// One prompt while a person answers it: once, or twice where it is one hidden line. Knows no terminal; what it held is wiped.
#[derive(Debug)]
pub struct PromptDialog {
    kind: PromptKind,
    /// Whether an empty value is rejected.
    required: bool,
    /// A hidden value that was entered before. It stays until another one is entered.
    earlier: Option<LineEditor>,
    /// What was entered first, while it is entered again.
    first: Option<Secret>,
    editor: LineEditor,
}

impl PromptDialog {
    /// Begins with nothing entered, or with what was entered before: a line is edited, anything else is accepted or replaced as a
    /// whole.
    pub fn new(kind: PromptKind, required: bool, earlier: Option<&Secret>) -> Self {
        let line = line_kind(kind);
        let mut dialog = Self { kind, required, earlier: None, first: None, editor: LineEditor::new(line) };
        let Some(text) = earlier.and_then(|value| std::str::from_utf8(value.expose()).ok()) else { return dialog };
        match kind {
            PromptKind::Line => dialog.editor = LineEditor::with_text(line, text),
            _ => dialog.earlier = Some(LineEditor::with_text(LineKind { hidden: true, ..line }, text)),
        }
        dialog
    }

    /// Returns what stands in the row: what is being entered, or the value from before as long as that is nothing.
    pub fn shown(&self) -> &LineEditor {
        self.earlier.as_ref().filter(|_| self.has_nothing()).unwrap_or(&self.editor)
    }

    /// Returns what stands behind the row in place of a count: that both entries are the same.
    pub fn words(&self) -> Option<&'static str> {
        let first = self.first.as_ref()?;
        (first.expose() == self.editor.text().as_bytes()).then_some("matches")
    }

    pub(crate) fn editor_mut(&mut self) -> &mut LineEditor {
        &mut self.editor
    }

    /// Takes an event, and says what follows from it.
    pub fn handle(&mut self, event: Event) -> DialogEffect {
        match event {
            Event::Skip => return DialogEffect::Skip,
            Event::Back => return DialogEffect::Back,
            _ => {}
        }
        if self.has_nothing() && self.earlier.is_some() {
            match event {
                Event::Backspace | Event::Delete | Event::ClearLine | Event::ClearWord => {
                    self.earlier = None;
                    return DialogEffect::Line(LineEffect::Changed);
                }
                Event::Show | Event::Ignored => {
                    let effect = self.earlier.as_mut().map_or(LineEffect::Nothing, |earlier| earlier.handle(event));
                    return DialogEffect::Line(effect);
                }
                _ => {
                    // It is hidden again.
                    if let Some(earlier) = &mut self.earlier {
                        earlier.handle(Event::Ignored);
                    }
                }
            }
        }
        match self.editor.handle(event) {
            LineEffect::Accepted => self.accept(),
            effect => DialogEffect::Line(effect),
        }
    }

    fn has_nothing(&self) -> bool {
        self.first.is_none() && self.editor.text().is_empty() && !self.editor.is_holding()
    }

    fn accept(&mut self) -> DialogEffect {
        if self.has_nothing()
            && let Some(earlier) = self.earlier.take()
        {
            return DialogEffect::Answered(earlier.into_value());
        }
        let entered = std::mem::replace(&mut self.editor, LineEditor::new(line_kind(self.kind)));
        let value = entered.into_value();
        if let Some(first) = self.first.take() {
            return if first == value { DialogEffect::Answered(value) } else { DialogEffect::Mismatch };
        }
        if self.required && is_blank(&value) {
            return DialogEffect::Missing;
        }
        if self.kind == PromptKind::Hidden {
            self.first = Some(value);
            return DialogEffect::Again;
        }
        DialogEffect::Answered(value)
    }
}

/// How a value of this kind is entered.
pub(crate) fn line_kind(kind: PromptKind) -> LineKind {
    LineKind { hidden: kind.is_hidden(), lines: matches!(kind, PromptKind::Multiline | PromptKind::MultilineHidden) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(dialog: &mut PromptDialog, text: &str) -> DialogEffect {
        let mut effect = DialogEffect::Line(LineEffect::Nothing);
        for letter in text.chars() {
            let event = match letter {
                '\n' => Event::Enter,
                '\u{4}' => Event::EndOfInput,
                letter => Event::Character(letter),
            };
            effect = dialog.handle(event);
        }
        effect
    }

    fn answered(value: &str) -> DialogEffect {
        DialogEffect::Answered(Secret::new(value.as_bytes().to_vec()))
    }

    #[test]
    fn a_hidden_line_is_entered_twice_as_often_as_it_takes() {
        let mut dialog = PromptDialog::new(PromptKind::Hidden, true, None);
        for _ in 0..5 {
            assert_eq!(types(&mut dialog, "one\n"), DialogEffect::Again);
            assert_eq!(types(&mut dialog, "two\n"), DialogEffect::Mismatch);
            assert_eq!(types(&mut dialog, "\n"), DialogEffect::Missing);
        }
        assert_eq!(types(&mut dialog, "one\n"), DialogEffect::Again);
        assert_eq!(types(&mut dialog, "one\n"), answered("one"));
    }

    #[test]
    fn whether_a_value_may_be_empty_is_declared() {
        let new = |kind, required| PromptDialog::new(kind, required, None);
        let mut optional = new(PromptKind::Hidden, false);
        assert_eq!(types(&mut optional, "\n"), DialogEffect::Again, "what is typed blind is entered twice");
        assert_eq!(types(&mut optional, "\n"), answered(""));
        for (kind, typed) in [(PromptKind::Line, " \n"), (PromptKind::Multiline, "\n\u{4}")] {
            assert_eq!(types(&mut new(kind, true), typed), DialogEffect::Missing);
        }
    }

    #[test]
    fn everything_else_is_entered_once() {
        for (kind, typed, value) in [
            (PromptKind::Line, "a\n", "a"),
            (PromptKind::Line, "\n", ""),
            (PromptKind::Multiline, "a\n\u{4}", "a\n"),
            (PromptKind::MultilineHidden, "a\nb\u{4}", "a\nb"),
        ] {
            assert_eq!(types(&mut PromptDialog::new(kind, kind.is_hidden(), None), typed), answered(value));
        }
    }

    #[test]
    fn an_earlier_value_is_accepted_as_it_is_or_replaced_as_a_whole() {
        let earlier = Secret::new(b"before".to_vec());
        let new = || PromptDialog::new(PromptKind::Hidden, true, Some(&earlier));
        let mut dialog = new();
        assert_eq!((dialog.shown().text(), dialog.shown().kind().hidden), ("before", true));
        assert_eq!(types(&mut dialog, "\n"), answered("before"), "it is not entered again");

        let mut dialog = new();
        types(&mut dialog, "x");
        assert_eq!(dialog.shown().text(), "x");
        dialog.handle(Event::Backspace);
        assert_eq!(dialog.shown().text(), "before", "what was typed is gone, and nothing else");
        assert_eq!(types(&mut dialog, "new\n"), DialogEffect::Again);
        assert_eq!(dialog.shown().text(), "");
        assert_eq!(types(&mut dialog, "\n"), DialogEffect::Mismatch);

        let mut dialog = new();
        dialog.handle(Event::ClearLine);
        assert_eq!(types(&mut dialog, "\n"), DialogEffect::Missing);
    }

    #[test]
    fn an_earlier_value_is_shown_until_the_next_key() {
        let earlier = Secret::new(b"one\ntwo".to_vec());
        for kind in [PromptKind::Hidden, PromptKind::MultilineHidden] {
            let mut dialog = PromptDialog::new(kind, kind.is_hidden(), Some(&earlier));
            dialog.handle(Event::Show);
            assert!(!dialog.shown().kind().hidden);
            dialog.handle(Event::Left);
            assert!(dialog.shown().kind().hidden);
        }
    }

    #[test]
    fn an_earlier_line_is_edited() {
        let earlier = Secret::new(b"a.example".to_vec());
        let mut dialog = PromptDialog::new(PromptKind::Line, false, Some(&earlier));
        dialog.handle(Event::Home);
        dialog.handle(Event::Delete);
        assert_eq!(types(&mut dialog, "b\n"), answered("b.example"));
    }

    #[test]
    fn skip_and_back_leave_whatever_is_half_entered() {
        for prepare in ["", "half", "whole\nhal"] {
            let mut dialog = PromptDialog::new(PromptKind::Hidden, true, None);
            types(&mut dialog, prepare);
            assert_eq!(dialog.handle(Event::Skip), DialogEffect::Skip);
            assert_eq!(dialog.handle(Event::Back), DialogEffect::Back);
        }
        let mut dialog = PromptDialog::new(PromptKind::Hidden, true, None);
        dialog.handle(Event::Paste(zeroize::Zeroizing::new("a\nb".to_owned())));
        assert_eq!(dialog.handle(Event::Skip), DialogEffect::Skip, "a paste that is held back can be skipped");
    }
}
