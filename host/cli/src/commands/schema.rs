use artifacts_report::Failure;
use clap::{Args, ValueEnum};

use crate::console::Console;
use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct Options {
    /// Format to describe
    #[arg(value_enum, default_value_t)]
    format: PublishedFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum PublishedFormat {
    /// The declarations that Nix evaluates
    #[default]
    Spec,
    /// `receipt.json` in an entry
    Receipt,
    /// A line of the audit log
    Audit,
    /// What `status`, `generate` and other commands print with `--json`
    Report,
    /// What `doctor` prints with `--json`
    Doctor,
}

impl Options {
    pub fn run(&self, console: &Console) -> Result<Exit, Failure> {
        let schema = match self.format {
            PublishedFormat::Spec => artifacts_declared::schema(),
            PublishedFormat::Receipt => artifacts_store::receipt_schema(),
            PublishedFormat::Audit => artifacts_audit::line_schema(),
            PublishedFormat::Report => artifacts_report::schema(),
            PublishedFormat::Doctor => artifacts_report::checkup_schema(),
        };
        let text = serde_json::to_string_pretty(&schema)
            .map_err(|e| Failure::new("", format!("cannot write the schema: {e}")))?;
        console.line(&text);
        Ok(Exit::DONE)
    }
}
