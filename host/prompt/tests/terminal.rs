//! Asking at a real (pseudo) terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::fs::File;
use std::process::Command;

use artifacts_declared::PromptKind;
use artifacts_prompt::{Error, PromptRequest, Terminal, TerminalOptions, ask_all, restore, suspend};
use common::{Desk, OPTIONS, question};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

#[test]
fn a_hidden_value_is_asked_twice_and_never_shown() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        assert!(!desk.echoes());
        desk.types("s3cret \n");
        desk.sees("again: ");
        assert!(!desk.echoes());
        desk.types("s3cret \n");
    });
    assert_eq!(value.unwrap(), b"s3cret ");
    assert!(desk.echoes());
    let shown = desk.all();
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("web1/attic   pin"), "{shown}");
    assert!(
        shown.contains("         The PIN\r\n         of the \\u{1b}[31mkey\r\n         hidden; enter it twice\r\n"),
        "{shown}"
    );
}

#[test]
fn what_is_typed_ahead_is_not_shown_and_is_no_answer() {
    let mut desk = Desk::new();
    desk.types("ahead\n");
    desk.sees("ahead");
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        desk.types("s3cret\n");
        desk.sees("again: ");
        desk.types("s3cret\n");
    });
    assert_eq!(value.unwrap(), b"s3cret");
    assert!(!desk.all().contains("s3cret"));
}

#[test]
fn what_differs_is_asked_again_as_often_as_it_takes() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        for other in ["two", "three", "four", "five"] {
            for (name, keys) in [("pin: ", "one\n"), ("again: ", other), ("", "\n")] {
                desk.sees(name);
                desk.types(keys);
            }
            desk.sees("The entries do not match. Try again.");
        }
        for name in ["pin: ", "again: "] {
            desk.sees(name);
            desk.types("s3cret\n");
        }
    });
    assert_eq!(value.unwrap(), b"s3cret");
    assert!(desk.echoes());
    assert!(!desk.all().contains("s3cret"));
}

#[test]
fn whether_a_value_may_be_empty_is_declared() {
    let mut desk = Desk::new();
    let optional = PromptRequest { required: false, ..question(PromptKind::Hidden) };
    let value = desk.asked_for(optional, |desk| {
        desk.sees("may be left empty");
        desk.sees("pin: ");
        desk.types("\n");
        desk.sees("again: ");
        desk.types("\n");
    });
    assert_eq!(value.unwrap(), b"");
    let required = PromptRequest { required: true, ..question(PromptKind::Line) };
    let value = desk.asked_for(required, |desk| {
        desk.sees("a value is required");
        desk.sees("pin: ");
        desk.types(" \n");
        desk.sees("A value is required.");
        desk.sees("pin: ");
        desk.types("x\n");
    });
    assert_eq!(value.unwrap(), b"x");
}

#[test]
fn what_is_hidden_is_not_left_empty() {
    for (kind, end) in [(PromptKind::Hidden, "\n"), (PromptKind::MultilineHidden, "\u{4}")] {
        let mut desk = Desk::new();
        let value = desk.asked(kind, |desk| {
            for _ in 0..4 {
                desk.sees("pin:");
                desk.types(end);
                desk.sees("A value is required.");
            }
            desk.sees("pin:");
            desk.types(&format!("s3cret{end}"));
            if kind == PromptKind::Hidden {
                desk.sees("again: ");
                desk.types("s3cret\n");
            }
        });
        assert_eq!(value.unwrap(), b"s3cret");
    }
}

#[test]
fn a_line_is_shown_and_has_no_newline() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        assert!(!desk.echoes(), "what is typed is drawn, not echoed");
        desk.types("  an  answer\u{7f}R\n");
    });
    assert_eq!(value.unwrap(), b"  an  answeR");
    assert!(desk.all().contains("an  answeR"));
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
fn a_line_longer_than_a_terminal_passes_on_in_one_piece_is_taken_whole() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types(&"y".repeat(9000));
        desk.types("\n");
    });
    assert_eq!(value.unwrap().len(), 9000);
    assert!(desk.echoes());
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
    assert!(matches!(Terminal::new(file, OPTIONS), Err(Error::NoTerminal)));
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

