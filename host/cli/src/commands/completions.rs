use artifacts_report::Failure;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Status;
use crate::args::Cli;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {
    /// The shell
    shell: Shell,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self, output: &Output) -> Result<Status, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "artifacts", &mut script);
        output.line(String::from_utf8_lossy(&script).trim_end());
        Ok(Status::DONE)
    }
}
