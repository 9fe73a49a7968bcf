//! What stands on the screen while prompts are answered, as a terminal reads it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_prompt::{Error, PromptRequest, Terminal, TerminalOptions, ask_all};
use artifacts_seam::Secret;
use common::{Desk, OPTIONS};

type Values = Result<BTreeMap<(InstanceName, Name), Secret>, Error>;

fn request(instance: &str, prompt: &str, kind: PromptKind) -> PromptRequest {
    PromptRequest {
        instance: format!("shared/{instance}").parse().unwrap(),
        shown: format!("shared/{instance}"),
        prompt: prompt.parse().unwrap(),
        description: None,
        details: Vec::new(),
        needs: std::collections::BTreeSet::new(),
        earlier: None,
        kind,
        required: kind.is_hidden(),
    }
}

/// A line and two hidden lines of two artifacts.
fn three() -> Vec<PromptRequest> {
    let mut password = request("smtp", "password", PromptKind::Hidden);
    password.description = Some("Password of the mail relay".to_owned());
    password.details = vec!["used by the generator of shared/smtp, which has no network".to_owned()];
    vec![request("wg", "endpoint", PromptKind::Line), password, request("smtp", "pin", PromptKind::Hidden)]
}

fn asks(desk: &Desk, requests: Vec<PromptRequest>, options: TerminalOptions) -> JoinHandle<Values> {
    let mut terminal = Terminal::new(desk.tty.try_clone().unwrap().into(), options).unwrap();
    std::thread::spawn(move || ask_all(&requests, &[], None, Some(&mut terminal)))
}

fn values(values: Values) -> Vec<String> {
    let text = |value: Secret| String::from_utf8(value.expose().to_vec()).unwrap();
    values.unwrap().into_iter().map(|((_, prompt), value)| format!("{prompt}={}", text(value))).collect()
}

/// A row with words at its right edge.
fn row(left: &str, right: &str) -> String {
    format!("{left}{}{right}", " ".repeat(79 - left.chars().count() - right.chars().count()))
}

const KEYS: &str = "Enter accept   Ctrl-N skip   Ctrl-P back   Ctrl-R show   Ctrl-C stop";

fn with<'a>(page: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [page, more].concat()
}

#[test]
fn an_answered_prompt_shrinks_to_one_line() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, three(), OPTIONS);
    desk.stands(&["1 of 3   shared/wg   endpoint", "endpoint:", "Enter accept   Ctrl-N skip   Ctrl-C stop"]);
    desk.types("vpn.example");
    desk.stands(&[
        "1 of 3   shared/wg   endpoint",
        "endpoint: vpn.example",
        "Enter accept   Ctrl-N skip   Ctrl-C stop",
    ]);
    desk.types("\r");
    let page = [
        "1 of 3   shared/wg     endpoint   vpn.example",
        "2 of 3   shared/smtp   password",
        "         Password of the mail relay",
        "         used by the generator of shared/smtp, which has no network",
        "         hidden; enter it twice",
    ];
    desk.stands(&with(&page, &["password:", KEYS]));
    desk.types("s3cret");
    desk.stands(&with(&page, &[&row("password: ••••••", "6 characters"), KEYS]));
    desk.types("\r");
    desk.stands(&with(&page, &[&row("password: ••••••", "6 characters"), "again:", KEYS]));
    desk.types("s3cret");
    desk.stands(&with(&page, &[&row("password: ••••••", "6 characters"), &row("again:    ••••••", "matches"), KEYS]));
    desk.types("\r");
    let answered = ["1 of 3   shared/wg     endpoint   vpn.example", "2 of 3   shared/smtp   password   6 characters"];
    desk.stands(
        &[&answered[..], &["3 of 3   shared/smtp   pin", "         hidden; enter it twice", "pin:", KEYS]].concat(),
    );
    desk.types("1\r");
    desk.sees("again: ");
    desk.types("1\r");
    desk.stands(&[&answered[..], &["3 of 3   shared/smtp   pin        1 character"]].concat());
    assert_eq!(values(asking.join().unwrap()), ["password=s3cret", "pin=1", "endpoint=vpn.example"]);
}

#[test]
fn what_does_not_match_is_said_below_and_goes_with_the_prompt() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, vec![request("smtp", "pin", PromptKind::Hidden)], OPTIONS);
    for (name, value) in [("pin:", "12"), ("again:", "1")] {
        desk.stands_at(name);
        desk.types(value);
        desk.types("\r");
    }
    let keys = "Enter accept   Ctrl-N skip   Ctrl-R show   Ctrl-C stop";
    desk.stands(&[
        "1 of 1   shared/smtp   pin",
        "         hidden; enter it twice",
        &row("pin: ••", "2 characters"),
        &row("again: •", "1 character"),
        "       The entries do not match. Try again.",
        "pin:",
        keys,
    ]);
    desk.types("12\r");
    desk.sees("again: ");
    desk.types("12\r");
    desk.stands(&["1 of 1   shared/smtp   pin   2 characters"]);
    asking.join().unwrap().unwrap();
}

