use artifacts_flow::{EmptyTrash, Prune};
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Only entries that match: machine, user, artifact, instance or glob
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Empty the trash instead: remove what `restore` lists, for good
    #[arg(long)]
    trash: bool,
    /// Show what would be moved to the trash, or removed from it; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let context = Context::new(global, console)?;
        let mut run = context.open_with(&[], self.yes, None)?;
        let selection = if self.trash { run.select_emptied(&selectors) } else { run.select_orphans(&selectors) };
        let surveyed = run.survey(&selection);
        let report = match (self.trash, self.dry_run) {
            (true, true) => surveyed.preview(&EmptyTrash),
            (true, false) => surveyed.lock(EmptyTrash).agree().empty().finish(),
            (false, true) => surveyed.preview(&Prune),
            (false, false) => surveyed.lock(Prune).agree().remove().finish(),
        };
        Ok(console.report(&report))
    }
}
