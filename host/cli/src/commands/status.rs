use std::time::Duration;

use artifacts_audit::parse_length;
use artifacts_report::{Failure, RowFilter};
use artifacts_text::counted;
use clap::Args;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// List everything, with backend, recipients and date
    #[arg(long)]
    all: bool,
    /// Also list what expires within this time, such as `30d` or `12h`, and exit with 3 if anything does
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    within: Option<Duration>,
    /// Read every file and ask backends about everything, also about what did not change since
    #[arg(long)]
    no_memo: bool,
}

impl Options {
    /// Lists everything of these.
    pub fn of_all(selectors: Selectors) -> Self {
        Self { selectors, all: true, within: None, no_memo: false }
    }

    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors = self.selectors.parsed();
        let context = Context::new(global, console)?;
        let mut run = context.open_to_look(&selectors, self.no_memo)?;
        let selection = run.select(&selectors);
        let surveyed = run.survey(&selection);
        let calls = surveyed.survey().calls.clone();
        let report = surveyed.finish_within(self.within);
        console.details(calls.iter().map(|(backend, calls)| format!("{backend}: {}", counted(*calls, "call"))));
        Ok(console.status(&report, if self.all { RowFilter::All } else { RowFilter::Work }))
    }
}
