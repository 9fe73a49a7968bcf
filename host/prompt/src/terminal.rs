use std::fs::File;
use std::io::{ErrorKind, Write};

use artifacts_declared::PromptKind;
use artifacts_seam::Secret;
use artifacts_text::terminal;
use rustix::termios::isatty;
use zeroize::Zeroizing;

use crate::answers::is_blank;
use crate::decoder::Decoder;
use crate::error::Error;
use crate::event::Event;
use crate::keyboard::{Input, PIECE, input, rest_of_paste};
use crate::line::{LineEditor, LineKind};
use crate::mode::{Found, Mode};
use crate::request::PromptRequest;
use crate::screen::{Outcome, Screen};

/// How often a hidden value is asked for when its repetition differs.
const TRIES: u32 = 3;

/// How often the size and the mode of the terminal are looked at, in milliseconds.
const TICK: i64 = 250;

/// After how many ticks without input a paste is taken to be over.
const PATIENCE: u32 = 8;

/// How a terminal is used.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions {
    /// It knows no escape sequences, as with `TERM=dumb`.
    pub dumb: bool,
    /// Called when a person presses Ctrl-C, once the terminal is as it was. When it returns, the question fails.
    pub interrupted: fn(),
}

/// A terminal at which a person is asked.
#[derive(Debug)]
pub struct Terminal {
    tty: File,
    options: TerminalOptions,
    /// Which prompt this is, from 1, and of how many.
    position: Option<(usize, usize)>,
}

impl Terminal {
    /// `tty` is open for reading and writing, as `/dev/tty`.
    ///
    /// # Errors
    /// When it is no terminal.
    pub fn new(tty: File, options: TerminalOptions) -> Result<Self, Error> {
        if isatty(&tty) { Ok(Self { tty, options, position: None }) } else { Err(Error::NoTerminal) }
    }

    /// Says which prompt is asked next, from 1, and of how many.
    pub(crate) fn counts(&mut self, position: Option<(usize, usize)>) {
        self.position = position;
    }

    /// Asks one question, a hidden one twice. The terminal is as it was before when this returns.
    ///
    /// # Errors
    /// When the input ends, or the person wants out, or a hidden value is empty or not repeated.
    pub fn ask(&mut self, question: &PromptRequest) -> Result<Secret, Error> {
        let result = self.ask_in_mode(question);
        self.leave_if_interrupted(result)
    }

    fn ask_in_mode(&mut self, question: &PromptRequest) -> Result<Secret, Error> {
        // First the mode, then the words: who answers at once is not echoed.
        let _mode = Mode::set(&self.tty, !self.options.dumb)?;
        self.say(&introduction(question, self.position))?;
        let name = format!("{}: ", terminal(question.prompt.as_str()));
        let mut value = self.read_filled(question, &name)?;
        if question.kind == PromptKind::Hidden {
            let mut tries = 1;
            while self.read(question, "again: ")? != value {
                if tries == TRIES {
                    let (instance, prompt) = (question.instance.clone(), question.prompt.clone());
                    return Err(Error::Mismatch { instance, prompt, tries });
                }
                tries += 1;
                self.say("The entries do not match. Try again.\n")?;
                value = self.read_filled(question, &name)?;
            }
        }
        Ok(value)
    }

    /// Asks something that is answered with yes or no. Whatever is no clear yes is no; what was typed before the question could
    /// be read answers nothing.
    ///
    /// # Errors
    /// When the terminal cannot be read, or the person wants out.
    pub fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        let answer = self.ask_line(&format!("{question} [y/N]"), " ", LineKind { hidden: false, lines: false })?;
        let answer = answer.as_ref().map_or(&[][..], |answer| answer.expose());
        let answer = String::from_utf8_lossy(answer).trim().to_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// Asks for one line that belongs to no prompt, hidden or not. None when the input ends.
    ///
    /// # Errors
    /// When the terminal fails, or the person wants out.
    pub fn ask_text(&mut self, what: &str, hidden: bool) -> Result<Option<Secret>, Error> {
        self.ask_line(what, ": ", LineKind { hidden, lines: false })
    }

    fn ask_line(&mut self, what: &str, end: &str, kind: LineKind) -> Result<Option<Secret>, Error> {
        let result = Mode::set(&self.tty, !self.options.dumb)
            .and_then(|_mode| self.enter(&format!("{}{end}", terminal(what)), kind, None));
        self.leave_if_interrupted(result)
    }

