use std::ffi::OsString;

use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::given_files::{self, FileVariable, GivenFiles};
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Machine, user, artifact, instance or glob
    #[arg(value_name = "SELECTOR", required_unless_present = "env")]
    selectors: Vec<String>,
    /// Set an environment variable to the content of a file, without its final newline; repeatable
    #[arg(long, value_name = "VAR=INSTANCE/FILE")]
    env: Vec<FileVariable>,
    /// Command to run, with its arguments
    #[arg(value_name = "CMD", last = true, required = true)]
    command: Vec<OsString>,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let chosen: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let context = Context::new(global, console)?;
        let mut run = context.open(&given_files::evaluated(&chosen, &self.env))?;
        let given = match GivenFiles::read(&mut run, &chosen, &self.env) {
            Ok(given) => given,
            Err(errors) => return Ok(console.errors(errors)),
        };
        // The command may run for days: no identity stays for so long.
        drop(run);
        let dir = given.write(context.ram())?;
        Ok(given.run(&self.command, &dir, context.environment()).unwrap_or_else(|(failure, status)| {
            console.failures(&[failure]);
            status
        }))
    }
}
