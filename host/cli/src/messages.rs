//! What backends say, for a person: their words are marked as theirs, cut, and never taken for this program's.

use std::collections::BTreeSet;

use artifacts_declared::Name;
use artifacts_flow::{BackendMessages, Operation};
use artifacts_seam::{CallError, ComponentEvent, Level};
use artifacts_text::{agreeing, counted, shell_word, terminal};

use crate::console::Console;

/// Lines of one call that are shown; the rest is counted.
const LINES: usize = 20;
/// Characters of a line that are shown.
const WIDTH: usize = 500;

/// Shows what backends write. What a backend writes after it accessed a plaintext is shown to a person at a terminal who asked for
/// it, and otherwise only counted.
pub struct Messages {
    console: Console,
    /// Whether messages are shown that may hold a secret.
    secrets: bool,
    /// What was shown: checks are made several times a run, and give the same each time.
    shown: BTreeSet<String>,
}

impl Messages {
    /// Shows them on this output.
    pub fn new(console: Console) -> Self {
        let secrets = console.secrets_too && console.watched() && !console.json();
        Self { console, secrets, shown: BTreeSet::new() }
    }

    /// Shows the messages of one call.
    pub fn show(&mut self, words: &BackendMessages<'_>) {
        warn_of_denials(words, self.console, &mut self.shown);
        let lines = lines(words, self.console.verbosity);
        if words.saw_plaintext && !self.secrets {
            if !lines.is_empty() {
                self.console.message(&left_out(words.backend, lines.len()));
            }
            return;
        }
        for line in fresh(words.backend, lines, &mut self.shown) {
            self.console.message(&line);
        }
    }
}

/// A backend that was denied access tried what it may not do. In whatever it says afterwards, that is said first.
fn warn_of_denials(words: &BackendMessages<'_>, console: Console, shown: &mut BTreeSet<String>) {
    if words.denials == 0 {
        return;
    }
    let text = denied(words);
    if shown.insert(text.clone()) {
        let backend = shell_word(words.backend.as_str());
        console.warning(&text, Some(&format!("artifacts audit --backend {backend}")));
    }
}

fn denied(words: &BackendMessages<'_>) -> String {
    let did = match words.operation {
        Operation::Check => "checked",
        Operation::Serialize => "stored",
        Operation::Retrieve | Operation::AskPlugins => "decrypted",
    };
    let what = match words.instances {
        [one] => one.clone(),
        more => counted(more.len(), "artifact"),
    };
    let (backend, times) = (words.backend, counted(words.denials, "time"));
    terminal(&format!("backend {backend} was denied access {times} while it {did} {what}")).into_owned()
}

fn left_out(backend: &Name, lines: usize) -> String {
    let them = agreeing(lines, "it", "them");
    let lines = counted(lines, "message");
    format!("{backend}: {lines} hidden (may contain a secret); `--show-output` shows {them} at a terminal")
}

/// The lines that were not shown before, as many as a person reads.
fn fresh(backend: &Name, lines: Vec<String>, shown: &mut BTreeSet<String>) -> Vec<String> {
    let mut fresh: Vec<String> = lines.into_iter().filter(|line| shown.insert(line.clone())).collect();
    let more = fresh.len().saturating_sub(LINES);
    if more > 0 {
        fresh.truncate(LINES);
        fresh.push(format!("{backend}: {}", counted(more, "more line")));
    }
    fresh
}

/// Errors and warnings; what is for the curious and for authors only when they ask.
fn lines(words: &BackendMessages<'_>, verbosity: u8) -> Vec<String> {
    let backend = words.backend;
    let mut about = String::new();
    let mut lines = Vec::new();
    for event in words.events {
        match event {
            ComponentEvent::Instance(name) => about = format!(" ({name})"),
            ComponentEvent::Log { level, message } if loud(*level) <= verbosity => {
                lines.push(line(&format!("{backend}: {}: {message}{about}", word(*level))));
            }
            ComponentEvent::Output(text) => {
                let printed = text.lines().map(|text| line(&format!("{backend}: output: {text}{about}")));
                lines.extend(printed);
            }
            _ => {}
        }
    }
    if let Some(error) = words.failure {
        let why = match error {
            CallError::Broken(why)
            | CallError::Refused(why)
            | CallError::Overrun(why)
            | CallError::NotCalled { why, .. } => why,
            CallError::Failed(failure) => &failure.message,
            CallError::Machine { limit, .. } => limit,
        };
        lines.push(line(&format!("{backend}: failed: {why}{about}")));
    }
    lines
}

