//! Commands that look at backends.

pub mod annotate;
pub mod explain;
pub mod inspect;
pub mod list;

use artifacts_report::Failure;
use clap::Subcommand;

use crate::exit::Exit;
use crate::global::Global;
use crate::output::Output;

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
    pub fn run(&self, global: &Global, output: &Output) -> Result<Exit, Failure> {
        match self {
            Self::Annotate(options) => options.run(output),
            Self::Explain(options) => options.run(global, output),
            Self::List(options) => options.run(global, output),
            Self::Inspect(options) => options.run(output),
        }
    }
}
