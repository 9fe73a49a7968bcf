use artifacts_report::Failure;
use clap::{Args, CommandFactory as _};

use super::Status;
use crate::args::Cli;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self) -> Result<Status, Failure> {
        clap_mangen::Man::new(Cli::command())
            .render(&mut std::io::stdout())
            .map_err(|e| Failure::new("", format!("the page cannot be written: {e}")))?;
        Ok(Status::DONE)
    }
}
