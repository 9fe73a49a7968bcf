//! One time through everything that could be evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use artifacts_declared::InstanceName;
use artifacts_flow::{
    Consent, Event, Inputs, Plaintext, Readings, Step, Survey, Tools, Wanted, Work, Writers, Writing,
};
use artifacts_plan::{Instance, State};
use artifacts_prompt::AnswersFile;
use artifacts_report::{Done, Failure, Report};
use artifacts_text::{Explain, agreeing, counted, shell_word};
use artifacts_trust::AcceptedRecipients;

use super::questions::{ask, open_prompts, prompt_failure, questions, unanswered};
use super::{Options, Whole};
use crate::args::Global;
use crate::output::Output;
use crate::rooms::{Chosen, Run};
use crate::{blocked, consent, dry_run, person, staged, terminal, writing};

/// Of all but the first that lacks an answer.
const SAME_FILE: &str = "its answers belong into the same file";

/// What came of a pass.
#[derive(Debug, PartialEq, Eq)]
pub enum Made {
    /// Public files, which Nix can read from now on.
    NewValues,
    /// Nothing that an evaluation depends on.
    NoValues,
}

/// One pass.
pub struct Pass<'a> {
    pub options: &'a Options,
    pub run: &'a Run,
    pub global: &'a Global,
    pub output: &'a Output,
    pub chosen: &'a Chosen,
}

/// What there is to do, and what it was found to be.
struct Found {
    survey: Survey,
    steps: Vec<Step>,
    /// What cannot be made before another evaluation, and for which instance each waits.
    waiting: BTreeMap<InstanceName, InstanceName>,
}

impl Found {
    fn names(&self) -> BTreeSet<InstanceName> {
        self.steps.iter().map(|step| step.name.clone()).collect()
    }

    /// Whether another evaluation could make something else of it.
    fn is_open(&self, name: &InstanceName) -> bool {
        let error = self.survey.found.get(name).is_some_and(|found| matches!(found.state, State::Error(_)));
        error || self.waiting.contains_key(name)
    }
}

