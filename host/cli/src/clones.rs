//! Whether two checkouts are clones of one repository is for the admin to say: ciphertext alone can be pushed anywhere.

use std::io::IsTerminal as _;

use artifacts_flow::ConfirmClone;
use artifacts_report::escaped;

use crate::person;

/// The admin said so beforehand, or does so now, at the terminal.
pub fn asking(here: String, accept: bool, no_input: bool) -> ConfirmClone {
    Box::new(move |there| Ok(accept || !no_input && ask(&here, there)))
}

/// False without a terminal: messages that go elsewhere are a script's.
fn ask(here: &str, there: &str) -> bool {
    if !std::io::stderr().is_terminal() {
        return false;
    }
    let Some(mut terminal) = person::terminal() else { return false };
    let lines = [
        format!(
            "Secrets in {} were encrypted in {}, which is another repository to this machine.",
            escaped(here),
            escaped(there)
        ),
        "If one is a clone of the other, what was encrypted in either is decrypted in both from now on.".to_owned(),
    ];
    let shown = lines.iter().all(|line| terminal.message(line).is_ok());
    shown && terminal.confirm("Are they clones of one repository?").unwrap_or(false)
}
