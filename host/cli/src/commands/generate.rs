use std::num::NonZeroUsize;
use std::path::PathBuf;

use artifacts_flow::{Generate, generate, preview};
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::answers::read_answers;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::output::Output;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Also regenerate outdated values: those that expired, or whose validation or dependencies changed
    #[arg(long)]
    stale: bool,
    /// Generate everything again, whatever its state; the old values are replaced
    #[arg(long)]
    regenerate: bool,
    /// Do not ask before replacing all values, or before generating a value that an orphaned entry may hold
    #[arg(long)]
    yes: bool,
    /// Show what would be made, and ask and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Answers to prompts: TOML or JSON, instance, prompt, value; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) answers: Option<PathBuf>,
    /// How many generators may run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Exit, Failure> {
        let answers = self.answers.as_deref().map(read_answers).transpose()?;
        let chosen: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        // An answers file may answer for everything that is declared.
        let evaluated: &[Selector] = if answers.is_some() { &[] } else { &chosen };
        let context = Context::new(global, output)?;
        let run = &mut context.open_with(evaluated, self.yes, answers)?;
        let change = Generate { stale: self.stale, regenerate: self.regenerate, yes: self.yes };
        let jobs = NonZeroUsize::new(self.jobs).unwrap_or(NonZeroUsize::MIN);
        let report = if self.dry_run { preview(run, &chosen, &change) } else { generate(run, &chosen, &change, jobs) };
        let status = output.report(&report);
        if self.stale && !output.json() {
            // What is stale for another reason keeps its value, by another command.
            report.hints().iter().for_each(|hint| output.hint(hint));
        }
        Ok(status)
    }
}
