use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_flow::{Adoption, Writers};
use artifacts_plan::Selector;
use artifacts_report::{Done, Failure, FileChange};
use artifacts_text::shell_word;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::{staged, writing};

#[derive(Debug, Args)]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all. An instance or artifact that is named
    /// is also accepted as valid, as new, and as made from its dependencies as they are
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Show what would be accepted, and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let run = Run::of(global, output, &selectors)?;
        let chosen = run.choose(&selectors);
        let reach = run.with_dependencies(&chosen.names);
        let mut tools = run.tools()?;
        let look = |tools: &mut artifacts_flow::Tools| {
            let survey = artifacts_flow::survey(tools, &run.instances, &reach);
            let named = |name: &InstanceName| selectors.iter().any(|selector| selector.names(name));
            let (adoptions, refused) = artifacts_flow::adoptions(tools, &survey, run.instances(&chosen.names), named);
            (survey, adoptions, refused)
        };
        let (mut survey, mut adoptions, mut errors) = look(&mut tools);
        let mut done = Done::WouldAdopt;
        let mut files = of(&adoptions);
        let mut names: BTreeSet<InstanceName> = adoptions.iter().map(|adoption| adoption.name.clone()).collect();
        if !self.dry_run && !adoptions.is_empty() {
            // Again under the lock: what is shown is what is accepted.
            let mut writers = Writers::lock(&tools, run.instances(&chosen.names), &tools.storing.clone());
            (_, adoptions, errors) = look(&mut tools);
            show(&adoptions, output);
            files = of(&adoptions);
            let (adopted, failed) = artifacts_flow::adopt(&mut tools, &mut writers, &run.instances, adoptions);
            writing::tell_git(&tools, &mut writers, output);
            errors.extend(failed);
            (done, names) = (Done::Adopted, adopted);
            survey = artifacts_flow::survey(&mut tools, &run.instances, &reach);
        } else {
            show(&adoptions, output);
        }
        tools.report_missing_layers();
        let mut report = run.report(&chosen, &survey);
        report.errors.extend(survey.errors);
        report.errors.extend(errors);
        staged::note(&run, &tools, &mut report);
        for row in &mut report.instances {
            if let Some(name) = names.iter().find(|name| name.to_string() == row.name) {
                row.done = Some(done);
                row.files = files.remove(name).unwrap_or_default();
            }
        }
        Ok(output.report(&report))
    }
}

/// What the files of each become.
fn of(adoptions: &[Adoption]) -> BTreeMap<InstanceName, Vec<FileChange>> {
    adoptions.iter().map(|adoption| (adoption.name.clone(), adoption.files.clone())).collect()
}

/// What the person accepts.
fn show(adoptions: &[Adoption], output: &Output) {
    for Adoption { name, differences, headers, new_headers, unread, miscounted, other_recipients, .. } in adoptions {
        let keys = match (headers.len(), new_headers) {
            (0, _) => "no age file in it".to_owned(),
            (1, 0) => "the age file in it is known".to_owned(),
            (1, _) => "the age file in it is new, and is opened for it from now on".to_owned(),
            (all, 0) => format!("the {all} age files in it are known"),
            (all, 1) => format!("of {all} age files in it one is new, and is opened for it from now on"),
            (all, new) => format!("of {all} age files in it {new} are new, and are opened for it from now on"),
        };
        output.note(&format!("{name}:"));
        let readers = (*unread && !headers.is_empty()).then(|| {
            let word = shell_word(&name.to_string());
            let who = if *miscounted {
                "who reads it is not known, and they are not as many as are declared"
            } else {
                "who reads it is not known"
            };
            format!("{who}; `artifacts rekey --all {word}` encrypts it to the declared readers")
        });
        for line in differences.iter().chain([&keys]).chain(&readers).chain(other_recipients) {
            output.note(&format!("  {line}"));
        }
    }
}