#[test]
fn a_skipped_artifact_is_one_line_and_who_goes_back_is_asked_after_all() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, three(), OPTIONS);
    desk.stands_at("endpoint:");
    desk.types("vpn\r");
    desk.stands_at("password:");
    desk.types("half\u{10}");
    desk.stands_at("endpoint: vpn");
    desk.types(".example\r");
    desk.stands_at("password:");
    desk.types("\u{e}");
    asking.join().unwrap().unwrap();
    desk.stands(&[
        "1 of 3   shared/wg     endpoint   vpn.example",
        "2 of 3   shared/smtp   password",
        "         skipped; shared/smtp is not generated in this run",
    ]);
}

#[test]
fn who_goes_back_takes_away_what_stood_for_the_prompt_before() {
    let mut desk = Desk::sized(24, 80);
    let of = |name: &str| request(name, "p", PromptKind::Line);
    let asking = asks(&desk, vec![of("a"), of("b"), of("c")], OPTIONS);
    let [first, later] =
        ["Enter accept   Ctrl-N skip   Ctrl-C stop", "Enter accept   Ctrl-N skip   Ctrl-P back   Ctrl-C stop"];
    desk.stands(&["1 of 3   shared/a   p", "p:", first]);
    desk.types("1\r");
    desk.stands(&["1 of 3   shared/a   p   1", "2 of 3   shared/b   p", "p:", later]);
    desk.types("\u{e}");
    let skipped = "2 of 3   shared/b   p   skipped; shared/b is not generated in this run";
    desk.stands(&["1 of 3   shared/a   p   1", skipped, "3 of 3   shared/c   p", "p:", later]);
    desk.types("\u{10}");
    desk.stands(&["1 of 3   shared/a   p   1", "2 of 3   shared/b   p", "p:", later]);
    desk.types("\u{10}");
    desk.stands(&["1 of 3   shared/a   p", "p: 1", first]);
    // What was said at a stop stays, and all above it.
    desk.types("\r");
    desk.stands(&["1 of 3   shared/a   p   1", "2 of 3   shared/b   p", "p:", later]);
    desk.types("\u{3}");
    desk.stands_at("Choice [q]:");
    desk.types("b");
    desk.stands_at("Choice [q]: b");
    desk.stands_at("Enter accept");
    desk.types("\u{10}");
    desk.stands_at("p: 1");
    let lines = desk.lines();
    assert_eq!(lines[0], "1 of 3   shared/a   p   1");
    assert_eq!(lines[lines.len() - 4..], ["Choice [q]: b", "1 of 3   shared/a   p", "p: 1", first]);
    desk.types("\u{3}");
    desk.sees("Choice [q]: ");
    desk.types("q");
    assert!(asking.join().unwrap().is_err());
}

#[test]
fn lines_that_left_the_screen_are_not_taken_away() {
    let mut desk = Desk::sized(5, 80);
    let mut long = request("b", "p", PromptKind::Line);
    long.description = Some("one\ntwo".to_owned());
    let asking = asks(&desk, vec![request("a", "p", PromptKind::Line), long], OPTIONS);
    desk.stands_at("p:");
    desk.types("1\r");
    desk.stands_at("         two");
    desk.types("\u{10}");
    desk.stands_at("p: 1");
    let lines = desk.lines();
    assert!(lines.contains(&"1 of 2   shared/a   p".to_owned()), "{lines:#?}");
    desk.types("\u{e}");
    desk.sees("p: ");
    desk.types("\u{e}");
    asking.join().unwrap().unwrap();
}

#[test]
fn an_earlier_value_stays_masked_and_is_shown_until_the_next_key() {
    let mut desk = Desk::sized(24, 80);
    let requests = vec![request("a", "pin", PromptKind::Hidden), request("b", "other", PromptKind::Hidden)];
    let asking = asks(&desk, requests, OPTIONS);
    desk.stands_at("pin:");
    desk.types("s3cret\r");
    desk.stands_at("again:");
    desk.types("s3cret\r");
    desk.stands_at("other:");
    desk.types("\u{10}");
    desk.stands_at(&row("pin: ••••••", "6 characters"));
    desk.types("\u{12}");
    desk.stands_at("pin: s3cret");
    desk.types("\u{1b}[A");
    desk.stands_at(&row("pin: ••••••", "6 characters"));
    desk.types("\r");
    desk.stands_at("other:");
    assert!(!desk.lines().join("\n").contains("s3cret"));
    desk.types("\u{e}");
    assert_eq!(values(asking.join().unwrap()), ["pin=s3cret"]);
}

