use artifacts_report::Failure;
use clap::{Args, Command};

use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self, command: Command, console: &Console) -> Result<Exit, Failure> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|e| Failure::new("", format!("cannot write the page: {e}")))?;
        console.line(String::from_utf8_lossy(&page).trim_end());
        Ok(Exit::DONE)
    }
}
