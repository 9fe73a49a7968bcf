use std::ffi::OsString;

use artifacts_plan::Selector;
use artifacts_report::{Failure, RowFilter};
use artifacts_text::counted;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// Machine, user, artifact, instance or glob [default: all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// List everything, with backend, recipients and date
    #[arg(long)]
    all: bool,
}

/// The names of the command; under the last one it lists everything.
const NAMES: [&str; 3] = ["status", "check", "list"];

impl Options {
    /// Takes the name by which the command was called.
    pub fn typed_as(&mut self, typed: &[OsString]) {
        let name = typed.iter().skip(1).find(|word| NAMES.iter().any(|name| *word == name));
        self.all |= name.is_some_and(|name| name == "list");
    }

    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let context = Context::new(global, console)?;
        let mut run = context.open(&selectors)?;
        let selection = run.select(&selectors);
        let surveyed = run.survey(&selection);
        let calls = surveyed.survey().calls.clone();
        let report = surveyed.finish();
        console.details(calls.iter().map(|(backend, calls)| format!("{backend}: {}", counted(*calls, "call"))));
        Ok(console.status(&report, if self.all { RowFilter::All } else { RowFilter::Work }))
    }
}