#[test]
fn who_stops_generates_what_is_complete() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, three(), OPTIONS);
    desk.stands_at("endpoint:");
    desk.types("vpn\r");
    desk.stands_at("password:");
    desk.types("hal");
    desk.stands_at("password: •••");
    desk.types("\u{3}");
    desk.stands_at("Choice [q]:");
    let lines = desk.lines();
    assert_eq!(
        lines[lines.len() - 10..],
        [
            &row("password: •••", "3 characters"),
            "^C",
            "Stopped at prompt 2 of 3. No answer is stored yet; 1 answer is kept in memory.",
            "  complete     shared/wg",
            "  incomplete   shared/smtp",
            "",
            "  g  generate the 1 complete artifact now",
            "  b  back to the prompt",
            "  q  quit and discard the answers",
            "Choice [q]:"
        ]
    );
    desk.types("b");
    desk.sees("password: ");
    desk.types("\u{3}");
    desk.sees("Choice [q]: ");
    desk.types("g");
    assert_eq!(values(asking.join().unwrap()), ["endpoint=vpn"]);
}

#[test]
fn a_pasted_key_stands_nowhere() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, vec![request("tls", "key", PromptKind::Hidden)], OPTIONS);
    desk.stands_at("key:");
    let key = (1..=11).fold(String::new(), |key, line| key + &format!("MIIE{line}\r"));
    desk.types(&format!("\u{1b}[200~{key}\u{1b}[201~"));
    desk.stands(&[
        "1 of 1   shared/tls   key",
        "         hidden; enter it twice",
        "key:",
        "key: pasted 11 lines, 68 characters; this prompt takes one line",
        "  d discard (default)   k keep all lines   Ctrl-N skip",
        "  To avoid this question, set prompts.key.type = \"multiline-hidden\".",
        "key:",
        "Enter accept   Ctrl-N skip   Ctrl-R show   Ctrl-C stop",
    ]);
    desk.types("\u{e}");
    desk.stands(&["1 of 1   shared/tls   key   skipped; shared/tls is not generated in this run"]);
    assert!(values(asking.join().unwrap()).is_empty());
    assert!(!desk.all().contains("MIIE"));
}

#[test]
fn a_narrow_terminal_shows_all_of_it() {
    let mut desk = Desk::sized(24, 20);
    let mut smtp = request("smtp", "pin", PromptKind::Hidden);
    smtp.description = Some("0123456789 and more text of it".to_owned());
    let asking = asks(&desk, vec![smtp], OPTIONS);
    desk.stands_at("pin:");
    desk.types("s3cret-and-much-more-of-it");
    desk.stands(&[
        "1 of 1   shared/smtp",
        "pin",
        "         0123456789",
        "         and more",
        "         text of it",
        "         hidden;",
        "         enter it",
        "         twice",
        "pin: ••••••••••••••",
        "Enter accept",
    ]);
    desk.types("\r");
    desk.stands_at("again:");
    desk.types("s3cret-and-much-more-of-it\r");
    desk.stands(&["1 of 1   shared/smtp", "pin", "         26", "         characters"]);
    asking.join().unwrap().unwrap();
}

#[test]
fn a_resize_leaves_a_prompt_that_can_be_read() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, vec![request("wg", "endpoint", PromptKind::Line)], OPTIONS);
    desk.stands_at("endpoint:");
    desk.types("0123456789012345678901234567890123456789");
    desk.stands_at("endpoint: 0123456789012345678901234567890123456789");
    desk.resize(24, 30);
    desk.stands_at("endpoint: 1234567890123456789");
    desk.resize(24, 100);
    desk.stands_at("endpoint: 0123456789012345678901234567890123456789");
    desk.types("!\r");
    // What stands above may have been broken anew, so nothing is cleared.
    desk.stands_at("1 of 1   shared/wg   endpoint   0123456789012345678901234567890123456789!");
    assert_eq!(asking.join().unwrap().unwrap().len(), 1);
}

#[test]
fn a_terminal_without_escape_sequences_says_the_same_in_order() {
    let mut desk = Desk::sized(24, 80);
    let asking = asks(&desk, three(), TerminalOptions { dumb: true, ..OPTIONS });
    desk.stands_at("endpoint:");
    desk.types("vpn\r");
    desk.stands_at("password:");
    desk.types("\u{e}");
    asking.join().unwrap().unwrap();
    assert!(!desk.all().contains('\u{1b}'));
    assert_eq!(
        desk.lines(),
        [
            "1 of 3   shared/wg   endpoint",
            "Enter accept   Ctrl-N skip   Ctrl-C stop",
            "endpoint: vpn",
            "2 of 3   shared/smtp   password",
            "         Password of the mail relay",
            "         used by the generator of shared/smtp, which has no network",
            "         hidden; enter it twice",
            KEYS,
            "password:",
            "2 of 3   shared/smtp   password",
            "         skipped; shared/smtp is not generated in this run"
        ]
    );
}

#[test]
fn keys_are_dim_and_not_where_no_color_is_wanted() {
    for (plain, dim) in [(false, true), (true, false)] {
        let mut desk = Desk::sized(24, 80);
        let asking = asks(&desk, three(), TerminalOptions { plain, ..OPTIONS });
        desk.stands_at("Enter accept");
        desk.types("\u{3}");
        assert!(asking.join().unwrap().is_err());
        assert_eq!(desk.all().contains("\u{1b}[2mEnter accept"), dim);
    }
}
