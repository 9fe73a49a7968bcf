use artifacts_flow::Adopt;
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Machine, user, artifact, instance or glob [default: all]. An artifact that you name also counts as generated
    /// now, from its current declaration and dependencies
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Show what would be adopted; write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let context = Context::new(global, console)?;
        let mut run = context.open(&selectors)?;
        let selection = run.select(&selectors);
        let surveyed = run.survey(&selection);
        let report =
            if self.dry_run { surveyed.preview(&Adopt) } else { surveyed.lock(Adopt).agree().adopt().finish() };
        Ok(console.report(&report))
    }
}
