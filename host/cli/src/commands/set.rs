use std::io::IsTerminal as _;

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_flow::Set;
use artifacts_prompt::PromptRequest;
use artifacts_report::{Failure, Report};
use artifacts_seam::Secret;
use artifacts_text::Explain;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::context::Context;
use crate::output::Output;
use crate::{bounded, person};

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: crate::file::File,
    /// Take standard input even when it is empty
    #[arg(long)]
    allow_empty: bool,
    /// Show what would be written, and read and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let context = Context::new(global, output)?;
        let mut run = context.open(&[self.file.selector()])?;
        let (instance, file) = match self.file.resolve(&run) {
            Ok(meant) => meant,
            Err(errors) => return Ok(output.report(&Report { errors, ..Report::default() })),
        };
        let selection = run.select_one(&instance);
        let surveyed = run.survey(&selection);
        let set = Set { instance: instance.clone(), file: file.clone(), opens: false };
        if self.dry_run {
            // The value stays where it is: standard input may be nobody's to take, or have no end yet.
            return Ok(output.report(&surveyed.preview(&set)));
        }
        let agreed = surveyed.lock(set).agree();
        if !agreed.is_open() {
            return Ok(output.report(&agreed.give_up()));
        }
        let value = self.value(global, &instance, &file)?;
        Ok(output.report(&agreed.set(value).finish()))
    }

    /// Standard input as it is; from a terminal, a hidden line that is asked for twice.
    fn value(&self, global: &Global, instance: &InstanceName, file: &Name) -> Result<Secret, Failure> {
        let failed = |why: String| Failure::new(instance.to_string(), why);
        if std::io::stdin().is_terminal() {
            let mut terminal = person::terminal().filter(|_| !global.no_input).ok_or_else(|| {
                failed(format!("there is no value for `{file}`"))
                    .hint(Some("give it on standard input: `… | artifacts set INSTANCE FILE`"))
            })?;
            let question = PromptRequest {
                instance: instance.clone(),
                prompt: file.clone(),
                description: None,
                kind: PromptKind::Hidden,
            };
            return terminal.ask(&question).map_err(|e| failed(e.to_string()).hint(e.hint()));
        }
        let value = bounded::take(std::io::stdin().lock(), bounded::VALUE)
            .map_err(|e| failed(format!("standard input cannot be read: {e}")))?;
        if value.size() == 0 && !self.allow_empty {
            return Err(failed("standard input is empty".to_owned())
                .hint(Some("a program before it may have failed; `--allow-empty` stores an empty value")));
        }
        Ok(value)
    }
}
