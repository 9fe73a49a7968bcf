//! Asking at a real (pseudo) terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use artifacts_declared::PromptKind;
use artifacts_prompt::{Error, PromptRequest, Terminal, ask_all, restore};
use artifacts_text::Explain;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// What is changed about a terminal is known once a process, so one terminal at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Both ends of a terminal, and the person in front of it.
struct Desk {
    keyboard: File,
    tty: OwnedFd,
    screen: Receiver<u8>,
    shown: String,
    _one: MutexGuard<'static, ()>,
}

impl Desk {
    fn new() -> Self {
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
        Self { keyboard: master.into(), tty, screen, shown: String::new(), _one: one }
    }

    fn terminal(&self) -> Terminal {
        Terminal::new(self.tty.try_clone().unwrap().into()).unwrap()
    }

    /// Waits until the screen shows a text that was not waited for before.
    fn sees(&mut self, text: &str) {
        let start = self.shown.len();
        while !self.shown[start..].contains(text) {
            match self.screen.recv_timeout(Duration::from_secs(10)) {
                Ok(byte) => self.shown.push(char::from(byte)),
                Err(error) => panic!("no `{text}` in `{}`: {error}", &self.shown[start..]),
            }
        }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was ever shown.
    fn all(&mut self) -> &str {
        while let Ok(byte) = self.screen.recv_timeout(Duration::from_millis(100)) {
            self.shown.push(char::from(byte));
        }
        &self.shown
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        modes.contains(LocalModes::ECHO) && !modes.contains(LocalModes::ECHONL)
    }

    /// Asks in another thread what `play` answers.
    fn asked(&mut self, kind: PromptKind, play: impl FnOnce(&mut Self)) -> Result<Vec<u8>, Error> {
        let mut terminal = self.terminal();
        let questions = [question(kind)];
        let asking = std::thread::spawn(move || ask_all(&questions, None, Some(&mut terminal)));
        play(self);
        let values = asking.join().unwrap()?;
        Ok(values.values().next().unwrap().expose().to_vec())
    }
}

fn question(kind: PromptKind) -> PromptRequest {
    PromptRequest {
        instance: "per-machine/web1/attic".parse().unwrap(),
        prompt: "pin".parse().unwrap(),
        description: Some("The PIN\nof the \u{1b}[31mkey".to_owned()),
        kind,
    }
}

#[test]
fn a_hidden_value_is_asked_twice_and_never_shown() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        assert!(!desk.echoes());
        desk.types("s3cret \n");
        desk.sees("pin (again): ");
        assert!(!desk.echoes());
        desk.types("s3cret \n");
    });
    assert_eq!(value.unwrap(), b"s3cret ");
    assert!(desk.echoes());
    let shown = desk.all();
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("per-machine/web1/attic needs `pin`"), "{shown}");
    assert!(shown.contains("  The PIN\r\n  of the \\u{1b}[31mkey\r\n"), "{shown}");
}

#[test]
fn a_hidden_value_typed_ahead_is_not_shown_either() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("needs");
        desk.types("s3cret\ns3cret\n");
    });
    assert_eq!(value.unwrap(), b"s3cret");
    assert!(!desk.all().contains("s3cret"));
}

#[test]
fn what_differs_is_asked_again_three_times_in_all() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.types("");
        for keys in ["one\n", "two\n", "three\n", "three\n"] {
            desk.sees("pin");
            desk.sees(": ");
            desk.types(keys);
        }
    });
    assert_eq!(value.unwrap(), b"three");
    let error = desk.asked(PromptKind::Hidden, |desk| {
        for _ in 0..3 {
            desk.sees("pin: ");
            desk.types("s3cret\n");
            desk.sees("(again): ");
            desk.types("other\n");
        }
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Mismatch { tries: 3, .. }), "{error}");
    assert!(desk.echoes());
    assert!(!desk.all().contains("s3cret"));
}

#[test]
fn what_is_hidden_is_not_left_empty() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        desk.types("\n");
        desk.sees("A value is required");
        desk.sees("pin: ");
        desk.types("s3cret\n");
        desk.sees("pin (again): ");
        desk.types("s3cret\n");
    });
    assert_eq!(value.unwrap(), b"s3cret");
    for (kind, end) in [(PromptKind::Hidden, "\n"), (PromptKind::MultilineHidden, "\u{4}")] {
        let value = desk.asked(kind, |desk| {
            for _ in 0..3 {
                desk.sees("pin:");
                desk.types(end);
            }
        });
        assert!(matches!(value, Err(Error::Empty { .. })), "{value:?}");
    }
}

#[test]
fn a_line_is_shown_and_has_no_newline() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        assert!(desk.echoes());
        desk.types("  an  answer\u{7f}R\n");
    });
    assert_eq!(value.unwrap(), b"  an  answeR");
    assert!(desk.all().contains("an  answer"));
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types("\n");
    });
    assert_eq!(value.unwrap(), b"");
}

