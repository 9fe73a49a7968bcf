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
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Make what is stale, too
    #[arg(long)]
    stale: bool,
    /// Make everything again, present or not; the old secrets are replaced
    #[arg(long)]
    regenerate: bool,
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
                Ok(Made::NewValues) if run.is_ended() => break declared,
                Ok(Made::NewValues) if whole.is_blocked() || run.is_in_part() => {}
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
            // What reads a public value that was not there can be evaluated now.
            output.progress("public files were made: evaluating again");
            match run.again(global, evaluated) {
                Ok(next) => run = next,
                Err(failure) => {
                    whole.report.errors.push(failure);
                    break declared;
                }
            }
        };
        whole.report.errors.splice(0..0, declared);
        Ok(output.report(&whole.report))
    }
}
