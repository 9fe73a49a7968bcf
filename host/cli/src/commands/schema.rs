use artifacts_report::Failure;
use clap::Args;

use crate::exit::Exit;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self, output: &Output) -> Result<Exit, Failure> {
        let text = serde_json::to_string_pretty(&artifacts_declared::schema())
            .map_err(|e| Failure::new("", format!("the schema cannot be written: {e}")))?;
        output.line(&text);
        Ok(Exit::DONE)
    }
}