/// How much a person has to want to hear it.
fn loud(level: Level) -> u8 {
    match level {
        Level::Error | Level::Warn => 0,
        Level::Info => 1,
        Level::Debug => 2,
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
    }
}

/// One line, however many were smuggled in.
fn line(text: &str) -> String {
    let mut shown: String = text.replace('\n', "\\n").chars().take(WIDTH).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn said(verbosity: u8, events: &[ComponentEvent]) -> Vec<String> {
        let backend = artifacts_declared::Name::new("mine").unwrap();
        lines(&words(&backend, events, &[], 0), verbosity)
    }

    fn words<'a>(
        backend: &'a Name,
        events: &'a [ComponentEvent],
        instances: &'a [String],
        denials: u64,
    ) -> BackendMessages<'a> {
        let operation = Operation::Check;
        BackendMessages { backend, operation, instances, events, denials, failure: None, saw_plaintext: false }
    }

    #[test]
    fn a_denial_names_what_the_backend_did_meanwhile() {
        let backend = Name::new("mine").unwrap();
        let names = ["shared/ca".to_owned(), "shared/cb".to_owned()];
        let text = |instances, denials| denied(&words(&backend, &[], instances, denials));
        assert_eq!(text(&names[..1], 1), "backend mine was denied access 1 time while it checked shared/ca");
        assert_eq!(text(&names, 20), "backend mine was denied access 20 times while it checked 2 artifacts");
    }

    #[test]
    fn the_curious_hear_more() {
        let of = |level| ComponentEvent::Log { level, message: "x".to_owned() };
        let events = [of(Level::Debug), of(Level::Info), of(Level::Warn), of(Level::Error)];
        assert_eq!(said(0, &events), ["mine: warning: x", "mine: error: x"]);
        assert_eq!(said(1, &events).len(), 3);
        assert_eq!(said(2, &events).len(), 4);
    }

    #[test]
    fn what_is_left_out_is_counted_in_words() {
        let backend = Name::new("mine").unwrap();
        assert!(left_out(&backend, 1).starts_with("mine: 1 message hidden (may contain a secret)"));
        assert!(left_out(&backend, 2).starts_with("mine: 2 messages hidden (may contain a secret)"));
        let lines = (0..=LINES).map(|number| number.to_string()).collect();
        assert_eq!(fresh(&backend, lines, &mut BTreeSet::new())[LINES], "mine: 1 more line");
    }

    #[test]
    fn nothing_is_shown_twice_and_not_everything() {
        let backend = Name::new("mine").unwrap();
        let mut shown = BTreeSet::new();
        let lines = || (0..50).map(|number| number.to_string()).collect();
        let first = fresh(&backend, lines(), &mut shown);
        assert_eq!((first.len(), first[LINES].as_str()), (LINES + 1, "mine: 30 more lines"));
        assert!(fresh(&backend, lines(), &mut shown).is_empty());
    }

    #[test]
    fn a_line_stays_one_and_is_the_backends() {
        let message = format!("a\nerror: all is lost{}", "x".repeat(10_000));
        let events =
            [ComponentEvent::Instance("shared/ca".to_owned()), ComponentEvent::Log { level: Level::Warn, message }];
        let lines = said(0, &events);
        assert!(lines[0].starts_with("mine: warning: a\\nerror:") && !lines[0].contains('\n'));
        assert!(lines[0].chars().count() == WIDTH + 1);
        let printed = said(0, &[ComponentEvent::Output("one\ntwo".to_owned())]);
        assert_eq!(printed, ["mine: output: one", "mine: output: two"]);
    }
}