#[test]
fn several_lines_end_with_ctrl_d() {
    let mut desk = Desk::new();
    let lines = |desk: &mut Desk| {
        desk.sees("pin:");
        desk.types("one\ntwo\n\nfour\n\u{4}");
    };
    assert_eq!(desk.asked(PromptKind::Multiline, lines).unwrap(), b"one\ntwo\n\nfour\n");
    assert!(desk.all().contains("four"));
    desk.shown.clear();
    assert_eq!(desk.asked(PromptKind::MultilineHidden, lines).unwrap(), b"one\ntwo\n\nfour\n");
    assert!(desk.echoes());
    assert!(!desk.all().contains("four"));
    // Without a newline at the end, Ctrl-D twice.
    let value = desk.asked(PromptKind::Multiline, |desk| {
        desk.sees("pin:");
        desk.types("one\ntwo\u{4}\u{4}");
    });
    assert_eq!(value.unwrap(), b"one\ntwo");
    let value = desk.asked(PromptKind::Multiline, |desk| {
        desk.sees("pin:");
        desk.types("\u{4}");
    });
    assert_eq!(value.unwrap(), b"");
}

#[test]
fn many_lines_are_taken_whole() {
    let mut desk = Desk::new();
    let line = "x".repeat(76) + "\n";
    let value = desk.asked(PromptKind::MultilineHidden, |desk| {
        desk.sees("pin:");
        for _ in 0..2000 {
            desk.types(&line);
        }
        desk.types("\u{4}");
    });
    assert_eq!(value.unwrap(), line.repeat(2000).as_bytes());
}

#[test]
fn the_end_of_the_input_is_an_error() {
    let mut desk = Desk::new();
    for kind in [PromptKind::Hidden, PromptKind::Line] {
        let error = desk.asked(kind, |desk| {
            desk.sees("pin: ");
            desk.types("\u{4}");
        });
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Ended { .. }), "{error}");
        assert!(desk.echoes());
    }
}

#[test]
fn a_line_that_the_terminal_cut_is_refused() {
    let mut desk = Desk::new();
    let error = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        desk.types(&"x".repeat(5000));
        desk.types("\n");
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }), "{error}");
    assert!(error.hint().unwrap().contains("--answers"));
    assert!(desk.echoes());
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types(&("y".repeat(4094) + "\n"));
    });
    assert_eq!(value.unwrap().len(), 4094);
}

#[test]
fn a_terminal_left_raw_is_asked_at_and_left_as_it_was() {
    let mut desk = Desk::new();
    let mut raw = tcgetattr(&desk.tty).unwrap();
    raw.make_raw();
    tcsetattr(&desk.tty, OptionalActions::Now, &raw).unwrap();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types("answer\r\n");
    });
    assert_eq!(value.unwrap(), b"answer");
    let after = tcgetattr(&desk.tty).unwrap();
    assert_eq!((after.local_modes, after.input_modes), (raw.local_modes, raw.input_modes));
}

#[test]
fn only_a_terminal_is_taken_for_one() {
    let file = File::options().read(true).write(true).open("/dev/null").unwrap();
    assert!(matches!(Terminal::new(file), Err(Error::NoTerminal)));
}

#[test]
fn the_way_out_gives_the_echo_back_for_good() {
    const TEST: &str = "the_way_out_gives_the_echo_back_for_good";
    const CHILD: &str = "ARTIFACTS_PROMPT_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        // In a process of its own, since no question can be asked afterwards.
        let exe = std::env::current_exe().unwrap();
        assert!(Command::new(exe).args(["--exact", TEST]).env(CHILD, "").status().unwrap().success());
        return;
    }
    let mut desk = Desk::new();
    let error = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        assert!(!desk.echoes());
        assert!(restore(), "a question is open");
        assert!(!restore());
        assert!(desk.echoes());
        desk.types("\u{4}");
    });
    assert!(matches!(error, Err(Error::Ended { .. })));
    assert!(desk.echoes());
    // The program may come to its next question before it ends.
    assert!(matches!(desk.asked(PromptKind::Hidden, |desk| desk.types("\u{4}")), Err(Error::Io(_))));
    assert!(desk.echoes());
}

#[test]
fn only_a_clear_yes_is_yes() {
    for (keys, expected) in
        [("y\n", true), ("YES\n", true), ("\n", false), ("no\n", false), ("yikes\n", false), ("\u{4}", false)]
    {
        let mut desk = Desk::new();
        let mut terminal = desk.terminal();
        let asking = std::thread::spawn(move || terminal.confirm("Remove it all?"));
        desk.sees("Remove it all? [y/N] ");
        desk.types(keys);
        assert_eq!(asking.join().unwrap().unwrap(), expected, "{keys:?}");
        assert!(desk.echoes());
    }
}

#[test]
fn what_was_typed_before_a_question_does_not_answer_it() {
    for (before, keys, expected) in [("y\n", "n\n", false), ("n\n", "y\n", true), ("y", "\n", false)] {
        let mut desk = Desk::new();
        desk.types(before);
        // It has arrived once it is echoed.
        desk.sees(before.trim());
        let mut terminal = desk.terminal();
        let asking = std::thread::spawn(move || terminal.confirm("Remove it all?"));
        desk.sees("Remove it all? [y/N] ");
        desk.types(keys);
        assert_eq!(asking.join().unwrap().unwrap(), expected, "{before:?}, {keys:?}");
    }
}
