use artifacts_report::Failure;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {
    /// Shell to print the script for
    shell: Shell,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self, mut command: Command, console: &Console) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "artifacts", &mut script);
        console.line(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::DONE)
    }
}
