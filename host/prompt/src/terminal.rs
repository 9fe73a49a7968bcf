use std::fs::File;
use std::io::{ErrorKind, Write};

use artifacts_seam::Secret;
use artifacts_text::terminal;
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::isatty;

use crate::dialog::{DialogEffect, PromptDialog, line_kind};
use crate::error::Error;
use crate::event::Event;
use crate::interview::{Interview, InterviewEffect};
use crate::keyboard::Keyboard;
use crate::line::{LineEditor, LineEffect, LineKind};
use crate::mode::{Found, Mode, suspend};
use crate::options::TerminalOptions;
use crate::page;
use crate::request::PromptRequest;
use crate::screen::Screen;

/// A terminal at which a person is asked.
#[derive(Debug)]
pub struct Terminal {
    tty: File,
    options: TerminalOptions,
}

/// What a person enters something into.
trait Asked {
    /// What stands in the row; none when there is no row.
    fn shown(&self) -> Option<(&LineEditor, Option<&'static str>)>;

    fn editor_mut(&mut self) -> &mut LineEditor;
}

impl Asked for LineEditor {
    fn shown(&self) -> Option<(&LineEditor, Option<&'static str>)> {
        Some((self, None))
    }

    fn editor_mut(&mut self) -> &mut LineEditor {
        self
    }
}

impl Asked for PromptDialog {
    fn shown(&self) -> Option<(&LineEditor, Option<&'static str>)> {
        Some((PromptDialog::shown(self), self.words()))
    }

    fn editor_mut(&mut self) -> &mut LineEditor {
        PromptDialog::editor_mut(self)
    }
}

impl Asked for Interview {
    fn shown(&self) -> Option<(&LineEditor, Option<&'static str>)> {
        Asked::shown(self.dialog()).filter(|_| !self.is_stopped())
    }

    fn editor_mut(&mut self) -> &mut LineEditor {
        self.dialog_mut().editor_mut()
    }
}

/// How a prompt of an interview is left.
enum Left {
    /// The next one is asked, if there is one.
    Next,
    /// The person chooses what becomes of the answers.
    Stopped,
    /// What is complete is generated.
    Generate,
    /// The person wants out.
    Quit,
    /// The input ended.
    Ended,
}

impl Terminal {
    /// `tty` is open for reading and writing, as `/dev/tty`.
    ///
    /// # Errors
    /// When it is no terminal.
    pub fn new(tty: File, options: TerminalOptions) -> Result<Self, Error> {
        if isatty(&tty) { Ok(Self { tty, options }) } else { Err(Error::NoTerminal) }
    }

    /// Asks one question, a hidden one twice. The terminal is as it was before when this returns.
    ///
    /// # Errors
    /// When the input ends, or the person wants out.
    pub fn ask(&mut self, question: &PromptRequest) -> Result<Secret, Error> {
        let result = self.ask_alone(question);
        self.leave_if_interrupted(result, "Stopped.")
    }

    fn ask_alone(&self, question: &PromptRequest) -> Result<Secret, Error> {
        // First the mode, then the words: who answers at once is not echoed.
        let _mode = Mode::set(&self.tty, !self.options.dumb)?;
        let mut screen = Screen::new(&self.tty, self.options)?;
        page::introduction(question, None).iter().try_for_each(|line| screen.line(line))?;
        screen.keys(page::keys(question.kind, None, screen.columns()))?;
        screen.row(&row_name(question), line_kind(question.kind).lines)?;
        let mut dialog = PromptDialog::new(question.kind, question.required, None);
        let mut keyboard = Keyboard::new(&self.tty);
        let value =
            self.read(&mut screen, &mut keyboard, &mut dialog, |dialog, event, screen| match dialog.handle(event) {
                DialogEffect::Answered(value) => screen.leave().map(|()| Some(Some(value))),
                DialogEffect::Line(LineEffect::Ended) => screen.leave().map(|()| Some(None)),
                effect => show_dialog(screen, &effect, dialog, question, false).map(|()| None),
            });
        value?.flatten().ok_or_else(|| ended(question))
    }

