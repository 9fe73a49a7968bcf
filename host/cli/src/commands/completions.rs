use artifacts_report::Failure;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::completion::script;
use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {
    /// Shell to print the script for
    shell: Shell,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self, command: Command, console: &Console) -> Result<Exit, Failure> {
        console.line(script(self.shell, command).trim_end());
        Ok(Exit::DONE)
    }
}
