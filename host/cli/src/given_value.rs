//! The value that a person gives for a file.

use std::io::IsTerminal as _;

use artifacts_declared::{InstanceName, Name, Prompt};
use artifacts_flow::Run;
use artifacts_prompt::{PromptRequest, is_blank};
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_text::Explain;

use crate::console::Console;
use crate::{limited_input, person};

/// Returns how a file is asked for: as it is declared where no generator writes it, else by a hidden line.
pub fn request(console: &Console, run: &Run, instance: &InstanceName, file: &Name) -> PromptRequest {
    let artifact = run.instances().get(instance).map(|one| &one.artifact).filter(|artifact| artifact.is_typed());
    let Prompt { description, kind, .. } = artifact.and_then(|one| one.prompts.get(file)).cloned().unwrap_or_default();
    // An empty value has a question of its own.
    PromptRequest {
        instance: instance.clone(),
        shown: console.name(instance),
        prompt: file.clone(),
        description,
        details: Vec::new(),
        needs: std::collections::BTreeSet::new(),
        earlier: None,
        kind,
        required: false,
    }
}

/// Reads standard input as it is; at a terminal, asks. An empty value needs a flag or, there, a second yes.
pub fn read(no_input: bool, allow_empty: bool, request: &PromptRequest) -> Result<Secret, Failure> {
    let failed = |why: String| Failure::new(request.instance.to_string(), why);
    if !std::io::stdin().is_terminal() {
        let value = limited_input::read_from(std::io::stdin().lock(), limited_input::VALUE)
            .map_err(|e| failed(format!("cannot read standard input: {e}")))?;
        return if !is_blank(&value) || allow_empty {
            Ok(value)
        } else {
            Err(failed("standard input is empty".to_owned()).hint(Some(
                "the command before the pipe may have failed; to store an empty value, pass `--allow-empty`",
            )))
        };
    }
    let mut terminal = person::terminal().filter(|_| !no_input).ok_or_else(|| {
        failed(format!("no value for `{}`", request.prompt))
            .hint(Some("pipe the value in: `COMMAND | artifacts set INSTANCE FILE`"))
    })?;
    let value = terminal.ask(request).map_err(|e| failed(e.to_string()).hint(e.hint()))?;
    if !is_blank(&value)
        || allow_empty
        || terminal.confirm(&format!("Store an empty value as `{}`?", request.prompt))?
    {
        return Ok(value);
    }
    Err(failed("no value entered; nothing was changed".to_owned()))
}
