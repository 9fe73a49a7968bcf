use artifacts_report::Failure;
use clap::{Args, Command};

use crate::console::Console;
use crate::exit::Exit;
use crate::help;

#[derive(Debug, Args)]
pub struct Options {
    /// Command, or global, selectors, files, environment, backends or exit
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self, root: &Command, console: &Console) -> Result<Exit, Failure> {
        match help::about(root, &self.topic, console) {
            Ok(text) => console.line(text.trim_end()),
            Err(unknown) => {
                console.failures(&[unknown]);
                return Ok(Exit::USAGE);
            }
        }
        Ok(Exit::DONE)
    }
}
