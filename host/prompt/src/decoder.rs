use std::mem::take;

use artifacts_text::is_control;
use zeroize::Zeroizing;

use crate::event::Event;
use crate::line::LARGEST;
use crate::wiped::{append, with_newlines};

/// What a terminal sends behind a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// The longest sequence of a key, in bytes. Of a longer one only the end matters.
const SEQUENCE: usize = 16;

/// Turns the bytes of a terminal into events. It keeps what is incomplete, and wipes what it kept.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    kept: Zeroizing<Vec<u8>>,
    too_long: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// Ctrl-V was pressed.
    Literal,
    /// Within a character of several bytes.
    Character,
    Escape,
    /// Behind `ESC [`.
    Sequence,
    /// Behind `ESC O`, which one more byte follows.
    Single,
    Paste,
}

impl Decoder {
    /// Takes bytes until they make an event. None when all are taken.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Event> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.state == State::Paste {
                if let Some(event) = self.paste(bytes) {
                    return Some(event);
                }
                continue;
            }
            // A byte that cannot continue a character begins something else.
            if self.state == State::Character && byte & 0xc0 != 0x80 {
                self.reset();
                return Some(Event::Unreadable(NO_TEXT));
            }
            *bytes = rest;
            if let Some(event) = self.byte(byte) {
                return Some(event);
            }
        }
        None
    }

    /// Whether something is incomplete.
    pub fn is_waiting(&self) -> bool {
        self.state != State::Ground
    }

    /// Whether a paste has begun and not ended.
    pub fn is_pasting(&self) -> bool {
        self.state == State::Paste
    }

    /// Gives up on what is incomplete, since nothing came for long. A paste ends here.
    pub fn give_up(&mut self) -> Option<Event> {
        match self.state {
            State::Ground | State::Literal => None,
            State::Paste => Some(self.pasted()),
            _ => {
                self.reset();
                Some(Event::Ignored)
            }
        }
    }

    fn reset(&mut self) {
        self.state = State::Ground;
        self.kept = Zeroizing::default();
        self.too_long = false;
    }

    fn byte(&mut self, byte: u8) -> Option<Event> {
        match self.state {
            State::Ground if byte == 0x16 => self.enter(State::Literal),
            State::Ground if byte == 0x1b => self.enter(State::Escape),
            State::Ground if byte.is_ascii() => Some(key(byte)),
            State::Literal if byte.is_ascii() => Some(self.ended(Event::Literal(char::from(byte)))),
            State::Ground | State::Literal | State::Character => self.part(byte),
            State::Escape if byte == b'[' => self.enter(State::Sequence),
            State::Escape if byte == b'O' => self.enter(State::Single),
            // Esc pressed twice, or before an arrow key.
            State::Escape if byte == 0x1b => None,
            State::Escape => Some(self.ended(Event::Ignored)),
            State::Single => Some(self.ended(letter_key(byte))),
            State::Sequence => self.sequence(byte),
            State::Paste => None,
        }
    }

    fn enter(&mut self, state: State) -> Option<Event> {
        self.state = state;
        None
    }

    fn ended(&mut self, event: Event) -> Event {
        self.reset();
        event
    }

    /// A byte of a character of several.
    fn part(&mut self, byte: u8) -> Option<Event> {
        self.state = State::Character;
        append(&mut self.kept, &[byte]);
        match std::str::from_utf8(&self.kept) {
            Ok(text) => {
                let letter = text.chars().next().unwrap_or_default();
                let event = if is_control(letter) { Event::Control(letter) } else { Event::Character(letter) };
                Some(self.ended(event))
            }
            Err(error) if error.error_len().is_some() => Some(self.ended(Event::Unreadable(NO_TEXT))),
            Err(_) => None,
        }
    }

    /// A byte behind `ESC [`.
    fn sequence(&mut self, byte: u8) -> Option<Event> {
        // What is no part of a sequence breaks it off: Ctrl-C works always.
        if byte < 0x20 {
            self.reset();
            return self.byte(byte);
        }
        if !(0x40..=0x7e).contains(&byte) {
            if self.kept.len() < SEQUENCE {
                append(&mut self.kept, &[byte]);
            }
            return None;
        }
        let event = match (byte, self.kept.as_slice()) {
            (b'~', b"200") => {
                self.reset();
                return self.enter(State::Paste);
            }
            (b'~', b"1" | b"7") => Event::Home,
            (b'~', b"4" | b"8") => Event::End,
            (b'~', b"3") => Event::Delete,
            (letter, _) => letter_key(letter),
        };
        Some(self.ended(event))
    }

    /// Takes bytes of a paste, to its end at most.
    fn paste(&mut self, bytes: &mut &[u8]) -> Option<Event> {
        // Its end can begin in what is kept, so one piece up to each `~` at a time.
        let size = bytes.iter().position(|&byte| byte == b'~').map_or(bytes.len(), |at| at + 1);
        let (part, rest) = bytes.split_at(size);
        *bytes = rest;
        if self.kept.len() + part.len() > LARGEST {
            self.too_long = true;
            // The end may be in two parts.
            let keep = self.kept.len().saturating_sub(PASTE_END.len());
            let tail = Zeroizing::new(self.kept.split_off(keep));
            self.kept = tail;
        }
        append(&mut self.kept, part);
        self.kept.ends_with(PASTE_END).then(|| {
            let end = self.kept.len() - PASTE_END.len();
            self.kept.truncate(end);
            self.pasted()
        })
    }

    fn pasted(&mut self) -> Event {
        let (bytes, too_long) = (take(&mut self.kept), self.too_long);
        self.reset();
        match std::str::from_utf8(&bytes) {
            _ if too_long => Event::Unreadable("The paste is longer than 16 MiB, and was discarded."),
            Ok(text) => Event::Paste(with_newlines(text)),
            Err(_) => Event::Unreadable("The paste is not text in UTF-8, and was discarded."),
        }
    }
}