    /// Shows a message on a line of its own.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn message(&mut self, text: &str) -> Result<(), Error> {
        self.say(&format!("{}\n", terminal(text)))
    }

    fn leave_if_interrupted<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Interrupted) = result {
            self.say(&left(self.position))?;
            (self.options.interrupted)();
        }
        result
    }

    /// Reads one value, which is not blank where one is required.
    fn read_filled(&mut self, question: &PromptRequest, name: &str) -> Result<Secret, Error> {
        for _ in 0..TRIES {
            let value = self.read(question, name)?;
            if !(question.required && is_blank(&value)) {
                return Ok(value);
            }
            self.say("A value is required.\n")?;
        }
        Err(Error::Empty { instance: question.instance.clone(), prompt: question.prompt.clone(), tries: TRIES })
    }

    /// Reads one value.
    fn read(&mut self, question: &PromptRequest, name: &str) -> Result<Secret, Error> {
        let kind = LineKind {
            hidden: question.kind.is_hidden(),
            lines: matches!(question.kind, PromptKind::Multiline | PromptKind::MultilineHidden),
        };
        self.enter(name, kind, Some(question))?.ok_or_else(|| {
            let (instance, prompt) = (question.instance.clone(), question.prompt.clone());
            Error::Ended { instance, prompt }
        })
    }

    /// Lets a person enter a value in a row that begins with `name`. None when the input ends.
    fn enter(&mut self, name: &str, kind: LineKind, question: Option<&PromptRequest>) -> Result<Option<Secret>, Error> {
        let mut screen = Screen::new(&self.tty, name, self.options.dumb, kind)?;
        let (mut editor, mut decoder) = (LineEditor::new(kind), Decoder::default());
        let mut buffer = Zeroizing::new(vec![0; PIECE]);
        let mut quiet = 0;
        loop {
            screen.draw(&editor)?;
            let size = match input(&self.tty, &mut buffer, TICK)? {
                Input::Closed => return Ok(None),
                Input::Bytes(size) => size,
                Input::Nothing => 0,
            };
            quiet = if size > 0 { 0 } else { quiet + 1 };
            match Mode::check() {
                Found::AsSet => {}
                Found::SetAgain => screen.forget()?,
                Found::Ending => return Err(Error::Io(ErrorKind::Interrupted.into())),
            }
            let mut bytes = &buffer[..size];
            let late = size == 0 && (!decoder.is_pasting() || quiet > PATIENCE);
            let mut next = if late { decoder.give_up() } else { decoder.next(&mut bytes) };
            while let Some(mut event) = next {
                if event == Event::Enter && !kind.lines && !editor.is_holding() {
                    event = rest_of_paste(&self.tty, &mut editor, &mut decoder, std::mem::take(&mut bytes))?;
                }
                match screen.show(&editor.handle(event), &editor, question)? {
                    Some(Outcome::Accepted) => return Ok(Some(editor.into_value())),
                    Some(Outcome::Ended) => return Ok(None),
                    None => next = decoder.next(&mut bytes),
                }
            }
        }
    }

    fn say(&mut self, text: &str) -> Result<(), Error> {
        self.tty.write_all(text.as_bytes())?;
        Ok(self.tty.flush()?)
    }
}

/// What is kept when a person wants out.
fn left(position: Option<(usize, usize)>) -> String {
    let Some((number, all)) = position else { return "Stopped.\n".to_owned() };
    let before = match number - 1 {
        0 => String::new(),
        1 => "; 1 answer is discarded".to_owned(),
        answers => format!("; {answers} answers are discarded"),
    };
    format!("Stopped at prompt {number} of {all}. Nothing is generated from here on{before}.\n")
}

fn introduction(question: &PromptRequest, position: Option<(usize, usize)>) -> String {
    let instance = question.instance.to_string();
    let (instance, prompt) = (terminal(&instance), terminal(question.prompt.as_str()));
    let (count, indent) = match position {
        Some((number, all)) => (format!("{number} of {all}   "), " ".repeat(9)),
        None => (String::new(), " ".repeat(2)),
    };
    let mut text = format!("\n{count}{instance}   {prompt}\n");
    let how = match question.kind {
        PromptKind::Hidden => "hidden; enter it twice",
        PromptKind::Line => "",
        PromptKind::Multiline => "multiple lines; finish with Ctrl-D",
        PromptKind::MultilineHidden => "hidden, multiple lines; finish with Ctrl-D",
    };
    // What is shown may be empty, unless it is said otherwise; what is hidden may not.
    let empty = match (question.kind.is_hidden(), question.required) {
        (true, false) => "may be left empty",
        (false, true) => "a value is required",
        _ => "",
    };
    let lines = question.description.as_deref().unwrap_or_default().lines().map(terminal);
    for line in lines.chain([how.into(), empty.into()]).filter(|line| !line.is_empty()) {
        text.push_str(&indent);
        text.push_str(&line);
        text.push('\n');
    }
    text
}
