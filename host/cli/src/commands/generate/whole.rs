//! All passes together.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_flow::{Inputs, Survey};
use artifacts_plan::{Instance, State};
use artifacts_prompt::AnswersFile;
use artifacts_report::{Failure, Report, Row};

/// What the passes had to work with and what came of them.
#[derive(Default)]
pub struct Whole {
    pub answers: Option<AnswersFile>,
    pub report: Report,
    /// What could not be told.
    pub unclear: Vec<Failure>,
    /// Whether the person agreed that everything is made again.
    pub replaces: bool,
    /// Whose turn is over.
    pub settled: BTreeSet<InstanceName>,
    pub failed: BTreeSet<InstanceName>,
    /// What was read and made so far, for what depends on it.
    pub inputs: Inputs,
}

impl Whole {
    /// Whether another evaluation could change anything: something is blocked, or could not be told.
    pub fn is_open(&self) -> bool {
        !self.unclear.is_empty() || self.report.instances.iter().any(|row| row.state == State::Blocked)
    }

    /// What a later look finds takes the place of what an earlier one did.
    pub fn looked(&mut self, survey: &Survey) {
        let again: BTreeSet<String> = survey.found.keys().map(ToString::to_string).collect();
        self.unclear.retain(|failure| !again.contains(&failure.subject));
        self.unclear.extend(survey.errors.iter().cloned());
    }

    /// The report of it all, with what is wrong with the declarations by now.
    pub fn end(self, declared: Vec<Failure>) -> Report {
        let errors = declared.into_iter().chain(self.unclear).chain(self.report.errors).collect();
        Report { errors, ..self.report }
    }

    /// What failed once in a run is not tried again, even where something that could be evaluated only later depends on it.
    pub fn fault(&self, instance: &Instance) -> Option<Failure> {
        let again = || Failure::new(instance.name.to_string(), "it was not made before in this run");
        self.failed.contains(&instance.name).then(again)
    }

    /// Takes a pass' report in. A row of what was blocked before makes place for what became of it.
    pub fn take(&mut self, report: Report) {
        let new = |row: &Row| !report.instances.iter().any(|new| new.name == row.name);
        self.report.instances.retain(new);
        self.report.instances.extend(report.instances);
        self.report.instances.sort_by(|one, other| one.name.cmp(&other.name));
        self.report.errors.extend(report.errors);
        self.report.readers.extend(report.readers);
        self.report.recipients_digest = report.recipients_digest.or(self.report.recipients_digest.take());
        self.report.readings.extend(report.readings);
    }
}
