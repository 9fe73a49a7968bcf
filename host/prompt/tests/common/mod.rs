//! A real (pseudo) terminal, what it shows, and the person in front of it.
#![allow(dead_code, clippy::unwrap_used, clippy::missing_panics_doc, reason = "not every test file uses all of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use artifacts_declared::PromptKind;
use artifacts_prompt::{Error, PromptRequest, Terminal, TerminalOptions, ask_all};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{InputModes, LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// What is changed about a terminal is known once a process, so one terminal at a time.
static ONE: Mutex<()> = Mutex::new(());

pub const OPTIONS: TerminalOptions = TerminalOptions { dumb: false, plain: false, interrupted: || {} };

/// Both ends of a terminal, and the person in front of it.
pub struct Desk {
    keyboard: File,
    pub tty: OwnedFd,
    screen: Receiver<u8>,
    pub shown: String,
    /// What stands on the screen.
    parser: vt100::Parser,
    _one: MutexGuard<'static, ()>,
}

impl Desk {
    pub fn new() -> Self {
        let one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let tty = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let (send, screen) = channel();
        let mut output = File::from(master.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut byte = [0];
            while output.read(&mut byte).is_ok_and(|size| size == 1) && send.send(byte[0]).is_ok() {}
        });
        let parser = vt100::Parser::new(nonzero(24), nonzero(80), 0);
        Self { keyboard: master.into(), tty, screen, shown: String::new(), parser, _one: one }
    }

    /// A terminal of this size, which knows UTF-8.
    pub fn sized(rows: u16, columns: u16) -> Self {
        let mut desk = Self::new();
        let mut mode = tcgetattr(&desk.tty).unwrap();
        mode.input_modes |= InputModes::IUTF8;
        tcsetattr(&desk.tty, OptionalActions::Now, &mode).unwrap();
        desk.resize(rows, columns);
        desk
    }

    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.screen_mut().set_size(nonzero(rows), nonzero(columns));
        tcsetwinsize(&self.tty, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    /// Waits until these lines, and nothing else, stand on the screen.
    pub fn stands(&mut self, lines: &[&str]) {
        self.until(|lines_now| lines_now == lines, &format!("{lines:#?}"));
    }

    /// Waits until a line of the screen begins so.
    pub fn stands_at(&mut self, begin: &str) {
        self.until(|lines| lines.iter().any(|line| line.starts_with(begin)), begin);
    }

    fn until(&mut self, holds: impl Fn(&[String]) -> bool, what: &str) {
        loop {
            let lines = self.lines();
            if holds(&lines) {
                return;
            }
            match self.screen.recv_timeout(Duration::from_secs(10)) {
                Ok(byte) => self.takes(byte),
                Err(error) => panic!("expected {what}, found {lines:#?}: {error}"),
            }
        }
    }

    /// The lines of the screen, without empty ones at the end.
    pub fn lines(&self) -> Vec<String> {
        let screen = self.parser.screen();
        let mut lines: Vec<String> =
            screen.rows(0, screen.size().1.get()).map(|row| row.trim_end().to_owned()).collect();
        lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        lines
    }

    fn takes(&mut self, byte: u8) {
        self.shown.push(char::from(byte));
        self.parser.process(&[byte]);
    }

    pub fn terminal(&self) -> Terminal {
        Terminal::new(self.tty.try_clone().unwrap().into(), OPTIONS).unwrap()
    }

    /// Waits until the screen shows a text that was not waited for before.
    pub fn sees(&mut self, text: &str) {
        let start = self.shown.len();
        while !self.shown[start..].contains(text) {
            match self.screen.recv_timeout(Duration::from_secs(10)) {
                Ok(byte) => self.takes(byte),
                Err(error) => panic!("no `{text}` in `{}`: {error}", &self.shown[start..]),
            }
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was ever shown.
    pub fn all(&mut self) -> &str {
        while let Ok(byte) = self.screen.recv_timeout(Duration::from_millis(100)) {
            self.takes(byte);
        }
        &self.shown
    }

    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        modes.contains(LocalModes::ECHO) && !modes.contains(LocalModes::ECHONL)
    }

    /// Asks in another thread what `play` answers.
    pub fn asked(&mut self, kind: PromptKind, play: impl FnOnce(&mut Self)) -> Result<Vec<u8>, Error> {
        self.asked_for(question(kind), play)
    }

    /// The same for a prompt that is declared otherwise.
    pub fn asked_for(&mut self, question: PromptRequest, play: impl FnOnce(&mut Self)) -> Result<Vec<u8>, Error> {
        let mut terminal = self.terminal();
        let questions = [question];
        let asking = std::thread::spawn(move || ask_all(&questions, &[], None, Some(&mut terminal)));
        play(self);
        let values = asking.join().unwrap()?;
        Ok(values.values().next().unwrap().expose().to_vec())
    }
}

fn nonzero(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap()
}

pub fn question(kind: PromptKind) -> PromptRequest {
    PromptRequest {
        instance: "per-machine/web1/attic".parse().unwrap(),
        shown: "web1/attic".to_owned(),
        prompt: "pin".parse().unwrap(),
        details: Vec::new(),
        needs: std::collections::BTreeSet::new(),
        earlier: None,
        description: Some("The PIN\nof the \u{1b}[31mkey".to_owned()),
        kind,
        required: kind.is_hidden(),
    }
}
