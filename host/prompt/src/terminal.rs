use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use artifacts_declared::PromptKind;
use artifacts_seam::Secret;
use artifacts_text::terminal;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, Termios, isatty, tcflush, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use crate::answers::is_missing;
use crate::ask::PromptRequest;
use crate::error::Error;

/// Number of times that a hidden value is asked for if its repetition differs.
const TRIES: u32 = 3;

/// Longest line that a terminal passes on, in bytes (`N_TTY_BUF_SIZE` of Linux, less the newline); it drops the rest.
const LONGEST: usize = 4095;

/// Represents a terminal at which values are asked for.
#[derive(Debug)]
pub struct Terminal {
    tty: File,
}

impl Terminal {
    /// Uses `tty`, which is open for reading and writing, like `/dev/tty`.
    ///
    /// # Errors
    /// If it is not a terminal.
    pub fn new(tty: File) -> Result<Self, Error> {
        if isatty(&tty) { Ok(Self { tty }) } else { Err(Error::NoTerminal) }
    }

    /// Asks for one value, for a hidden one twice. The terminal's settings are restored when this returns.
    ///
    /// # Errors
    /// If the input ends, a line is too long for a terminal, or a hidden value is empty or not repeated.
    pub fn ask(&mut self, question: &PromptRequest) -> Result<Secret, Error> {
        // First the mode, then the words: who answers at once is not echoed.
        let _mode = Mode::set(&self.tty, matches!(question.kind, PromptKind::Hidden | PromptKind::MultilineHidden))?;
        self.say(&introduction(question))?;
        let mut value = self.read_filled(question)?;
        if question.kind == PromptKind::Hidden {
            let mut tries = 1;
            while self.read(question, " (again)")? != value {
                if tries == TRIES {
                    let (instance, prompt) = (question.instance.clone(), question.prompt.clone());
                    return Err(Error::Mismatch { instance, prompt, tries });
                }
                tries += 1;
                self.say("The entries do not match. Try again.\n")?;
                value = self.read_filled(question)?;
            }
        }
        Ok(value)
    }

    /// Asks something that is answered with yes or no. Whatever is no clear yes is no; what was typed before the question could
    /// be read answers nothing.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        let _mode = Mode::set(&self.tty, false)?;
        tcflush(&self.tty, QueueSelector::IFlush)?;
        self.say(&format!("{} [y/N] ", terminal(question)))?;
        let mut answer = Vec::new();
        let mut part = [0; 256];
        while answer.len() <= LONGEST && !answer.contains(&b'\n') {
            match self.tty.read(&mut part) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) => break,
                Ok(size) => answer.extend_from_slice(&part[..size]),
                Err(error) => return Err(error.into()),
            }
        }
        let answer = String::from_utf8_lossy(&answer).trim().to_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// Reads one value, which is not empty where it is hidden.
    fn read_filled(&mut self, question: &PromptRequest) -> Result<Secret, Error> {
        for _ in 0..TRIES {
            let value = self.read(question, "")?;
            if !is_missing(question.kind, &value) {
                return Ok(value);
            }
            self.say("A value is required.\n")?;
        }
        Err(Error::Empty { instance: question.instance.clone(), prompt: question.prompt.clone(), tries: TRIES })
    }

    /// Reads one value.
    fn read(&mut self, question: &PromptRequest, which: &str) -> Result<Secret, Error> {
        let lines = matches!(question.kind, PromptKind::Multiline | PromptKind::MultilineHidden);
        let end = if lines { "\n" } else { " " };
        self.say(&format!("{}{which}:{end}", terminal(question.prompt.as_str())))?;
        let mut value = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        loop {
            let ended = self.line(question, &mut value)?;
            if ended && value.is_empty() && !lines {
                self.say("\n")?;
                return Err(Error::Ended { instance: question.instance.clone(), prompt: question.prompt.clone() });
            }
            if ended || !lines {
                break;
            }
        }
        if !lines && value.last() == Some(&b'\n') {
            value.pop();
        }
        Ok(Secret::new(std::mem::take(&mut *value)))
    }

    /// Adds a line, with its newline, to `value`. True when the input ended.
    fn line(&mut self, question: &PromptRequest, value: &mut Zeroizing<Vec<u8>>) -> Result<bool, Error> {
        self.take_line(value)?.ok_or_else(|| {
            let (instance, prompt) = (question.instance.clone(), question.prompt.clone());
            Error::TooLong { instance, prompt, limit: LONGEST - 1 }
        })
    }

    /// Does the same; `None` if the line is longer than a terminal passes on.
    fn take_line(&mut self, value: &mut Zeroizing<Vec<u8>>) -> Result<Option<bool>, Error> {
        let mut part = Zeroizing::new(vec![0; LONGEST + 1]);
        let start = value.len();
        loop {
            let size = match self.tty.read(&mut part) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            append(value, &part[..size]);
            let length = value[start..].iter().take_while(|&&byte| byte != b'\n').count();
            if length >= LONGEST {
                // The rest is no answer to the next question.
                tcflush(&self.tty, QueueSelector::IFlush)?;
                return Ok(None);
            }
            if size == 0 || value.last() == Some(&b'\n') {
                return Ok(Some(size == 0));
            }
        }
    }

    /// Shows a message on a line of its own.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn message(&mut self, text: &str) -> Result<(), Error> {
        self.say(&format!("{}\n", terminal(text)))
    }

    /// Asks for one line that belongs to no prompt, hidden or not. None when the input ends, or the line is longer than a
    /// terminal passes on.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn ask_line(&mut self, what: &str, hidden: bool) -> Result<Option<Secret>, Error> {
        let _mode = Mode::set(&self.tty, hidden)?;
        self.say(&format!("{}: ", terminal(what)))?;
        let mut value = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        let ended = self.take_line(&mut value)?;
        if value.pop_if(|last| *last == b'\n').is_none() && value.is_empty() {
            self.say("\n")?;
            return Ok(None);
        }
        Ok(ended.map(|_| Secret::new(std::mem::take(&mut *value))))
    }

    fn say(&mut self, text: &str) -> Result<(), Error> {
        self.tty.write_all(text.as_bytes())?;
        Ok(self.tty.flush()?)
    }
}

