use artifacts_report::Failure;
use clap::Args;

use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {}

impl Options {
    pub fn run(&self, console: &Console) -> Result<Exit, Failure> {
        let text = serde_json::to_string_pretty(&artifacts_declared::schema())
            .map_err(|e| Failure::new("", format!("cannot write the schema: {e}")))?;
        console.line(&text);
        Ok(Exit::DONE)
    }
}
