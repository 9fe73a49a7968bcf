//! Yes or no, at the terminal that a person sits at.

use artifacts_report::Failure;

use crate::person;

/// Asks for a yes. None when there is no one to ask.
pub fn confirm(no_input: bool, question: &str) -> Result<Option<bool>, Failure> {
    let Some(mut terminal) = person::terminal().filter(|_| !no_input) else { return Ok(None) };
    let answer = terminal.confirm(question)?;
    Ok(Some(answer))
}