const KEY: &str = "one\rtwo\rthree\r";

#[test]
fn what_is_pasted_into_a_hidden_prompt_is_shown_nowhere_and_answers_nothing_else() {
    let marked = format!("\u{1b}[200~{KEY}\u{1b}[201~");
    // With and without the marks of a terminal that knows bracketed paste.
    for paste in [marked.as_str(), KEY] {
        let mut desk = Desk::new();
        let value = desk.asked(PromptKind::Hidden, |desk| {
            desk.sees("pin: ");
            desk.types(paste);
            desk.sees("pin: pasted 3 lines, 14 characters; this prompt takes one line");
            desk.sees("d discard (default)   k keep all lines   Ctrl-N skip");
            desk.sees("prompts.pin.type = \"multiline-hidden\"");
            desk.types("d");
            desk.sees("discarded");
            desk.types("s3cret\r");
            desk.sees("again: ");
            desk.types("s3cret\r");
        });
        assert_eq!(value.unwrap(), b"s3cret", "{paste:?}");
        let shown = desk.all();
        assert!(!shown.contains("two") && !shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("\u{1b}[?2004h") && shown.ends_with("\u{1b}[?2004l"), "{shown:?}");
    }
}

#[test]
fn all_lines_of_a_paste_are_kept_where_the_person_says_so() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types(&format!("\u{1b}[200~{KEY}\u{1b}[201~"));
        desk.sees("k keep");
        desk.types("k\r");
    });
    assert_eq!(value.unwrap(), b"one\ntwo\nthree\n");
}

#[test]
fn a_large_paste_is_taken_whole_and_none_of_it_is_left() {
    let mut desk = Desk::new();
    let text = "0123456789abcde\n".repeat(1 << 16);
    for kind in [PromptKind::MultilineHidden, PromptKind::Multiline] {
        let value = desk.asked(kind, |desk| {
            desk.sees("pin:");
            desk.types(&format!("\u{1b}[200~{}\u{1b}[201~\u{4}", text.replace('\n', "\r")));
        });
        assert_eq!(value.unwrap().len(), text.len());
        desk.all();
        desk.shown.clear();
    }
    // Discarded where one line is taken, marked or not.
    for begin in ["\u{1b}[200~", ""] {
        let value = desk.asked(PromptKind::Line, |desk| {
            desk.sees("pin: ");
            desk.types(&format!("{begin}{text}{}", if begin.is_empty() { "" } else { "\u{1b}[201~" }));
            desk.sees("pasted 65,536 lines, 1,048,576 characters");
            desk.types("d");
            desk.sees("discarded");
            desk.types("x\r");
        });
        assert_eq!(value.unwrap(), b"x");
        // The row was drawn again below the words: what is left of it is not the next prompt.
        desk.all();
    }
    assert!(!desk.all().contains("0123456789abcde\r\n0123456789abcde"));
}

#[test]
fn keys_edit_and_control_characters_are_refused() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        desk.types("pw\u{1b}[Dx\u{1b}[A\u{1b}OF!\r");
        desk.sees("again: ");
        desk.types("x\u{1b}[Hp\u{1b}[Cw!\u{7}");
        desk.sees("Ctrl-G is not allowed in a value. Ctrl-V inserts it literally.");
        desk.types("\r");
    });
    assert_eq!(value.unwrap(), b"pxw!");
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types("漢字é\u{7f}\u{1b}[D\u{1b}[3~\u{16}\u{7}\u{15}ok two\u{17}x\r");
    });
    assert_eq!(value.unwrap(), b"ok x");
}

