use artifacts_plan::Selector;
use artifacts_report::{Failure, counted};
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::blocked;
use crate::output::Output;
use crate::rooms::Run;

#[derive(Debug, Args)]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let run = Run::of(global, output, &selectors)?;
        let chosen = run.choose(&selectors);
        let mut rooms = run.rooms()?;
        let survey = artifacts_flow::survey(&mut rooms, &run.instances, &chosen.names);
        Run::warn_of_missing_walls(&rooms, output);
        for (backend, calls) in &survey.calls {
            output.detail(&format!("{backend}: {}", counted(*calls, "call")));
        }
        let mut report = run.report(&chosen, &survey);
        report.errors.extend(survey.errors);
        blocked::explain(&run, global, &mut report);
        let status = output.report(&report);
        if !output.json() {
            report.cures().iter().for_each(|cure| output.note(cure));
        }
        Ok(status)
    }
}
