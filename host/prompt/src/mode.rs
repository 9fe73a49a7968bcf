//! What the terminal does while someone is asked, and how it becomes again what it was.

use std::fs::File;
use std::io::ErrorKind;
use std::mem::take;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};

use crate::error::Error;

/// Turns the marks around what is pasted on.
const PASTE_ON: &[u8] = b"\x1b[?2004h";

/// Turns them off.
const PASTE_OFF: &[u8] = b"\x1b[?2004l";

/// Clears all that is at and behind the cursor.
const CLEAR: &[u8] = b"\x1b[J";

/// What has to be undone, wherever the program is when it ends.
struct Changed {
    /// No more questions: the program is on its way out.
    ending: bool,
    now: Option<Active>,
}

struct Active {
    tty: OwnedFd,
    before: Termios,
    raw: Termios,
    /// Whether the terminal knows escape sequences.
    escapes: bool,
    /// Whether the program was stopped since the last check.
    stopped: bool,
}

static CHANGED: Mutex<Changed> = Mutex::new(Changed { ending: false, now: None });

fn changed() -> MutexGuard<'static, Changed> {
    CHANGED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Active {
    fn begin(&self) -> rustix::io::Result<()> {
        // What was typed before answers nothing.
        tcsetattr(&self.tty, OptionalActions::Flush, &self.raw)?;
        self.mark(PASTE_ON);
        Ok(())
    }

    /// What is left of the input reaches no one. Nothing is left to be done about a terminal that is gone.
    fn end(&self) {
        self.mark(PASTE_OFF);
        let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
    }

    /// The row of the question stays as it is; what stands below it goes.
    fn leave_row(&self) {
        let _ = rustix::io::write(&self.tty, b"\r\n");
        self.mark(CLEAR);
    }

    fn mark(&self, sequence: &[u8]) {
        if self.escapes {
            let _ = rustix::io::write(&self.tty, sequence);
        }
    }

    fn is_lost(&self) -> bool {
        let same = |now: &Termios| now.local_modes == self.raw.local_modes && now.input_modes == self.raw.input_modes;
        tcgetattr(&self.tty).is_ok_and(|now| !same(&now))
    }
}

/// Gives the terminal back as it was, and keeps further questions from changing it. For the way out after a signal; call it
/// from an ordinary thread, not from the handler itself. Whether a question was open.
pub fn restore() -> bool {
    let mut changed = changed();
    changed.ending = true;
    let Some(active) = changed.now.take() else { return false };
    active.end();
    active.leave_row();
    true
}

/// Returns whether a question is open.
pub fn is_asking() -> bool {
    changed().now.is_some()
}

/// Gives the terminal back as it was while `stop` stops the program, and takes it again afterwards.
pub fn suspend(stop: impl FnOnce()) {
    let mut changed = changed();
    if let Some(active) = &changed.now {
        active.end();
        active.leave_row();
    }
    stop();
    if let Some(active) = &mut changed.now {
        let _ = active.begin();
        active.stopped = true;
    }
}

/// How the mode is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    AsSet,
    /// The program was stopped, or another user had changed the mode: what stands on the screen is not the row.
    SetAgain,
    /// The program is on its way out.
    Ending,
}

/// Key by key, without echo and signals, until it is dropped.
pub(crate) struct Mode;

impl Mode {
    pub(crate) fn set(tty: &File, escapes: bool) -> Result<Self, Error> {
        // Held throughout, so that `restore` comes before or after, not between.
        let mut changed = changed();
        if changed.ending {
            return Err(Error::Io(ErrorKind::Interrupted.into()));
        }
        let before = tcgetattr(tty)?;
        let raw = raw(before.clone());
        let active = Active { tty: tty.as_fd().try_clone_to_owned()?, before, raw, escapes, stopped: false };
        active.begin()?;
        changed.now = Some(active);
        Ok(Self)
    }

    /// Discards what was typed and not read: it was meant for what was asked before.
    pub(crate) fn flush() {
        if let Some(active) = &changed().now {
            let _ = tcflush(&active.tty, QueueSelector::IFlush);
        }
    }

    /// Makes sure that the mode is still what was set.
    pub(crate) fn check() -> Found {
        match &mut changed().now {
            None => Found::Ending,
            Some(active) if active.is_lost() => {
                let _ = active.begin();
                Found::SetAgain
            }
            Some(active) => {
                if take(&mut active.stopped) {
                    Found::SetAgain
                } else {
                    Found::AsSet
                }
            }
        }
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        if let Some(active) = changed().now.take() {
            active.end();
        }
    }
}

/// What is written is still treated as before, so that other threads' lines look as they should.
fn raw(mut mode: Termios) -> Termios {
    mode.input_modes -= InputModes::ICRNL
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ISTRIP
        | InputModes::INPCK
        | InputModes::IXON
        | InputModes::BRKINT
        | InputModes::PARMRK;
    mode.local_modes -=
        LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG | LocalModes::IEXTEN;
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    mode
}
