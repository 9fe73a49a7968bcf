//! The person at the terminal, for anyone who has to ask one while a secret is opened.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use artifacts_age::{NoPrompter, Prompter};
use artifacts_prompt::{Terminal, TerminalOptions};
use artifacts_seam::Secret;

use crate::{environment, progress, signals};

/// The terminal that a person sits at, whatever the standard streams are.
pub fn terminal() -> Option<Terminal> {
    progress::end();
    let options = TerminalOptions {
        dumb: environment::is_dumb_terminal(),
        plain: environment::is_plain(),
        interrupted: signals::interrupt,
    };
    Terminal::new(tty()?, options).ok()
}

/// The same, for another program.
pub fn tty() -> Option<File> {
    File::options().read(true).write(true).open("/dev/tty").ok()
}

/// Anyone who can be asked: no one where there is no terminal, or where nothing is to be asked.
pub fn person(no_input: bool) -> Arc<dyn Prompter> {
    match terminal().filter(|_| !no_input) {
        Some(terminal) => Arc::new(AtTerminal(Mutex::new(terminal))),
        None => Arc::new(NoPrompter),
    }
}

struct AtTerminal(Mutex<Terminal>);

impl AtTerminal {
    /// A terminal that fails is one at which no one answers.
    fn ask(&self, what: &str, hidden: bool) -> Option<Secret> {
        progress::end();
        let mut terminal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        terminal.ask_text(what, hidden).ok().flatten()
    }

    fn ask_text(&self, what: &str) -> Option<String> {
        String::from_utf8(self.ask(what, false)?.expose().to_vec()).ok()
    }
}

impl Prompter for AtTerminal {
    fn passphrase(&self, what: &str) -> Option<Secret> {
        self.ask(what, true)
    }

    fn message(&self, text: &str) {
        progress::end();
        let mut terminal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = terminal.message(text);
    }

    fn confirm(&self, text: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let Some(no) = no else {
            return self.ask_text(&format!("{text} [Enter: {yes}]")).map(|_| true);
        };
        let answer = self.ask_text(&format!("{text} [1: {yes}, 2: {no}]"))?;
        match answer.trim() {
            "1" => Some(true),
            "2" => Some(false),
            _ => None,
        }
    }

    fn text(&self, what: &str) -> Option<String> {
        self.ask_text(what)
    }
}
