//! Commands that look at backends.

pub mod annotate;
pub mod explain;
pub mod inspect;
pub mod list;

use artifacts_report::Failure;
use clap::Subcommand;

use crate::console::Console;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a manifest into a component
    Annotate(annotate::Options),
    /// Show a backend's grants and limits, and where each comes from
    Explain(explain::Options),
    /// List bundled and registered backends
    List(list::Options),
    /// Show a component's manifest, imports and exports without running it
    Inspect(inspect::Options),
}

impl Command {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        match self {
            Self::Annotate(options) => options.run(console),
            Self::Explain(options) => options.run(global, console),
            Self::List(options) => options.run(global, console),
            Self::Inspect(options) => options.run(console),
        }
    }
}
