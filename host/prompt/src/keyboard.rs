use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::decoder::Decoder;
use crate::error::Error;
use crate::event::Event;
use crate::line::{LARGEST, LineEditor};
use crate::wiped::insert;

/// The most that is read at once, in bytes.
const PIECE: usize = 4096;

/// How often the size and the mode of the terminal are looked at, in milliseconds.
const TICK: i64 = 250;

/// After how many ticks without input a paste is taken to be over.
const PATIENCE: u32 = 8;

/// How soon what belongs to one paste follows, in milliseconds. No person presses another key that soon after Enter.
const BURST: i64 = 30;

/// How long nothing has to come for a paste to be over, in milliseconds. What came later would answer what is asked about it.
const CALM: i64 = 500;

/// What a person does at the keyboard, event by event; what was read is wiped.
pub(crate) struct Keyboard<'a> {
    tty: &'a File,
    decoder: Decoder,
    buffer: Zeroizing<Vec<u8>>,
    /// The part of it that is not looked at yet.
    unread: Range<usize>,
    /// How many ticks nothing came.
    quiet: u32,
}

impl<'a> Keyboard<'a> {
    pub(crate) fn new(tty: &'a File) -> Self {
        let buffer = Zeroizing::new(vec![0; PIECE]);
        Self { tty, decoder: Decoder::default(), buffer, unread: 0..0, quiet: 0 }
    }

    /// Waits for input, and no longer than a tick. False when the terminal hung up.
    pub(crate) fn wait(&mut self) -> Result<bool, Error> {
        let size = match input(self.tty, &mut self.buffer, TICK)? {
            Input::Closed => return Ok(false),
            Input::Bytes(size) => size,
            Input::Nothing => 0,
        };
        self.unread = 0..size;
        self.quiet = if size > 0 { 0 } else { self.quiet + 1 };
        Ok(true)
    }

    /// Returns the next event of what came; none when the next has to be waited for.
    pub(crate) fn next(&mut self) -> Option<Event> {
        // What stays incomplete was no sequence, and a paste without an end is over at some time.
        let is_idle = self.quiet > 0 && self.unread.is_empty();
        if is_idle && (!self.decoder.is_pasting() || self.quiet > PATIENCE) {
            return self.decoder.give_up();
        }
        let mut bytes = self.buffer.get(self.unread.clone()).unwrap_or_default();
        let event = self.decoder.next(&mut bytes);
        self.unread.start = self.unread.end - bytes.len();
        event
    }

    /// Forgets what came and was not looked at: it was typed before the next question.
    pub(crate) fn forget(&mut self) {
        self.unread = 0..0;
        self.decoder = Decoder::default();
    }

    /// Takes what follows Enter at once, without a mark: it is all one paste of several lines. Where nothing follows, it is Enter.
    pub(crate) fn rest_of_paste(&mut self, editor: &mut LineEditor) -> Result<Event, Error> {
        let mut text = Zeroizing::new(String::new());
        let first = self.buffer.get(self.unread.clone()).unwrap_or_default();
        // A carriage return and a newline are one Enter.
        let mut interrupted = gather(&mut self.decoder, first.strip_prefix(b"\n").unwrap_or(first), &mut text);
        self.unread = 0..0;
        let mut buffer = Zeroizing::new(vec![0; PIECE]);
        while !interrupted {
            let patience = if text.is_empty() && !self.decoder.is_waiting() { BURST } else { CALM };
            let Input::Bytes(size) = input(self.tty, &mut buffer, patience)? else { break };
            interrupted = gather(&mut self.decoder, &buffer[..size], &mut text);
        }
        if interrupted {
            return Ok(Event::Interrupt);
        }
        if text.is_empty() {
            return Ok(Event::Enter);
        }
        let mut whole = editor.take();
        for part in ["\n", &text] {
            let end = whole.len();
            insert(&mut whole, end, part);
        }
        Ok(Event::Paste(whole))
    }
}

/// What comes next from the keyboard.
enum Input {
    Bytes(usize),
    Nothing,
    /// The terminal hung up.
    Closed,
}

/// Waits so long for input.
fn input(mut tty: &File, buffer: &mut [u8], milliseconds: i64) -> Result<Input, Error> {
    let timeout = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    let ready = match poll(&mut [PollFd::new(tty, PollFlags::IN)], Some(&timeout)) {
        Err(rustix::io::Errno::INTR) => 0,
        other => other?,
    };
    if ready == 0 {
        return Ok(Input::Nothing);
    }
    match tty.read(buffer) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Input::Nothing),
        Ok(0) | Err(_) => Ok(Input::Closed),
        Ok(size) => Ok(Input::Bytes(size)),
    }
}

/// Adds what is typed to the text, as far as a value can be that long. True for Ctrl-C.
fn gather(decoder: &mut Decoder, mut bytes: &[u8], text: &mut Zeroizing<String>) -> bool {
    while let Some(event) = decoder.next(&mut bytes) {
        let end = text.len();
        match event {
            Event::Interrupt => return true,
            _ if end > LARGEST => {}
            Event::Character(letter) | Event::Control(letter) | Event::Literal(letter) => {
                insert(text, end, letter.encode_utf8(&mut [0; 4]));
            }
            Event::Enter => insert(text, end, "\n"),
            Event::Paste(part) => insert(text, end, &part),
            _ => {}
        }
    }
    false
}
