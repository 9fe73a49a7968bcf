use artifacts_flow::{Generate, Replaces};
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::exit::Exit;
use crate::generating::Generating;
use crate::global::Global;
use crate::selectors::Selectors;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// Do as `rotate --stale` as well
    #[arg(long, hide = true)]
    stale: bool,
    /// Do as `rotate` as well
    #[arg(long, hide = true)]
    regenerate: bool,
    /// Do not ask before generating a value that an orphaned entry may hold
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(super) generating: Generating,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let chosen = self.selectors.parsed();
        let (_context, mut run) = self.generating.open(global, console, &chosen, self.yes)?;
        let replaces = match (self.regenerate, self.stale) {
            (true, _) => Replaces::All,
            (false, true) => Replaces::Outdated,
            (false, false) => Replaces::Nothing,
        };
        let change = Generate { replaces, yes: self.yes, only_stored: false };
        Ok(console.report(&self.generating.generate(&mut run, &chosen, change, global.jobs())))
    }
}
