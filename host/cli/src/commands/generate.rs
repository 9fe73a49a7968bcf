use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use artifacts_flow::{Event, Inputs, Plaintext, Readings, Step, Survey, Wanted, Work, Writers};
use artifacts_plan::{Instance, Selector, State};
use artifacts_prompt::{Answers, Format, Question};
use artifacts_report::{Done, Failure, Report, Row, reader_changes};
use artifacts_spec::InstanceName;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::{Chosen, Run};
use crate::{blocked, bounded, consent, dry_run, person, writing};

/// The largest file of answers, in bytes.
const LARGEST: usize = 8 << 20;

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
        let evaluated: &[Selector] = if answers.is_some() { &[] } else { &selectors };
        let mut run = Run::of(global, output, evaluated)?;
        let mut whole = Whole { answers, ..Whole::default() };
        let declared = loop {
            let mut chosen = run.choose(&selectors);
            chosen.names.retain(|name| !whole.settled.contains(name));
            let declared = std::mem::take(&mut chosen.errors);
            let pass = Pass { options: self, run: &run, global, output };
            match pass.go(&chosen, &mut whole) {
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

/// What came of a pass.
#[derive(Debug, PartialEq, Eq)]
enum Made {
    /// Public files, which Nix can read from now on.
    NewValues,
    /// Nothing that an evaluation depends on.
    NoValues,
}

/// All passes together.
#[derive(Default)]
struct Whole {
    answers: Option<Answers>,
    report: Report,
    /// Whose turn is over.
    settled: BTreeSet<InstanceName>,
    failed: BTreeSet<InstanceName>,
    /// What was read and made so far, for what depends on it.
    inputs: Inputs,
}

impl Whole {
    fn is_blocked(&self) -> bool {
        self.report.instances.iter().any(|row| row.state == State::Blocked)
    }

    /// What failed once in a run is not tried again, even where something that could be evaluated only later depends on it.
    fn fault(&self, instance: &Instance) -> Option<Failure> {
        let again = || Failure::new(instance.name.to_string(), "it was not made before in this run");
        self.failed.contains(&instance.name).then(again)
    }

    /// Takes a pass' report in. A row of what was blocked before makes place for what became of it.
    fn take(&mut self, report: Report) {
        let new = |row: &Row| !report.instances.iter().any(|new| new.name == row.name);
        self.report.instances.retain(new);
        self.report.instances.extend(report.instances);
        self.report.instances.sort_by(|one, other| one.name.cmp(&other.name));
        self.report.errors.extend(report.errors);
        self.report.readers.extend(report.readers);
        self.report.readings.extend(report.readings);
    }
}

/// One time through everything that could be evaluated.
struct Pass<'a> {
    options: &'a Options,
    run: &'a Run,
    global: &'a Global,
    output: &'a Output,
}

impl Pass<'_> {
    fn go(&self, chosen: &Chosen, whole: &mut Whole) -> Result<Made, Failure> {
        let Self { options, run, global, output } = *self;
        // The questions of what is blocked are not known yet.
        let known = !run.is_in_part() && !run.instances.values().any(|instance| instance.blocked);
        if let Some(answers) = whole.answers.as_ref().filter(|_| known) {
            answers.check_used(run.all_prompts()).map_err(|e| prompt_failure(&e))?;
        }
        let mut rooms = run.rooms()?;
        let reach = run.with_dependencies(&chosen.names);
        let wanted = Wanted { stale: options.stale, regenerate: options.regenerate };
        let look = |rooms: &mut artifacts_flow::Rooms<'_>| {
            let survey = artifacts_flow::survey(rooms, &run.instances, &reach);
            let steps = artifacts_flow::steps(&run.instances, &run.ordered, &chosen.names, &survey, wanted);
            (survey, steps)
        };
        let (mut survey, mut steps) = look(&mut rooms);
        let mut writers = Writers::default();
        // Nothing is written, not even a lock, when there is nothing to do. Otherwise it is looked at again under the lock:
        // what is found then holds until it is replaced.
        if !options.dry_run && !steps.is_empty() {
            writers = Writers::lock(&rooms, run.instances(&reach), &writing::options(global, run));
            (survey, steps) = look(&mut rooms);
        }
        Run::warn_of_missing_walls(&rooms, output);

        let mut report = run.report(chosen, &survey);
        report.errors.extend(survey.errors.iter().cloned());
        let of_steps = |steps: &[Step]| steps.iter().map(|step| step.name.clone()).collect::<BTreeSet<_>>();
        // What is agreed to from here on does not count as known before.
        let known = run.readers()?;
        if options.dry_run {
            let would = of_steps(&steps);
            report.readers = consent::changes(run, run.instances(&would), &survey, Plaintext::New)?;
            let asked = Readings::new(&rooms, &known, &run.instances, &survey, &steps, &whole.inputs);
            report.readings = asked.unknown(&rooms, run.trust())?;
            dry_run::describe(&mut report, run, &survey, &would);
            mark(&mut report, &steps, &|step| if step.again { Done::WouldMakeAgain } else { Done::WouldMake });
            if !output.json() {
                output.painted(&reader_changes(&report.readers));
                output.painted(&artifacts_report::readings(&report.readings));
            }
            whole.take(report);
            return Ok(Made::NoValues);
        }
        let sought = of_steps(&steps);
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| {
            let lies = survey.found.get(&instance.name).is_some_and(|found| found.fingerprint.is_some());
            let unknown = run.unknown_readers(instance).filter(|_| lies);
            whole.fault(instance).or(unknown).or_else(|| writers.fault(instance, &rooms.registry))
        });
        report.errors.extend(refused);
        // Nobody is asked to agree to what cannot be made.
        if global.no_input || person::terminal().is_none() {
            artifacts_prompt::all_answered(&questions(run, &steps), whole.answers.as_ref())
                .map_err(|e| prompt_failure(&e))?;
        }
        let (consent, readers) =
            consent::settle(run, global, output, run.instances(&of_steps(&steps)), &survey, Plaintext::New, &[])?;
        report.readers = readers;
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| consent.fault(instance));
        report.errors.extend(refused);
        let asked = Readings::new(&rooms, &known, &run.instances, &survey, &steps, &whole.inputs);
        let (allowed, readings) = consent::readings(run, global, output, &rooms, asked)?;
        report.readings = readings;
        whole.inputs.allow(allowed);
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| whole.inputs.refusal(instance));
        report.errors.extend(refused);
        whole.inputs.read(&mut rooms, &run.instances, &steps);
        let (steps, refused) = artifacts_flow::admit(steps, &run.instances, |instance| whole.inputs.fault(instance));
        report.errors.extend(refused);
        let mut made = BTreeSet::new();
        if !steps.is_empty() {
            rooms.sandbox = Some(run.sandbox()?);
            let answered = ask(run, &steps, whole.answers.as_ref(), global.no_input)?;
            let work = Work {
                instances: &run.instances,
                survey: &survey,
                steps: &steps,
                answers: &answered,
                consent: &consent,
                jobs: options.jobs,
            };
            made = self.make(&mut rooms, &work, &mut whole.inputs, &mut writers, &mut report);
            survey.made(&made, &run.instances);
            mark_made(&mut report, &steps, &made, &survey);
            writing::tell_git(run, &writers, output);
        }
        let blocked = |name: &&InstanceName| run.instances.get(*name).is_some_and(|instance| instance.blocked);
        whole.settled.extend(chosen.names.iter().filter(|name| !blocked(name)).cloned());
        whole.failed.extend(sought.difference(&made).cloned());
        whole.take(report);
        let public = run.instances(&made).any(|instance| instance.public_files().next().is_some());
        Ok(if public { Made::NewValues } else { Made::NoValues })
    }

    /// Makes the work; failures go into the report. Returns what was made.
    fn make(
        &self,
        rooms: &mut artifacts_flow::Rooms<'_>,
        work: &Work<'_>,
        inputs: &mut Inputs,
        writers: &mut Writers,
        report: &mut Report,
    ) -> BTreeSet<InstanceName> {
        let output = self.output;
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
                    self.show(name, said.expose());
                }
            }
        };
        report.errors.extend(artifacts_flow::make(rooms, work, inputs, writers, &mut tell));
        made
    }

    /// What a generator said may hold a secret: it is shown to the person who asks for it, and nowhere else.
    fn show(&self, name: &InstanceName, said: &[u8]) {
        let output = self.output;
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
    let questions = questions(run, steps);
    let mut terminal = if no_input || questions.is_empty() { None } else { person::terminal() };
    artifacts_prompt::ask_all(&questions, answers, terminal.as_mut()).map_err(|e| prompt_failure(&e))
}

fn questions(run: &Run, steps: &[Step]) -> Vec<Question> {
    let instances = steps.iter().filter_map(|step| run.instances.get(&step.name));
    instances
        .flat_map(|instance| {
            instance.prompts.iter().map(|(name, prompt)| Question {
                instance: instance.name.clone(),
                prompt: name.clone(),
                description: prompt.description.clone(),
                kind: prompt.kind,
            })
        })
        .collect()
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
    let content = bounded::read(path, LARGEST).map_err(failed)?;
    let text = std::str::from_utf8(content.expose()).map_err(|_| failed(std::io::Error::other("they are no UTF-8")))?;
    let format = if path.extension().is_some_and(|e| e == "json") { Format::Json } else { Format::Toml };
    Answers::parse(text, format).map_err(|e| Failure::new(path.display().to_string(), e.to_string()).help(e.help()))
}
