use std::fs::File;
use std::io::{ErrorKind, Read};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

use crate::decoder::Decoder;
use crate::error::Error;
use crate::event::Event;
use crate::line::{LARGEST, LineEditor};
use crate::wiped::insert;

/// The most that is read at once, in bytes.
pub(crate) const PIECE: usize = 4096;

/// How soon what belongs to one paste follows, in milliseconds. No person presses another key that soon after Enter.
const BURST: i64 = 30;

/// How long nothing has to come for a paste to be over, in milliseconds. What came later would answer what is asked about it.
const CALM: i64 = 500;

/// What comes next from the keyboard.
pub(crate) enum Input {
    Bytes(usize),
    Nothing,
    /// The terminal hung up.
    Closed,
}

/// Waits so long for input.
pub(crate) fn input(mut tty: &File, buffer: &mut [u8], milliseconds: i64) -> Result<Input, Error> {
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

/// Takes what follows Enter at once, without a mark: it is all one paste of several lines. Where nothing follows, it is Enter.
pub(crate) fn rest_of_paste(
    tty: &File,
    editor: &mut LineEditor,
    decoder: &mut Decoder,
    first: &[u8],
) -> Result<Event, Error> {
    let mut text = Zeroizing::new(String::new());
    // A carriage return and a newline are one Enter.
    let mut interrupted = gather(decoder, first.strip_prefix(b"\n").unwrap_or(first), &mut text);
    let mut buffer = Zeroizing::new(vec![0; PIECE]);
    while !interrupted {
        let patience = if text.is_empty() && !decoder.is_waiting() { BURST } else { CALM };
        let Input::Bytes(size) = input(tty, &mut buffer, patience)? else { break };
        interrupted = gather(decoder, &buffer[..size], &mut text);
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
