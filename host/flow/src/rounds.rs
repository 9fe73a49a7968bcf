//! Generate, evaluate again, generate: what reads a public file can be evaluated once that is generated. A round is a whole chain,
//! and between two rounds no lock is held.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use artifacts_declared::InstanceName;
use artifacts_plan::{InstanceState, Selector};
use artifacts_report::{Failure, Report};

use crate::chain::Written;
use crate::look::blocked;
use crate::look::steps::Replaces;
use crate::run::{Run, Selection};
use crate::tools::{DeclaredPrompt, Question, RunEvent};
use crate::work::generate::Generate;
use crate::work::prompts;

/// Returns what would be generated.
pub fn preview(run: &mut Run, selectors: &[Selector], change: &Generate) -> Report {
    let faults = answer_faults(run);
    let selection = select(run, selectors, *change);
    let mut report = run.survey(&selection).preview(change);
    blocked::explain(run, &mut report);
    report.add_errors(faults);
    report
}

/// Generates in rounds, up to `jobs` generators at once, until another evaluation could change nothing.
pub fn generate(run: &mut Run, selectors: &[Selector], change: &Generate, jobs: NonZeroUsize) -> Report {
    let mut whole = Whole::default();
    let declared = loop {
        let selection = select(run, selectors, *change);
        whole.faults = answer_faults(run);
        let round = Round::new(run.survey(&selection).lock(*change).agree().generate(jobs));
        whole.take(round);
        if whole.has_another_try(run) {
            continue;
        }
        if !std::mem::take(&mut whole.is_published)
            || !(whole.is_open() || run.is_in_part() || !selection.errors.is_empty())
        {
            blocked::explain(run, &mut whole.report);
            break selection.errors;
        }
        if run.is_canceled() {
            let why = "interrupted before the second evaluation; the generated public files are stored";
            whole.report.errors.push(Failure::new("", why).hint(Some("run the command again to continue")));
            break selection.errors;
        }
        // What reads a public value that did not exist can be evaluated now, and what was wrong without it is right.
        run.tools.operator.notify(&RunEvent::EvaluatingAgain);
        if let Err(failure) = run.evaluate_again() {
            whole.report.errors.push(failure);
            break selection.errors;
        }
    };
    whole.end(declared)
}

/// What replaces values takes no selector that may mean another thing.
fn select(run: &Run, selectors: &[Selector], change: Generate) -> Selection {
    if change.replaces == Replaces::Nothing { run.select(selectors) } else { run.select_strictly(selectors) }
}

/// Finds all that is wrong with prepared answers, before anything is asked or generated. What has a wrong answer is not generated. An
/// answer to nothing is a mistake; but the prompts of what is blocked are not known yet.
fn answer_faults(run: &mut Run) -> Vec<Failure> {
    let are_all = !run.is_in_part() && !run.instances.values().any(|instance| instance.artifact.blocked);
    let prompts = run.instances.values();
    let prompts =
        prompts.flat_map(|one| one.artifact.prompts.iter().map(move |(name, prompt)| (&one.name, name, prompt)));
    let prompts: Vec<DeclaredPrompt<'_>> = prompts.collect();
    let faults = run.tools.operator.answer_faults(&prompts, are_all);
    let wrong = faults.iter().rev().filter_map(|(name, failure)| Some((name.clone()?, failure.clone())));
    run.state.wrong_answers = wrong.collect();
    faults.into_iter().map(|(_, failure)| failure).collect()
}

/// Holds what came of one round.
struct Round {
    report: Report,
    /// What could not be determined.
    unclear: Vec<Failure>,
    surveyed: BTreeSet<InstanceName>,
    /// Whether public files were generated, which can be evaluated from now on.
    is_published: bool,
}

impl Round {
    fn new(written: Written<'_>) -> Self {
        let base = written.into_base();
        let generated = base.progress.done();
        let is_published = base.run.among(generated).any(|instance| instance.public_files().next().is_some());
        let unclear = base.survey.errors.clone();
        let surveyed = base.survey.found.keys().cloned().collect();
        let before = base.selection.errors.len() + unclear.len();
        let mut report = base.finish();
        // They come from the last round that knows them.
        report.errors.drain(..before.min(report.errors.len()));
        Self { report, unclear, surveyed, is_published }
    }
}

/// Holds what came of all rounds.
#[derive(Default)]
struct Whole {
    report: Report,
    unclear: Vec<Failure>,
    /// What is wrong with prepared answers.
    faults: Vec<Failure>,
    /// Whether public files were generated since the last evaluation.
    is_published: bool,
    /// What failed and is not tried again.
    given_up: BTreeSet<InstanceName>,
}

impl Whole {
    /// Whether another evaluation could change anything: something is blocked, or could not be determined.
    fn is_open(&self) -> bool {
        !self.unclear.is_empty() || self.report.rows.values().any(|row| row.state == InstanceState::Blocked)
    }

    /// Takes a round in. What a later one finds takes the place of what an earlier one did.
    fn take(&mut self, round: Round) {
        let Round { report, unclear, surveyed, is_published } = round;
        self.is_published |= is_published;
        let again: BTreeSet<String> = surveyed.iter().map(ToString::to_string).collect();
        self.unclear.retain(|failure| !again.contains(&failure.subject));
        self.unclear.extend(unclear);
        self.report.merge(report);
    }

    /// Offers another try at what failed although a person answered its prompts: an answer may be what was wrong. All answers stay; what
    /// they enter takes the place of theirs. Returns whether there is another try.
    fn has_another_try(&mut self, run: &mut Run) -> bool {
        let mut answered = prompts::answered_failures(run);
        answered.retain(|name| !self.given_up.contains(name));
        let subjects: BTreeSet<String> = answered.iter().map(ToString::to_string).collect();
        let failures = self.report.errors.iter().filter(|failure| subjects.contains(&failure.subject));
        let failures: Vec<Failure> = failures.cloned().collect();
        let question = Question::TryAgain(&failures);
        if failures.is_empty() || run.is_canceled() {
            return false;
        }
        if !run.tools.operator.confirm(&question).is_ok_and(|answer| answer.is_yes()) {
            self.given_up.extend(answered);
            return false;
        }
        let again: BTreeSet<String> = run.state.try_again(answered).iter().map(ToString::to_string).collect();
        self.report.errors.retain(|failure| !again.contains(&failure.subject));
        true
    }

    /// Returns the report of all rounds, with the configuration errors of the last one.
    fn end(self, declared: Vec<Failure>) -> Report {
        let errors = declared.into_iter().chain(self.unclear).chain(self.report.errors).collect();
        let mut report = Report { errors, ..self.report };
        report.add_errors(self.faults);
        report
    }
}
