mod pass;
mod questions;
mod whole;

use std::path::PathBuf;

use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

use self::pass::{Made, Pass};
use self::whole::Whole;
use super::Status;
use crate::args::Global;
use crate::blocked;
use crate::output::Output;
use crate::rooms::Run;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Also regenerate outdated values: those that expired, or whose validation or dependencies changed
    #[arg(long)]
    stale: bool,
    /// Generate everything again, whatever its state; the old values are replaced
    #[arg(long)]
    regenerate: bool,
    /// Do not ask before replacing all values, or before generating a value that an orphaned entry may hold
    #[arg(long)]
    yes: bool,
    /// Show what would be made, and ask and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Answers to prompts: TOML or JSON, instance, prompt, value
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// How many generators may run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let answers = self.answers.as_deref().map(questions::read_answers).transpose()?;
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        // An answers file may answer for everything that is declared.
        let evaluated: &[Selector] = if answers.is_some() { &[] } else { &selectors };
        let mut run = Run::of(global, output, evaluated)?;
        let mut whole = Whole { answers, ..Whole::default() };
        let declared = loop {
            let mut chosen = run.choose(&selectors);
            chosen.names.retain(|name| !whole.settled.contains(name));
            let declared = std::mem::take(&mut chosen.errors);
            let pass = Pass { options: self, run: &run, global, output, chosen: &chosen };
            match pass.go(&mut whole) {
                Ok(Made::NewValues) if whole.is_open() || run.is_in_part() || !declared.is_empty() => {}
                Ok(_) => {
                    blocked::explain(&run, global, &mut whole.report);
                    break declared;
                }
                Err(failure) if whole.report.instances.is_empty() => return Err(failure),
                Err(failure) => {
                    whole.report.errors.push(failure);
                    break declared;
                }
            }
            if run.is_ended() {
                let why = "the run was ended before it evaluated again, with the public files that it made";
                whole.report.errors.push(Failure::new("", why).hint(Some("run it again for the rest")));
                break declared;
            }
            // What reads a public value that was not there can be evaluated now, and what was wrong without it is right.
            output.progress("public files were made: evaluating again");
            match run.again(global, evaluated) {
                Ok(next) => run = next,
                Err(failure) => {
                    whole.report.errors.push(failure);
                    break declared;
                }
            }
        };
        let report = whole.end(declared);
        let status = output.report(&report);
        if self.stale && !output.json() {
            // What is stale for another reason keeps its value, by another command.
            report.hints().iter().for_each(|hint| output.hint(hint));
        }
        Ok(status)
    }
}
