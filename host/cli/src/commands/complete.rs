use std::ffi::OsString;

use artifacts_report::Failure;
use clap::{Args, Command};

use crate::completion::{CompletedShell, complete};
use crate::console::Console;
use crate::environment::Environment;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {
    /// Shell that asks
    shell: CompletedShell,
    /// What the shell passes of the command line
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Options {
    #[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
    pub fn run(&self, command: Command, console: &Console) -> Result<Exit, Failure> {
        let passed: Vec<String> = self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let directory = Environment::read().cache().map(|cache| cache.join("evaluations"));
        console.line(&complete(self.shell, &passed, command, directory.as_deref()).join("\n"));
        Ok(Exit::DONE)
    }
}
