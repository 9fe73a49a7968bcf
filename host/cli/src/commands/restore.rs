use artifacts_flow::Restore;
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// What comes back, of each instance the newest entry: machine, user, artifact, instance or glob [default: none; list all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Time of the entry to restore, as the list shows it, or its beginning
    #[arg(long, value_name = "TIME", requires = "selectors")]
    at: Option<String>,
    /// Show what would be restored, and who can decrypt it; restore nothing
    #[arg(long, requires = "selectors")]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, requires = "selectors")]
    yes: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let mut run = context.open_with(&[], self.yes, None)?;
        if self.selectors.is_empty() {
            return Ok(console.trash(&run.list_trash()));
        }
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let selection = run.select_trashed(&selectors);
        let surveyed = run.survey(&selection);
        let restore = Restore { at: self.at.clone() };
        let report =
            if self.dry_run { surveyed.preview(&restore) } else { surveyed.lock(restore).agree().restore().finish() };
        Ok(console.report(&report))
    }
}