    /// Asks all prompts of an interview. The terminal is as it was before when this returns.
    ///
    /// # Errors
    /// When the input ends, or the person wants out.
    pub(crate) fn interview(&mut self, interview: &mut Interview) -> Result<(), Error> {
        let result = self.ask_each(interview);
        let words = page::discarded(interview);
        self.leave_if_interrupted(result, &words)
    }

    fn ask_each(&self, interview: &mut Interview) -> Result<(), Error> {
        let _mode = Mode::set(&self.tty, !self.options.dumb)?;
        let mut screen = Screen::new(&self.tty, self.options)?;
        let mut keyboard = Keyboard::new(&self.tty);
        let all = interview.requests().len();
        while let Some((at, question, _)) = interview.current() {
            let question = question.clone();
            screen.begin();
            page::introduction(&question, Some((at + 1, all))).iter().try_for_each(|line| screen.line(line))?;
            screen.keys(page::keys(question.kind, Some(interview), screen.columns()))?;
            screen.row(&row_name(&question), line_kind(question.kind).lines)?;
            let mut turn = |interview: &mut Interview, event: Event, screen: &mut Screen<'_>| {
                take_turn(screen, interview, event, &question)
            };
            let mut left = self.read(&mut screen, &mut keyboard, interview, &mut turn)?;
            keyboard.forget();
            if let Some(Left::Stopped) = left {
                page::stopped(interview).iter().try_for_each(|line| screen.line(line))?;
                // What was typed before the question does not answer it.
                Mode::flush();
                self.say("Choice [q]: ")?;
                left = self.read(&mut screen, &mut keyboard, interview, &mut turn)?;
                keyboard.forget();
            }
            match left {
                Some(Left::Next) => Mode::flush(),
                Some(Left::Generate) => return Ok(()),
                Some(Left::Stopped | Left::Quit) => return Err(Error::Interrupted),
                Some(Left::Ended) | None => return Err(ended(&question)),
            }
        }
        Ok(())
    }