fn introduction(question: &PromptRequest) -> String {
    let mut text =
        format!("\n{} needs `{}`", terminal(&question.instance.to_string()), terminal(question.prompt.as_str()));
    text.push_str(match question.kind {
        PromptKind::Hidden => "\n  hidden; enter it twice\n",
        PromptKind::Line => "\n",
        PromptKind::Multiline => "\n  multiple lines; finish with Ctrl-D\n",
        PromptKind::MultilineHidden => "\n  hidden, multiple lines; finish with Ctrl-D\n",
    });
    for line in question.description.as_deref().unwrap_or_default().lines() {
        text.push_str("  ");
        text.push_str(&terminal(line));
        text.push('\n');
    }
    text
}

/// Grows without leaving a copy behind.
fn append(value: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    let needed = value.len() + part.len();
    if needed > value.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * needed));
        larger.extend_from_slice(value);
        *value = larger;
    }
    value.extend_from_slice(part);
}

/// Holds what has to be undone wherever the program ends.
struct Changed {
    /// Whether the program is ending, so that nothing is asked any more.
    ending: bool,
    before: Option<(OwnedFd, Termios)>,
}

static CHANGED: Mutex<Changed> = Mutex::new(Changed { ending: false, before: None });

fn changed() -> MutexGuard<'static, Changed> {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the terminal its echo back, and keeps further questions from taking it away. For the way out after a signal; call it
/// from an ordinary thread, not from the handler itself. Whether a question was open.
pub fn restore() -> bool {
    let mut changed = changed();
    changed.ending = true;
    undo(&mut changed)
}

/// Restores the terminal. Returns whether there was anything to restore.
fn undo(changed: &mut Changed) -> bool {
    let Some((tty, before)) = changed.before.take() else { return false };
    // Nothing is left to be done about a terminal that is gone.
    let _ = tcsetattr(&tty, OptionalActions::Now, &before);
    true
}

/// Switches the terminal to line mode, with or without echo, until it is dropped.
struct Mode;

impl Mode {
    fn set(tty: &File, hidden: bool) -> Result<Self, Error> {
        // Held throughout, so that `restore` comes before or after, not between.
        let mut changed = changed();
        if changed.ending {
            return Err(Error::Io(ErrorKind::Interrupted.into()));
        }
        let before = tcgetattr(tty)?;
        let mut mode = before.clone();
        mode.input_modes |= InputModes::ICRNL;
        mode.local_modes |= LocalModes::ICANON | LocalModes::ISIG;
        mode.local_modes.set(LocalModes::ECHO, !hidden);
        // The newline shows all the same.
        mode.local_modes.set(LocalModes::ECHONL, hidden);
        changed.before = Some((tty.try_clone()?.into(), before));
        tcsetattr(tty, OptionalActions::Now, &mode)?;
        Ok(Self)
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        let _ = undo(&mut changed());
    }
}
