use artifacts_report::Failure;
use clap::Args;

use super::status;
use crate::console::Console;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Machine, user, artifact, instance or glob [default: all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        status::Options::of_all(self.selectors.clone()).run(global, console)
    }
}
