use std::num::NonZeroUsize;
use std::path::PathBuf;

use artifacts_flow::{Generate, generate, preview};
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::answers::read_answers;
use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// Also regenerate outdated values: those that expired, or whose validation or dependencies changed
    #[arg(long)]
    stale: bool,
    /// Regenerate everything selected (new values)
    #[arg(long)]
    regenerate: bool,
    /// Do not ask before replacing all values, or before generating a value that an orphaned entry may hold
    #[arg(long)]
    yes: bool,
    /// Show what would be generated; write nothing and do not prompt
    #[arg(long)]
    dry_run: bool,
    /// Read answers to prompts from a TOML or JSON file; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
    /// Run up to N generators in parallel
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let answers = self.answers.as_deref().map(read_answers).transpose()?;
        let chosen = self.selectors.parsed();
        // An answers file may answer for everything that is declared.
        let evaluated: &[Selector] = if answers.is_some() { &[] } else { &chosen };
        let context = Context::new(global, console)?;
        let run = &mut context.open_with(evaluated, self.yes, answers)?;
        let change = Generate { stale: self.stale, regenerate: self.regenerate, yes: self.yes };
        let jobs = NonZeroUsize::new(self.jobs).unwrap_or(NonZeroUsize::MIN);
        let report = if self.dry_run { preview(run, &chosen, &change) } else { generate(run, &chosen, &change, jobs) };
        Ok(console.report(&report))
    }
}
