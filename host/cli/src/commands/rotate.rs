use artifacts_flow::{Generate, Replaces, RotateReadable};
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
    /// Only outdated values: those that expired, or whose validation or dependencies changed
    #[arg(long)]
    stale: bool,
    /// Only values that WHO could read: a name under which this machine accepted a recipient, or a public key
    #[arg(long, value_name = "WHO", conflicts_with = "stale")]
    recipient: Option<String>,
    /// Decrypt old and current values, and say which are new since WHO could read them
    #[arg(long, requires = "recipient")]
    compare: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(super) generating: Generating,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let chosen = self.selectors.parsed();
        let Self { stale, yes, .. } = *self;
        if let Some(who) = &self.recipient {
            // What they could read may be anywhere.
            let (_context, mut run) = self.generating.open(global, console, &[], yes)?;
            let rotation = RotateReadable { who, selectors: &chosen, compares: self.compare, yes };
            return Ok(console.report(&self.generating.rotate(&mut run, rotation, global.jobs())));
        }
        let (_context, mut run) = self.generating.open(global, console, &chosen, yes)?;
        let replaces = if stale { Replaces::Outdated } else { Replaces::All };
        let change = Generate { replaces, yes, only_stored: true };
        Ok(console.report(&self.generating.generate(&mut run, &chosen, change, global.jobs())))
    }
}