const NO_TEXT: &str = "That is not text in UTF-8, and was ignored.";

/// What a byte of ASCII means.
fn key(byte: u8) -> Event {
    match byte {
        0x01 => Event::Home,
        0x03 => Event::Interrupt,
        0x04 => Event::EndOfInput,
        0x05 => Event::End,
        0x08 | 0x7f => Event::Backspace,
        b'\n' | b'\r' => Event::Enter,
        0x0e => Event::Skip,
        0x10 => Event::Back,
        0x12 => Event::Show,
        0x15 => Event::ClearLine,
        0x17 => Event::ClearWord,
        0x1a => Event::Suspend,
        byte if byte < 0x20 => Event::Control(char::from(byte)),
        byte => Event::Character(char::from(byte)),
    }
}

/// What the last letter of a key's sequence means.
fn letter_key(letter: u8) -> Event {
    match letter {
        b'C' => Event::Right,
        b'D' => Event::Left,
        b'H' => Event::Home,
        b'F' => Event::End,
        b'M' => Event::Enter,
        _ => Event::Ignored,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            let mut bytes = *piece;
            while let Some(event) = decoder.next(&mut bytes) {
                events.push(event);
            }
        }
        events
    }

    fn paste(text: &str) -> Event {
        Event::Paste(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn keys_are_told_from_characters() {
        use Event::*;
        let keys =
            events(&[b"a\x1b[D\x1b[1;5C\x1bOH\x1b[4~\x1b[3~\x1b[A\x1bx\x7f\x15\x17\x03\x04\x1a\x0e\x10\x12\r\x07z"]);
        let expected = [
            Character('a'),
            Left,
            Right,
            Home,
            End,
            Delete,
            Ignored,
            Ignored,
            Backspace,
            ClearLine,
            ClearWord,
            Interrupt,
            EndOfInput,
            Suspend,
            Skip,
            Back,
            Show,
            Enter,
            Control('\u{7}'),
            Character('z'),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn characters_of_several_bytes_may_come_in_parts() {
        let expected =
            [Event::Character('é'), Event::Character('漢'), Event::Character('🔑'), Event::Control('\u{85}')];
        let text = "é漢🔑\u{85}".as_bytes();
        assert_eq!(events(&[text]), expected);
        assert_eq!(events(&text.chunks(1).collect::<Vec<_>>()), expected);
        assert_eq!(
            events(&[b"\xff\xe9a"]),
            [Event::Unreadable(NO_TEXT), Event::Unreadable(NO_TEXT), Event::Character('a')]
        );
    }

    #[test]
    fn a_paste_is_one_event_wherever_it_is_cut() {
        let text = b"x\x1b[200~one\r\ntwo~\rthree\n\x1b[A\x1b[201~y";
        let expected = [Event::Character('x'), paste("one\ntwo~\nthree\n\u{1b}[A"), Event::Character('y')];
        for size in 1..text.len() {
            assert_eq!(events(&text.chunks(size).collect::<Vec<_>>()), expected, "{size}");
        }
    }

    #[test]
    fn a_paste_that_is_no_text_or_too_long_is_told_and_what_follows_is_not_lost() {
        assert!(matches!(events(&[b"\x1b[200~\xff\x1b[201~a"])[..], [Event::Unreadable(_), Event::Character('a')]));
        let long = vec![b'x'; LARGEST / 2];
        let told = events(&[b"\x1b[200~", &long, &long, &long, b"x\x1b[2", b"01~a"]);
        assert!(matches!(told[..], [Event::Unreadable(_), Event::Character('a')]), "{}", told.len());
    }

    #[test]
    fn ctrl_v_takes_the_next_as_it_is() {
        assert_eq!(events(&[b"\x16\x03\x16\x1b[A"])[..2], [Event::Literal('\u{3}'), Event::Literal('\u{1b}')]);
        assert_eq!(events(&["\u{16}é".as_bytes()]), [Event::Character('é')]);
    }

    #[test]
    fn what_stays_incomplete_is_given_up() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.next(&mut b"\x1b".as_slice()), None);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.give_up(), Some(Event::Ignored));
        assert_eq!(decoder.next(&mut b"a".as_slice()), Some(Event::Character('a')));
        assert_eq!(decoder.next(&mut b"\x1b[200~abc".as_slice()), None);
        assert!(decoder.is_pasting());
        assert_eq!(decoder.give_up(), Some(paste("abc")));
        assert_eq!(decoder.give_up(), None);
    }

    proptest! {
        #[test]
        fn it_makes_the_same_of_bytes_however_they_come(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..9) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(events(&pieces), events(&[&bytes]));
        }

        #[test]
        fn a_character_event_is_never_a_control(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for event in events(&[&bytes]) {
                prop_assert!(!matches!(event, Event::Character(letter) if is_control(letter)));
            }
        }
    }
}