    /// Asks something that is answered with yes or no. Whatever is no clear yes is no; what was typed before the question could
    /// be read answers nothing.
    ///
    /// # Errors
    /// When the terminal cannot be read, or the person wants out.
    pub fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        Ok(matches!(self.choose(&format!("{question} [y/N]"))?.as_str(), "y" | "yes"))
    }

    /// Asks something that is answered with one of a few words. Returns the answer in lower case; nothing when the input ends. What
    /// was typed before the question could be read answers nothing.
    ///
    /// # Errors
    /// When the terminal cannot be read, or the person wants out.
    pub fn choose(&mut self, question: &str) -> Result<String, Error> {
        let answer = self.ask_line(question, " ", LineKind { hidden: false, lines: false })?;
        let answer = answer.as_ref().map_or(&[][..], |answer| answer.expose());
        Ok(String::from_utf8_lossy(answer).trim().to_lowercase())
    }

    /// Asks for one line that belongs to no prompt, hidden or not. None when the input ends.
    ///
    /// # Errors
    /// When the terminal fails, or the person wants out.
    pub fn ask_text(&mut self, what: &str, hidden: bool) -> Result<Option<Secret>, Error> {
        self.ask_line(what, ": ", LineKind { hidden, lines: false })
    }

    fn ask_line(&mut self, what: &str, end: &str, kind: LineKind) -> Result<Option<Secret>, Error> {
        let result = self.enter(&format!("{}{end}", terminal(what)), kind);
        self.leave_if_interrupted(result, "Stopped.")
    }

    /// Lets a person enter a line in a row that begins with `name`. None when the input ends.
    fn enter(&self, name: &str, kind: LineKind) -> Result<Option<Secret>, Error> {
        let _mode = Mode::set(&self.tty, !self.options.dumb)?;
        let mut screen = Screen::new(&self.tty, self.options)?;
        screen.row(name, kind.lines)?;
        let mut editor = LineEditor::new(kind);
        let mut keyboard = Keyboard::new(&self.tty);
        let accepted =
            self.read(&mut screen, &mut keyboard, &mut editor, |editor, event, screen| match editor.handle(event) {
                LineEffect::Accepted => screen.leave().map(|()| Some(true)),
                LineEffect::Ended => screen.leave().map(|()| Some(false)),
                effect => show_line(screen, &effect, editor, None).map(|()| None),
            })?;
        Ok(accepted.filter(|accepted| *accepted).map(|_| editor.into_value()))
    }

    /// Shows a message on a line of its own.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn message(&mut self, text: &str) -> Result<(), Error> {
        Screen::new(&self.tty, self.options)?.line(&terminal(text))
    }

    fn leave_if_interrupted<T>(&mut self, result: Result<T, Error>, words: &str) -> Result<T, Error> {
        if let Err(Error::Interrupted) = result {
            self.say(&format!("{words}\n"))?;
            (self.options.interrupted)();
        }
        result
    }

    /// Hands events on until something comes of one. None when the terminal hung up.
    fn read<S: Asked, T>(
        &self,
        screen: &mut Screen<'_>,
        keyboard: &mut Keyboard<'_>,
        state: &mut S,
        mut turn: impl FnMut(&mut S, Event, &mut Screen<'_>) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        loop {
            draw(screen, state)?;
            if !keyboard.wait()? {
                return Ok(None);
            }
            match Mode::check() {
                Found::AsSet => {}
                Found::SetAgain => screen.forget()?,
                Found::Ending => return Err(Error::Io(ErrorKind::Interrupted.into())),
            }
            while let Some(mut event) = keyboard.next() {
                if event == Event::Enter && state.editor_mut().takes_enter() {
                    event = keyboard.rest_of_paste(state.editor_mut())?;
                }
                // What is entered is complete now, and stands there.
                if matches!(event, Event::Enter | Event::EndOfInput) {
                    draw(screen, state)?;
                }
                if let Some(end) = turn(state, event, screen)? {
                    return Ok(Some(end));
                }
            }
        }
    }

    fn say(&self, text: &str) -> Result<(), Error> {
        let mut tty = &self.tty;
        tty.write_all(text.as_bytes())?;
        Ok(tty.flush()?)
    }
}

fn row_name(question: &PromptRequest) -> String {
    format!("{}: ", terminal(question.prompt.as_str()))
}

fn ended(question: &PromptRequest) -> Error {
    Error::Ended { instance: question.instance.clone(), prompt: question.prompt.clone() }
}

fn draw(screen: &mut Screen<'_>, state: &impl Asked) -> Result<(), Error> {
    let Some((editor, words)) = state.shown() else { return Ok(()) };
    screen.draw(editor, words)
}

