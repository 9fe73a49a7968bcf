use artifacts_report::Failure;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Status;
use crate::args::Cli;

#[derive(Debug, Args)]
pub struct Options {
    /// The shell
    shell: Shell,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self) -> Result<Status, Failure> {
        clap_complete::generate(self.shell, &mut Cli::command(), "artifacts", &mut std::io::stdout());
        Ok(Status::DONE)
    }
}
