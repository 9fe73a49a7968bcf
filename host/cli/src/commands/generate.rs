use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use artifacts_flow::{Event, Inputs, Step, Survey, Wanted, Work, Writers};
use artifacts_plan::Selector;
use artifacts_prompt::{Answers, Format, Question};
use artifacts_report::{Done, Failure, Report, reader_changes};
use artifacts_spec::InstanceName;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::{consent, dry_run, person, writing};

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
        let answers = self.answers.as_deref().map(read_answers).transpose()?;
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        // An answers file may answer for everything that is declared.
        let run = Run::of(global, output, if answers.is_some() { &[] } else { &selectors })?;
        if let Some(answers) = &answers {
            answers.check_used(run.all_prompts()).map_err(|e| prompt_failure(&e))?;
        }
        let chosen = run.choose(&selectors);
        let mut rooms = run.rooms()?;
        let reach = run.with_dependencies(&chosen.names);
        let wanted = Wanted { stale: self.stale, regenerate: self.regenerate };
        let look = |rooms: &mut artifacts_flow::Rooms<'_>| {
            let survey = artifacts_flow::survey(rooms, &run.instances, &reach);
            let steps = artifacts_flow::steps(&run.instances, &run.ordered, &chosen.names, &survey, wanted);
            (survey, steps)
        };
        let (mut survey, mut steps) = look(&mut rooms);
        let mut writers = Writers::default();
        // Nothing is written, not even a lock, when there is nothing to do. Otherwise it is looked at again under the lock:
        // what is found then holds until it is replaced.
        if !self.dry_run && !steps.is_empty() {
            writers = Writers::lock(&rooms, run.instances(&reach), &writing::options(global, &run));
            (survey, steps) = look(&mut rooms);
        }
        Run::warn_of_missing_walls(&rooms, output);

        let mut report = run.report(&chosen, &survey);
        report.errors.extend(survey.errors.iter().cloned());
        let of_steps = |steps: &[Step]| steps.iter().map(|step| step.name.clone()).collect::<BTreeSet<_>>();
        if self.dry_run {
            let would = of_steps(&steps);
            report.readers = consent::changes(&run, run.instances(&would), &survey)?;
            dry_run::describe(&mut report, &run, &survey, &would);
            mark(&mut report, &steps, &|step| if step.again { Done::WouldMakeAgain } else { Done::WouldMake });
            if !output.json() {
                output.painted(&reader_changes(&report.readers));
            }
            return Ok(output.report(&report));
        }
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| {
            let lies = survey.found.get(&instance.name).is_some_and(|found| found.fingerprint.is_some());
            let unknown = run.unknown_readers(instance).filter(|_| lies);
            unknown.or_else(|| writers.fault(instance, &rooms.registry))
        });
        report.errors.extend(refused);
        let sought = of_steps(&steps);
        let (consent, readers) = consent::settle(&run, global, output, run.instances(&sought), &survey, &[])?;
        report.readers = readers;
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| consent.fault(instance));
        report.errors.extend(refused);
        let inputs = Inputs::stored(&mut rooms, &run.instances, &steps);
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| inputs.fault(instance));
        report.errors.extend(refused);
        if !steps.is_empty() {
            rooms.sandbox = Some(run.sandbox()?);
            let answered = ask(&run, &steps, answers.as_ref(), global.no_input)?;
            let work = Work {
                instances: &run.instances,
                survey: &survey,
                steps: &steps,
                answers: &answered,
                consent: &consent,
                jobs: self.jobs,
            };
            let made = self.make(&mut rooms, &work, inputs, &mut writers, output, &mut report);
            survey.made(&made, &run.instances);
            mark_made(&mut report, &steps, &made, &survey);
            writing::tell_git(&run, &writers, output);
        }
        Ok(output.report(&report))
    }

    /// Makes the work; failures go into the report. Returns what was made.
    fn make(
        &self,
        rooms: &mut artifacts_flow::Rooms<'_>,
        work: &Work<'_>,
        inputs: Inputs,
        writers: &mut Writers,
        output: &Output,
        report: &mut Report,
    ) -> BTreeSet<InstanceName> {
        let mut made = BTreeSet::new();
        let total = work.steps.len();
        let mut tell = |event: &Event<'_>| match event {
            Event::Begun(name) => output.progress(&format!("making {name}")),
            Event::Made { name, public } => {
                made.insert((*name).clone());
                output.progress(&format!("made {name} ({} of {total})", made.len()));
                output.painted(public);
            }
            Event::Failed { name, output: said, .. } => {
                if let Some(said) = said {
                    self.show(name, said.expose(), output);
                }
            }
        };
        report.errors.extend(artifacts_flow::make(rooms, work, inputs, writers, &mut tell));
        made
    }

    /// What a generator said may hold a secret: it is shown to the person who asks for it, and nowhere else.
    fn show(&self, name: &InstanceName, said: &[u8], output: &Output) {
        if said.is_empty() {
            return;
        }
        if output.secrets_too {
            output.note(&format!("what was said while {name} was made:"));
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "{}", artifacts_report::escaped(&String::from_utf8_lossy(said)));
        } else {
            output.note(&format!(
                "{} bytes were said while {name} was made, and may hold a secret; `--show-output` shows them",
                said.len(),
            ));
        }
    }
}

/// All questions of all that is made, before anything is made.
fn ask(
    run: &Run,
    steps: &[Step],
    answers: Option<&Answers>,
    no_input: bool,
) -> Result<artifacts_flow::Answers, Failure> {
    let instances = steps.iter().filter_map(|step| run.instances.get(&step.name));
    let questions: Vec<Question> = instances
        .flat_map(|instance| {
            instance.prompts.iter().map(|(name, prompt)| Question {
                instance: instance.name.clone(),
                prompt: name.clone(),
                description: prompt.description.clone(),
                kind: prompt.kind,
            })
        })
        .collect();
    let mut terminal = if no_input || questions.is_empty() { None } else { person::terminal() };
    artifacts_prompt::ask_all(&questions, answers, terminal.as_mut()).map_err(|e| prompt_failure(&e))
}

fn mark(report: &mut Report, steps: &[Step], done: &dyn Fn(&Step) -> Done) {
    for step in steps {
        let name = step.name.to_string();
        if let Some(row) = report.instances.iter_mut().find(|row| row.name == name) {
            row.done = Some(done(step));
        }
    }
}

fn mark_made(report: &mut Report, steps: &[Step], made: &BTreeSet<InstanceName>, survey: &Survey) {
    let steps: Vec<Step> = steps.iter().filter(|step| made.contains(&step.name)).cloned().collect();
    mark(report, &steps, &|step| if step.again { Done::MadeAgain } else { Done::Made });
    report.update(&survey.states());
}

fn prompt_failure(error: &artifacts_prompt::Error) -> Failure {
    Failure::new("", error.to_string()).help(error.help())
}

fn read_answers(path: &Path) -> Result<Answers, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(path.display().to_string(), format!("the answers cannot be read: {e}"))
            .help(Some("name a file in TOML or JSON: instance, prompt, value"))
    };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let format = if path.extension().is_some_and(|e| e == "json") { Format::Json } else { Format::Toml };
    Answers::parse(&text, format).map_err(|e| Failure::new(path.display().to_string(), e.to_string()).help(e.help()))
}
