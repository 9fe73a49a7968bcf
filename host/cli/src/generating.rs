//! What `generate` and `rotate` have in common: a run that generates values.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use artifacts_flow::{Generate, Report, RotateReadable, Run, generate, preview};
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::answers::read_answers;
use crate::console::Console;
use crate::context::Context;
use crate::global::Global;

// No documentation comment: it would become the help of each command that has these.
#[derive(Debug, Args)]
pub struct Generating {
    /// Show what would be generated; write nothing and do not prompt
    #[arg(long)]
    dry_run: bool,
    /// Read answers to prompts from a TOML or JSON file; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
}

impl Generating {
    /// Opens a run over what the selectors name; `yes` answers the command's own question.
    pub fn open(
        &self,
        global: &Global,
        console: &Console,
        chosen: &[Selector],
        yes: bool,
    ) -> Result<(Context, Run), Failure> {
        let answers = self.answers.as_deref().map(read_answers).transpose()?;
        // An answers file may answer for everything that is declared.
        let evaluated: &[Selector] = if answers.is_some() { &[] } else { chosen };
        let context = Context::new(global, console)?;
        let run = context.open_with(evaluated, yes, answers)?;
        Ok((context, run))
    }

    /// Generates new values for what a recipient could read, or shows what that is.
    pub fn rotate(&self, run: &mut Run, rotation: RotateReadable<'_>, jobs: NonZeroUsize) -> Report {
        if self.dry_run { rotation.preview(run) } else { rotation.rotate(run, jobs) }
    }

    /// Generates, or shows what would be generated.
    pub fn generate(&self, run: &mut Run, chosen: &[Selector], change: Generate, jobs: NonZeroUsize) -> Report {
        if self.dry_run { preview(run, chosen, &change) } else { generate(run, chosen, &change, jobs) }
    }
}