/// Shows what follows from an event for all prompts. Some when the current one is left.
fn take_turn(
    screen: &mut Screen<'_>,
    interview: &mut Interview,
    event: Event,
    question: &PromptRequest,
) -> Result<Option<Left>, Error> {
    let was_stopped = interview.is_stopped();
    let effect = interview.handle(event);
    let shrink = |screen: &mut Screen<'_>, index: usize, what: &str, is_new: bool| {
        screen.leave()?;
        let lines = page::summary(interview, index, what, screen.columns());
        screen.shrink(&lines, is_new).map(|()| Some(Left::Next))
    };
    match effect {
        InterviewEffect::Dialog(DialogEffect::Line(LineEffect::Suspended)) if was_stopped => {
            stop();
            screen.line("Choice [q]:").map(|()| None)
        }
        InterviewEffect::Dialog(effect) => {
            show_dialog(screen, &effect, interview.dialog(), question, true).map(|()| None)
        }
        InterviewEffect::Answered(index) => {
            let what = interview.value(index).map(|value| page::entered(question.kind, value));
            shrink(screen, index, &what.unwrap_or_default(), false)
        }
        InterviewEffect::Skipped(index) => shrink(screen, index, &page::skipped(question), true),
        InterviewEffect::Returned => screen.leave().and_then(|()| screen.back()).map(|()| Some(Left::Next)),
        InterviewEffect::Stopped => screen.break_off("^C").map(|()| Some(Left::Stopped)),
        InterviewEffect::Resumed => screen.line("b").map(|()| Some(Left::Next)),
        InterviewEffect::Generate => screen.line("g").map(|()| Some(Left::Generate)),
        InterviewEffect::Quit if was_stopped => screen.line("q").map(|()| Some(Left::Quit)),
        InterviewEffect::Quit => screen.break_off("^C").map(|()| Some(Left::Quit)),
        InterviewEffect::Ended => screen.leave().map(|()| Some(Left::Ended)),
    }
}

/// Shows what follows from an event for one prompt.
fn show_dialog(
    screen: &mut Screen<'_>,
    effect: &DialogEffect,
    dialog: &PromptDialog,
    question: &PromptRequest,
    can_skip: bool,
) -> Result<(), Error> {
    let lines = line_kind(question.kind).lines;
    match effect {
        DialogEffect::Line(effect) => {
            return show_line(screen, effect, PromptDialog::shown(dialog), Some((question, can_skip)));
        }
        DialogEffect::Again => {
            screen.leave()?;
            let name = row_name(question);
            return screen.row(&format!("{:<1$}", "again: ", name.chars().count()), lines);
        }
        DialogEffect::Mismatch => remark(screen, "The entries do not match. Try again.")?,
        DialogEffect::Missing => remark(screen, "A value is required.")?,
        // Alone, there is nothing to skip, and nothing before.
        DialogEffect::Answered(_) | DialogEffect::Skip | DialogEffect::Back => return Ok(()),
    }
    screen.row(&row_name(question), lines)
}

/// Leaves the row as it was drawn, and says something below it.
fn remark(screen: &mut Screen<'_>, text: &str) -> Result<(), Error> {
    screen.leave()?;
    screen.line(&format!("{}{text}", " ".repeat(screen.indent())))
}

/// Shows what follows from an event for the line that is edited.
fn show_line(
    screen: &mut Screen<'_>,
    effect: &LineEffect,
    editor: &LineEditor,
    question: Option<(&PromptRequest, bool)>,
) -> Result<(), Error> {
    let indented = |screen: &Screen<'_>, text: &str| vec![format!("{}{text}", " ".repeat(screen.indent()))];
    match effect {
        LineEffect::Completed(from) if !editor.kind().hidden => screen.completed(editor, *from),
        LineEffect::Nothing
        | LineEffect::Changed
        | LineEffect::Completed(_)
        | LineEffect::Accepted
        | LineEffect::Ended => Ok(()),
        LineEffect::Refused(letter) => screen.remark(editor, &indented(screen, &page::refusal(*letter))),
        LineEffect::Declined(why) => screen.remark(editor, &indented(screen, why)),
        LineEffect::Held { lines, characters } => screen.remark(editor, &page::held(*lines, *characters, question)),
        LineEffect::Discarded => screen.remark(editor, &indented(screen, "The paste was discarded.")),
        LineEffect::Suspended => {
            screen.clear_keys()?;
            stop();
            screen.forget()
        }
        LineEffect::Interrupted => {
            screen.break_off("^C")?;
            Err(Error::Interrupted)
        }
    }
}

/// Stops the program until it is continued, as Ctrl-Z does elsewhere.
fn stop() {
    suspend(|| {
        let _ = kill_current_process_group(Signal::TSTP);
    });
}