#[test]
fn ctrl_c_says_what_is_kept_and_a_second_one_quits() {
    for quit in ["\u{3}", "q", "\r"] {
        let mut desk = Desk::new();
        let mut terminal = desk.terminal();
        let other = PromptRequest { prompt: "other".parse().unwrap(), ..question(PromptKind::Line) };
        let questions = [question(PromptKind::Line), other];
        let asking = std::thread::spawn(move || ask_all(&questions, &[], None, Some(&mut terminal)));
        desk.sees("1 of 2   web1/attic   pin");
        desk.sees("pin: ");
        desk.types("x\r");
        desk.sees("2 of 2   web1/attic   other");
        desk.sees("other: ");
        desk.types("half\u{3}left over\r");
        desk.sees("^C\r\nStopped at prompt 2 of 2. No answer is stored yet; 1 answer is kept in memory.\r\n");
        desk.sees("incomplete   web1/attic");
        desk.sees("Choice [q]: ");
        desk.types(quit);
        assert!(matches!(asking.join().unwrap(), Err(Error::Interrupted)));
        assert!(desk.echoes());
        let shown = desk.all();
        assert!(shown.ends_with("Nothing is generated from here on; 1 answer was discarded.\r\n"), "{shown}");
        assert!(!shown.contains("left over"), "{shown}");
    }
}

#[test]
fn ctrl_c_before_any_answer_ends_all_questions() {
    let mut desk = Desk::new();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types("half\u{3}left over\r");
    });
    assert!(matches!(value, Err(Error::Interrupted)));
    let shown = desk.all();
    assert!(shown.contains("^C\r\n") && !shown.contains("left over"), "{shown}");
    assert!(shown.ends_with("Stopped at prompt 1 of 1. Nothing is generated from here on.\r\n"), "{shown}");
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let mut desk = Desk::new();
    let options = TerminalOptions { interrupted: || panic!("in the middle of it"), ..OPTIONS };
    let mut terminal = Terminal::new(desk.tty.try_clone().unwrap().into(), options).unwrap();
    let asking = std::thread::spawn(move || terminal.confirm("Remove it all?"));
    desk.sees("[y/N] ");
    desk.types("\u{3}");
    assert!(asking.join().is_err());
    assert!(desk.echoes());
}

#[test]
fn a_narrow_terminal_and_one_without_escape_sequences_will_do() {
    let mut desk = Desk::new();
    let narrow = rustix::termios::Winsize { ws_row: 5, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&desk.tty, narrow).unwrap();
    let options = TerminalOptions { dumb: true, ..OPTIONS };
    let mut terminal = Terminal::new(desk.tty.try_clone().unwrap().into(), options).unwrap();
    let long = PromptRequest { prompt: "a-very-long-name-of-a-prompt".parse().unwrap(), ..question(PromptKind::Line) };
    let asking = std::thread::spawn(move || ask_all(&[long], &[], None, Some(&mut terminal)));
    desk.sees("a-very-long-name-of-a-prompt:");
    desk.types("0123456789");
    desk.sees("0123456789");
    desk.types("0123456789abcdef\u{1b}[D!\r");
    assert_eq!(asking.join().unwrap().unwrap().values().next().unwrap().expose(), b"01234567890123456789abcde!f");
    assert!(!desk.all().contains('\u{1b}'));
}

#[test]
fn what_is_entered_is_drawn_anew_at_another_size() {
    let mut desk = Desk::new();
    let size = |columns| rustix::termios::Winsize { ws_row: 5, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&desk.tty, size(20)).unwrap();
    let value = desk.asked(PromptKind::Line, |desk| {
        desk.sees("pin: ");
        desk.types("0123456789abcdefghijklmnopqrstuvwxyz");
        desk.sees("mnopqrstuvwxyz");
        rustix::termios::tcsetwinsize(&desk.tty, size(80)).unwrap();
        desk.sees("0123456789abcdefghijklmnopqrstuvwxyz");
        desk.types("\r");
    });
    assert_eq!(value.unwrap().len(), 36);
}

#[test]
fn a_mode_that_a_shell_changed_is_set_again() {
    let mut desk = Desk::new();
    let before = tcgetattr(&desk.tty).unwrap();
    let value = desk.asked(PromptKind::Hidden, |desk| {
        desk.sees("pin: ");
        suspend(|| assert!(desk.echoes(), "as it was, while the program is stopped"));
        assert!(!desk.echoes());
        tcsetattr(&desk.tty, OptionalActions::Now, &before).unwrap();
        desk.sees("pin: ");
        assert!(!desk.echoes());
        for name in ["", "again: "] {
            desk.sees(name);
            desk.types("s3cret\r");
        }
    });
    assert_eq!(value.unwrap(), b"s3cret");
    assert!(!desk.all().contains("s3cret"));
}
