use std::time::Duration;

use artifacts_report::Report;

use super::change::sealed::{Plan, Planned};
use super::{Base, Change, Locked};
use crate::look::index::is_unstaged;
use crate::look::status;
use crate::look::survey::Survey;
use crate::progress::Progress;
use crate::run::{Run, Selection};
use crate::tools::storages::StorageWriters;

/// Holds what the selected instances were found to be. Nothing is locked.
#[must_use]
pub struct Surveyed<'r> {
    run: &'r mut Run,
    selection: Selection,
    survey: Survey,
}

impl Run {
    /// Surveys the selected instances: reads their entries and asks their backends. Writes nothing and needs no identity.
    pub fn survey(&mut self, selection: &Selection) -> Surveyed<'_> {
        let survey = self.survey_instances(&selection.names);
        Surveyed { run: self, selection: selection.clone(), survey }
    }
}

impl<'r> Surveyed<'r> {
    /// Returns what was found.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Returns what a change would do: no lock, no identity, no question.
    pub fn preview<C: Change>(mut self, change: &C) -> Report {
        self.complete(change);
        let plan = change.plan(self.run, &self.selection, &mut self.survey);
        self.run.tools.report_missing_layers();
        let report = change.begin(self.run, &self.selection, &self.survey, &plan);
        let (mut base, mut details) = self.base(change, plan, StorageWriters::default(), report);
        if let Err(failure) = change.describe(&mut base, &mut details) {
            base.progress.drop_all(failure);
        }
        base.take_failures();
        base.report.is_preview = true;
        base.report
    }

    /// Locks the storages, surveys again, and plans again: what is found then holds until it is replaced. Where there is nothing
    /// to do nothing is written, not even a lock.
    pub fn lock<C: Change>(mut self, change: C) -> Locked<'r, C> {
        self.complete(&change);
        let mut plan = change.plan(self.run, &self.selection, &mut self.survey);
        let mut writers = StorageWriters::default();
        let locks = change.locks(self.run, &self.selection);
        let has_work = !plan.steps.is_empty() || is_unstaged(&self.run.tools, self.run.among(&locks));
        if has_work && !locks.is_empty() {
            let Run { tools, instances, .. } = &mut *self.run;
            writers = StorageWriters::lock(tools, locks.iter().filter_map(|name| instances.get(name)));
            self.survey = self.run.survey_instances(&locks);
            plan = change.plan(self.run, &self.selection, &mut self.survey);
        }
        self.run.tools.report_missing_layers();
        let report = change.begin(self.run, &self.selection, &self.survey, &plan);
        let (base, details) = self.base(&change, plan, writers, report);
        Locked::new(base, change, details)
    }

    /// Returns the state of every selected instance, and what to do about it.
    pub fn finish(self) -> Report {
        status::report(self.run, &self.selection, self.survey, None)
    }

    /// Returns the same, where what expires within this time is work left.
    pub fn finish_within(self, within: Option<Duration>) -> Report {
        status::report(self.run, &self.selection, self.survey, within)
    }

    /// Returns what was found, and ends the chain.
    pub fn into_survey(self) -> Survey {
        self.run.tools.report_missing_layers();
        self.survey
    }

    /// Surveys what the selected instances depend on, where the change needs that.
    fn complete<C: Planned>(&mut self, change: &C) {
        if !change.reaches() {
            return;
        }
        let reach = self.run.with_dependencies(&self.selection.names);
        if reach.iter().any(|name| !self.survey.found.contains_key(name)) {
            self.survey = self.run.survey_instances(&reach);
        }
    }

    fn base<C: Planned>(
        self,
        change: &C,
        plan: Plan<C::Details>,
        writers: StorageWriters,
        report: Report,
    ) -> (Base<'r>, C::Details) {
        let Self { run, selection, survey } = self;
        let progress = Progress::new(plan.steps, plan.failures, run.tools.cancel.clone());
        let mut base = Base { run, selection, survey, writers, progress, report };
        if change.encrypts() {
            base.keep_encryptable();
        }
        (base, plan.details)
    }
}
