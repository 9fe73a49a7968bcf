use artifacts_report::Failure;
use clap::{Args, Command};

use crate::exit::Exit;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self, command: Command, output: &Output) -> Result<Exit, Failure> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|e| Failure::new("", format!("the page cannot be written: {e}")))?;
        output.line(String::from_utf8_lossy(&page).trim_end());
        Ok(Exit::DONE)
    }
}
