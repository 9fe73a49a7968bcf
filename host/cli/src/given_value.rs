//! The value that a person gives for a file.

use std::io::IsTerminal as _;

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_prompt::PromptRequest;
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_text::Explain;

use crate::{limited_input, person};

/// Reads standard input as it is; at a terminal, asks twice for a hidden line.
pub fn read(no_input: bool, allow_empty: bool, instance: &InstanceName, file: &Name) -> Result<Secret, Failure> {
    let failed = |why: String| Failure::new(instance.to_string(), why);
    if std::io::stdin().is_terminal() {
        let mut terminal = person::terminal().filter(|_| !no_input).ok_or_else(|| {
            failed(format!("no value for `{file}`"))
                .hint(Some("pipe the value in: `COMMAND | artifacts set INSTANCE FILE`"))
        })?;
        let question = PromptRequest {
            instance: instance.clone(),
            prompt: file.clone(),
            description: None,
            details: Vec::new(),
            earlier: None,
            kind: PromptKind::Hidden,
        };
        return terminal.ask(&question).map_err(|e| failed(e.to_string()).hint(e.hint()));
    }
    let value = limited_input::read_from(std::io::stdin().lock(), limited_input::VALUE)
        .map_err(|e| failed(format!("cannot read standard input: {e}")))?;
    if value.size() == 0 && !allow_empty {
        return Err(failed("standard input is empty".to_owned())
            .hint(Some("the command before the pipe may have failed; to store an empty value, pass `--allow-empty`")));
    }
    Ok(value)
}
