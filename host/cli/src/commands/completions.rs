use artifacts_report::Failure;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {
    /// The shell
    shell: Shell,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self, mut command: Command, output: &Output) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "artifacts", &mut script);
        output.line(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::DONE)
    }
}
