use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use artifacts_declared::InstanceName;
use artifacts_flow::{Found, Orphan, Survey, Tools, Wanted};
use artifacts_plan::{Selector, State};
use artifacts_report::{Failure, Orphaned, Report};
use artifacts_text::counted;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::{blocked, staged};

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// So long before it expires, it is told.
const SOON: Duration = Duration::from_secs(14 * DAY);

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
        let mut tools = run.tools()?;
        let mut survey = artifacts_flow::survey(&mut tools, &run.instances, &chosen.names);
        let ages = ages(&run, &survey);
        let waiting = waiting(&run, &mut tools, &mut survey);
        survey.hold(&waiting, Wanted::default());
        tools.report_missing_layers();
        for (backend, calls) in &survey.calls {
            output.detail(&format!("{backend}: {}", counted(*calls, "call")));
        }
        let mut report = run.report(&chosen, &survey);
        report.errors.append(&mut survey.errors);
        run.add_hints(&mut tools, &survey, &mut report);
        Self::add_orphans(&run, &tools, &selectors, &mut report);
        blocked::note(&waiting, &mut report);
        for row in report.instances.iter_mut().filter(|row| row.state == State::Present) {
            row.notes.extend(ages.get(&row.name).map(|left| format!("expires in {left}")));
        }
        blocked::explain(&run, global, &mut report);
        staged::explain(&run, &tools, &mut report, output);
        let status = output.report(&report);
        if !output.json() {
            output.painted(&report.orphans());
            report.hints().iter().chain(report.orphan_hint().iter()).for_each(|hint| output.hint(hint));
        }
        Ok(status)
    }

    /// Entries that no declaration owns are work left.
    fn add_orphans(run: &Run, tools: &Tools, selectors: &[Selector], report: &mut Report) {
        let orphans = run.orphans(tools).found;
        let meant = |orphan: &&Orphan| selectors.is_empty() || selectors.iter().any(|s| s.matches(&orphan.name));
        // A second entry of what is declared is told of as an error.
        let unowned = orphans.iter().filter(|orphan| !run.instances.contains_key(&orphan.name));
        report.orphaned = unowned
            .filter(meant)
            .map(|orphan| Orphaned {
                name: orphan.name.to_string(),
                storage: orphan.storage.clone(),
                backend: orphan.backend.clone(),
            })
            .collect();
    }
}

/// How long there is left of what expires soon: within two weeks, and in the last tenth of its age.
fn ages(run: &Run, survey: &Survey) -> BTreeMap<String, String> {
    let left = |(name, found): (&InstanceName, &Found)| {
        let age = Duration::from_secs(run.instances.get(name)?.max_age?);
        let left = age.checked_sub(run.now().duration_since(found.receipt.as_ref()?.generated.system()).ok()?)?;
        let words = match left.as_secs() / DAY {
            0 => "less than a day".to_owned(),
            days => counted(days, "day"),
        };
        (left <= (age / 10).min(SOON)).then(|| (name.to_string(), words))
    };
    survey.found.iter().filter_map(left).collect()
}

/// What is absent and cannot be made yet, and what it waits for. Only what that depends on is looked at beyond what was chosen.
fn waiting(run: &Run, tools: &mut Tools, survey: &mut Survey) -> BTreeMap<InstanceName, InstanceName> {
    let absent = survey.found.iter().filter(|(_, found)| found.state == State::Absent);
    let absent: BTreeSet<InstanceName> = absent.map(|(name, _)| name.clone()).collect();
    if absent.is_empty() {
        return BTreeMap::new();
    }
    let mut reach = run.with_dependencies(&absent);
    reach.retain(|name| !survey.found.contains_key(name));
    survey.found.extend(artifacts_flow::survey(tools, &run.instances, &reach).found);
    artifacts_flow::waiting(&run.instances, &run.ordered, survey)
}
