//! Yes or no, at the terminal that a person sits at.

use artifacts_report::Failure;

use crate::args::Global;
use crate::person;

/// Asks for a yes. None when there is nobody to ask.
pub fn confirm(global: &Global, question: &str) -> Result<Option<bool>, Failure> {
    let Some(mut terminal) = person::terminal().filter(|_| !global.no_input) else { return Ok(None) };
    let answer = terminal.confirm(question)?;
    Ok(Some(answer))
}
