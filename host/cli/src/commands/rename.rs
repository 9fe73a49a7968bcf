use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Stored under this name: instance, machine or user
    #[arg(value_name = "OLD")]
    old: String,
    /// Declared under this name: instance, machine or user
    #[arg(value_name = "NEW")]
    new: String,
    /// Show what would be renamed, and who gains access; decrypt and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        // Whatever depends on the value may be anywhere.
        let mut run = context.open(&[])?;
        let (selection, rename) = run.select_renamed(&Selector::new(&self.old), &Selector::new(&self.new))?;
        let surveyed = run.survey(&selection);
        let report =
            if self.dry_run { surveyed.preview(&rename) } else { surveyed.lock(rename).agree().rename().finish() };
        Ok(console.report(&report))
    }
}