impl Pass<'_> {
    pub fn go(&self, whole: &mut Whole) -> Result<Made, Failure> {
        self.check_answers(whole)?;
        let mut tools = self.run.tools()?;
        let (mut found, mut writers) = self.look(&mut tools);
        tools.report_missing_layers();
        let mut report = self.rows(&found);
        if self.options.stale {
            self.run.add_hints(&mut tools, &found.survey, &mut report);
        }
        whole.looked(&found.survey);
        // What is agreed to from here on does not count as known before.
        let known = self.run.readers()?;
        if self.options.dry_run {
            self.describe(&tools, &mut found, &known, whole, &mut report)?;
            whole.take(report);
            return Ok(Made::NoValues);
        }
        let sought = found.names();
        let consent = self.admit(&mut tools, &mut found, &writers, &known, whole, &mut report)?;
        let made = self.make(&mut tools, &mut found, &consent, &mut writers, whole, &mut report)?;
        writing::tell_git(&tools, &mut writers, self.output);
        staged::note(self.run, &tools, &mut report);
        whole.settled.extend(self.chosen.names.iter().filter(|name| !found.is_open(name)).cloned());
        whole.failed.extend(sought.difference(&made).cloned());
        whole.take(report);
        let public = self.run.instances(&made).any(|instance| instance.public_files().next().is_some());
        Ok(if public { Made::NewValues } else { Made::NoValues })
    }

    /// The rows of what was chosen, and of what is made for it.
    fn rows(&self, found: &Found) -> Report {
        let names = self.chosen.names.union(&found.names()).cloned().collect();
        let mut report = self.run.rows(self.run.instances(&names), &found.survey);
        blocked::note(&found.waiting, &mut report);
        report
    }

    /// An answer to nothing is a mistake; but the questions of what is blocked are not known yet.
    fn check_answers(&self, whole: &Whole) -> Result<(), Failure> {
        let known = !self.run.is_in_part() && !self.run.instances.values().any(|instance| instance.blocked);
        match whole.answers.as_ref().filter(|_| known) {
            Some(answers) => answers.check_used(self.run.all_prompts()).map_err(|e| prompt_failure(&e)),
            None => Ok(()),
        }
    }

    fn look(&self, tools: &mut Tools) -> (Found, Writers) {
        let Self { options, run, chosen, .. } = *self;
        let reach = run.with_dependencies(&chosen.names);
        let wanted = Wanted { stale: options.stale, regenerate: options.regenerate };
        let look = |tools: &mut Tools| {
            let mut survey = artifacts_flow::survey(tools, &run.instances, &reach);
            let waiting = artifacts_flow::waiting(&run.instances, &run.ordered, &survey);
            let ready = chosen.names.iter().filter(|name| !waiting.contains_key(*name)).cloned().collect();
            let steps = artifacts_flow::steps(&run.instances, &run.ordered, &ready, &survey, wanted);
            survey.hold(&waiting, wanted);
            Found { survey, steps, waiting }
        };
        let found = look(tools);
        let left = |tools: &Tools| artifacts_flow::is_unstaged(tools, run.instances(&reach));
        if options.dry_run || (found.steps.is_empty() && !left(tools)) {
            // Nothing is written, not even a lock, when there is nothing to do.
            return (found, Writers::default());
        }
        // It is looked at again under the lock: what is found then holds until it is replaced.
        let writers = Writers::lock(tools, run.instances(&reach), &tools.storing.clone());
        (look(tools), writers)
    }

    /// What would be made, for whom, and what would be read for it.
    fn describe(
        &self,
        tools: &Tools,
        found: &mut Found,
        known: &AcceptedRecipients,
        whole: &Whole,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let Self { run, output, .. } = *self;
        self.keep_makeable(found, whole, report);
        let indexed = artifacts_flow::compare_index(tools, run.instances(&found.names())).by_name;
        self.keep(&mut found.steps, report, |instance| {
            artifacts_flow::index_fault(instance, indexed.get(&instance.name)?)
        });
        self.keep_new(tools, &mut found.steps, report)?;
        if self.global.no_input {
            self.keep_answered(&mut found.steps, whole.answers.as_ref(), report);
        }
        let would = found.names();
        let Found { survey, steps, .. } = found;
        consent::preview(run, report, run.instances(&would), survey, Plaintext::New)?;
        let asked = Readings::new(tools, known, &run.instances, survey, steps, &whole.inputs);
        report.readings = asked.unknown(run.trust())?;
        dry_run::describe(report, run, tools, survey, &would, Writing::All);
        self.tell_questions(steps, whole.answers.as_ref(), report);
        mark(report, steps, &|step| if step.again { Done::WouldMakeAgain } else { Done::WouldMake });
        dry_run::show(report, output);
        if !output.json() {
            output.painted(&artifacts_report::readings(&report.readings));
        }
        Ok(())
    }

    /// Leaves the steps that can be taken, agreed to and with all that they read; why not of the others is in the report.
    fn admit(
        &self,
        tools: &mut Tools,
        found: &mut Found,
        writers: &Writers,
        known: &AcceptedRecipients,
        whole: &mut Whole,
        report: &mut Report,
    ) -> Result<Consent, Failure> {
        let Self { run, global, output, .. } = *self;
        self.keep_makeable(found, whole, report);
        let Found { survey, steps, .. } = found;
        self.keep_new(tools, steps, report)?;
        self.keep(steps, report, |instance| writers.fault(instance, tools));
        self.may_replace(steps, whole, report)?;
        let names: BTreeSet<InstanceName> = steps.iter().map(|step| step.name.clone()).collect();
        let settled = consent::settle(run, global, output, run.instances(&names), survey, Plaintext::New, &[])?;
        let consent = settled.consent;
        (report.readers, report.recipients_digest) = (settled.changes, settled.digest);
        self.keep(steps, report, |instance| consent.fault(instance));
        let asked = Readings::new(tools, known, &run.instances, survey, steps, &whole.inputs);
        let (allowed, readings) = consent::readings(run, global, output, asked)?;
        report.readings = readings;
        whole.inputs.allow(allowed);
        self.keep(steps, report, |instance| whole.inputs.refusal(instance));
        whole.inputs.read(tools, &run.instances, survey, steps);
        self.keep(steps, report, |instance| whole.inputs.fault(instance));
        if global.no_input || person::terminal().is_none() {
            self.keep_answered(steps, whole.answers.as_ref(), report);
        }
        Ok(consent)
    }

    /// Whoever has everything made again is asked once, before what is stored is given up; whoever names it has said so.
    fn may_replace(&self, steps: &mut Vec<Step>, whole: &mut Whole, report: &mut Report) -> Result<(), Failure> {
        let Self { options, global, output, .. } = *self;
        let stored = steps.iter().filter(|step| step.again).count();
        let asks = options.regenerate && options.selectors.is_empty() && !options.yes && !whole.replaces;
        if !asks || stored == 0 {
            return Ok(());
        }
        let what = counted(stored, "stored instance");
        output.note(&format!("{what} would be made again, with new secrets in place of the old ones"));
        match terminal::confirm(global.no_input, "Replace them?")? {
            Some(true) => {
                whole.replaces = true;
                return Ok(());
            }
            Some(false) => output.note("nothing was replaced"),
            None => {
                let why = format!("there is nobody to ask whether {what} may be made again");
                let help = "`--dry-run` shows which; name those that are meant, or say `--yes`";
                report.errors.push(Failure::new("", why).hint(Some(help)));
            }
        }
        steps.clear();
        Ok(())
    }

    /// Leaves what is not certain to fail.
    fn keep_makeable(&self, found: &mut Found, whole: &Whole, report: &mut Report) {
        let run = self.run;
        let all = found.names();
        let Found { survey, steps, .. } = found;
        self.keep(steps, report, |instance| {
            let lies = survey.found.get(&instance.name).is_some_and(|found| found.fingerprint.is_some());
            let unknown = run.unknown_readers(instance).filter(|_| lies);
            let unmakeable = || artifacts_flow::unmakeable(instance, &run.instances, survey, &all, &whole.inputs);
            whole.fault(instance).or(unknown).or_else(unmakeable)
        });
    }

    /// Leaves what has no twin: where an entry that is no longer declared has the same files, an instance was renamed perhaps, and
    /// nobody makes a new value for it unasked. The same goes for an entry that was deleted and that git still has.
    fn keep_new(&self, tools: &Tools, steps: &mut Vec<Step>, report: &mut Report) -> Result<(), Failure> {
        let Self { options, run, global, output, .. } = *self;
        let new: BTreeSet<InstanceName> =
            steps.iter().filter(|step| !step.again).map(|step| step.name.clone()).collect();
        if options.yes || new.is_empty() {
            return Ok(());
        }
        let orphans = run.former(tools);
        let deleted = artifacts_flow::deleted(tools, run.instances(&new));
        let twin = |instance: &Instance| orphans.iter().find(|orphan| orphan.is_twin(instance));
        // Why, and what keeps the value.
        let old = |instance: &Instance| {
            if let Some(command) = deleted.get(&instance.name) {
                let why = "it was deleted, and git still has it".to_owned();
                return Some((why, format!("`{command}`")));
            }
            let old = twin(instance)?;
            let why = format!("`{}/{}` has the same files, and is no longer declared", old.storage, old.name);
            Some((why, "declare it under its old name again".to_owned()))
        };
        let twins: BTreeMap<InstanceName, (String, String)> =
            run.instances(&new).filter_map(|instance| Some((instance.name.clone(), old(instance)?))).collect();
        if twins.is_empty() {
            return Ok(());
        }
        if !options.dry_run {
            let asked = !global.no_input && person::terminal().is_some();
            for (name, (why, keep)) in twins.iter().filter(|_| asked) {
                output.note(&format!("{name}: {why}; keep: {keep}"));
            }
            if terminal::confirm(global.no_input, "Generate new values instead?")? == Some(true) {
                return Ok(());
            }
        }
        self.keep(steps, report, |instance| {
            let (why, keep) = twins.get(&instance.name)?;
            let why = format!("{why}: a new value would differ from the stored one");
            let name = shell_word(&instance.name.to_string());
            let help = format!("keep: {keep}; new value: `artifacts generate --yes {name}`");
            let backend = instance.backend.as_ref().map(ToString::to_string);
            Some(Failure::new(instance.name.to_string(), why).backend(backend).hint(Some(help)))
        });
        Ok(())
    }

    /// Notes what a person would be asked.
    fn tell_questions(&self, steps: &[Step], answers: Option<&AnswersFile>, report: &mut Report) {
        for instance in steps.iter().filter_map(|step| self.run.instances.get(&step.name)) {
            let open = open_prompts(instance, answers);
            let name = instance.name.to_string();
            let row = report.instances.iter_mut().find(|row| row.name == name);
            if let Some(row) = row.filter(|_| !open.is_empty()) {
                row.notes.push(format!("asks for {}", open.join(", ")));
            }
        }
    }

    /// Leaves what needs no answer, or has one, when there is nobody to ask.
    fn keep_answered(&self, steps: &mut Vec<Step>, answers: Option<&AnswersFile>, report: &mut Report) {
        // There is one file to fill in, for all of them.
        let mut file =
            artifacts_prompt::all_answered(&questions(self.run, steps), answers).err().and_then(|error| error.hint());
        self.keep(steps, report, |instance| {
            let failure = unanswered(instance, answers)?;
            Some(failure.hint(Some(file.take().unwrap_or_else(|| SAME_FILE.to_owned()))))
        });
    }

    fn keep(&self, steps: &mut Vec<Step>, report: &mut Report, fault: impl FnMut(&Instance) -> Option<Failure>) {
        let (fit, refused) = artifacts_flow::admit(std::mem::take(steps), &self.run.instances, fault);
        *steps = fit;
        report.errors.extend(refused);
    }

    /// Asks all questions, then makes. Returns what was made.
    fn make(
        &self,
        tools: &mut Tools,
        found: &mut Found,
        consent: &Consent,
        writers: &mut Writers,
        whole: &mut Whole,
        report: &mut Report,
    ) -> Result<BTreeSet<InstanceName>, Failure> {
        let Self { options, run, global, .. } = *self;
        let Found { survey, steps, .. } = found;
        if steps.is_empty() {
            return Ok(BTreeSet::new());
        }
        tools.generators.ready()?;
        let answers = &ask(run, steps, whole.answers.as_ref(), global.no_input)?;
        let work = Work { instances: &run.instances, survey, steps, answers, consent, jobs: options.jobs };
        let made = self.carry_out(tools, &work, &mut whole.inputs, writers, report);
        survey.made(&made, &run.instances);
        Run::note_strays(report, survey, &made);
        mark_made(report, steps, &made, survey);
        // What is among the chosen has a line of its own, and what was made has been made from it.
        let told = self.chosen.names.union(&made).cloned().collect();
        run.note_dependents(tools, report, &made, &told);
        Ok(made)
    }

    /// Failures go into the report. Returns what was made.
    fn carry_out(
        &self,
        tools: &mut Tools,
        work: &Work<'_>,
        inputs: &mut Inputs,
        writers: &mut Writers,
        report: &mut Report,
    ) -> BTreeSet<InstanceName> {
        let output = self.output;
        let mut made = BTreeSet::new();
        let mut published = BTreeMap::new();
        let again: BTreeSet<&InstanceName> =
            work.steps.iter().filter(|step| step.again).map(|step| &step.name).collect();
        let total = work.steps.len();
        let mut tell = |event: &Event<'_>| match event {
            Event::Begun(name) => output.progress(&format!("making {name}")),
            Event::Made { name, public } => {
                made.insert((*name).clone());
                output.progress(&format!("made {name} ({} of {total})", made.len()));
                // What is made for the first time changes nothing.
                if again.contains(*name) {
                    let label = name.to_string();
                    public.iter().for_each(|change| output.painted(&change.diff(&label)));
                }
                if !public.is_empty() {
                    published.insert((*name).clone(), public.to_vec());
                }
            }
            Event::Failed { name, output: said, .. } => {
                if let Some(said) = said {
                    self.show(name, said.expose());
                }
            }
        };
        report.errors.extend(artifacts_flow::make(tools, work, inputs, writers, &mut tell));
        for (name, files) in published {
            let name = name.to_string();
            report.instances.iter_mut().filter(|row| row.name == name).for_each(|row| row.files.clone_from(&files));
        }
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
            let _ = writeln!(stderr, "{}", artifacts_text::terminal_lines(&String::from_utf8_lossy(said)));
        } else {
            let (were, them) = (agreeing(said.len(), "was", "were"), agreeing(said.len(), "it", "them"));
            output.note(&format!(
                "{} {were} said while {name} was made, and may hold a secret; `--show-output` shows {them}",
                counted(said.len(), "byte"),
            ));
        }
    }
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
