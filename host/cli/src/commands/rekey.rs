use artifacts_flow::Rekey;
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Encrypt everything anew that is stored, not only what has other readers now
    #[arg(long)]
    all: bool,
    /// Show what would be encrypted anew and to whom, and open and write nothing
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
        let rekey = Rekey { all: self.all };
        let report =
            if self.dry_run { surveyed.preview(&rekey) } else { surveyed.lock(rekey).agree().rekey().finish() };
        Ok(console.report(&report))
    }
}
