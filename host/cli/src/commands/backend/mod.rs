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
    /// Show what a backend may do and use, and where each of it comes from
    Explain(explain::Options),
    /// List the registered and the bundled backends
    List(list::Options),
    /// Show what a component is and wants, without running it
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
