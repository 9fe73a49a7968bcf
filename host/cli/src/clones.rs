//! Whether two checkouts are clones of one repository is for the admin to say: ciphertext alone can be pushed anywhere.

use std::io::IsTerminal as _;

use artifacts_audit::{AuditLog, ConsentRecord, ConsentSubject};
use artifacts_flow::ConfirmClone;

use crate::{audit_log, person};

/// The admin said so beforehand, or does so now, at the terminal. A yes is recorded before it counts.
pub fn asking(here: String, accept: bool, no_input: bool, log: AuditLog) -> ConfirmClone {
    Box::new(move |there| {
        if !accept && (no_input || !ask(&here, there)) {
            return Ok(false);
        }
        let by = if accept { "--accept-clone" } else { audit_log::TERMINAL };
        let subject = ConsentSubject::Clone { checkout: here.clone(), other: there.to_owned() };
        log.consent(vec![ConsentRecord { by: by.to_owned(), subject }]).map_err(|error| audit_log::failure(&error))?;
        Ok(true)
    })
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
            artifacts_text::terminal(here),
            artifacts_text::terminal(there)
        ),
        "If one is a clone of the other, what was encrypted in either is decrypted in both from now on.".to_owned(),
    ];
    let shown = lines.iter().all(|line| terminal.message(line).is_ok());
    shown && terminal.confirm("Are they clones of one repository?").unwrap_or(false)
}
