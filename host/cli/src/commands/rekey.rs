use artifacts_flow::Rekey;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// Re-encrypt everything selected, even if nothing changed
    #[arg(long)]
    all: bool,
    /// Show what would be stored again, and for whom; decrypt and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors = self.selectors.parsed();
        let context = Context::new(global, console)?;
        let mut run = context.open(&selectors)?;
        let selection = run.select(&selectors);
        let surveyed = run.survey(&selection);
        let rekey = Rekey { all: self.all };
        let report =
            if self.dry_run { surveyed.preview(&rekey) } else { surveyed.lock(rekey).agree().rekey().finish() };
        Ok(console.report(&report))
    }
}
