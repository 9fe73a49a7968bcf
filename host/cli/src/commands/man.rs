use artifacts_report::Failure;
use clap::{Args, CommandFactory as _};

use super::Status;
use crate::args::Cli;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self, output: &Output) -> Result<Status, Failure> {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|e| Failure::new("", format!("the page cannot be written: {e}")))?;
        output.line(String::from_utf8_lossy(&page).trim_end());
        Ok(Status::DONE)
    }
}
