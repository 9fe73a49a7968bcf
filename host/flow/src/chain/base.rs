//! What every stage carries on.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::Instance;
use artifacts_report::{RecipientChange, Report};
use artifacts_trust::AcceptedRecipients;

use crate::look::staged;
use crate::look::survey::Survey;
use crate::progress::Progress;
use crate::run::{Run, Selection};
use crate::tools::storages::StorageWriters;

/// Holds the run, the survey, the locks and the report of one chain.
pub struct Base<'r> {
    pub(crate) run: &'r mut Run,
    pub(crate) selection: Selection,
    pub(crate) survey: Survey,
    pub(crate) writers: StorageWriters,
    pub(crate) progress: Progress,
    pub(crate) report: Report,
}

impl Base<'_> {
    /// Surveys these instances again, after they were written.
    pub(crate) fn look_again(&mut self, names: &BTreeSet<InstanceName>) -> Survey {
        self.writers.remember(&mut self.run.tools);
        self.run.survey_instances(names)
    }

    /// Adds to the report who the recipients of these changes are, and those of its rows.
    pub(crate) fn name(&mut self, changes: &[RecipientChange], accepted: Option<&AcceptedRecipients>) {
        let names = self.survey.names(&self.run.tools, accepted);
        let mut known = names.of_changes(changes);
        known.extend(names.of(&self.report.recipient_keys()));
        self.report.names.extend(known);
    }

    /// Lets steps leave the chain that the admin does not want, and what depends on one: that is no failure, and they are not tried again
    /// in this run. Returns them, each with the dependency that it leaves for.
    pub(crate) fn skip(
        &mut self,
        is_skipped: impl Fn(&Run, &Instance) -> bool,
    ) -> BTreeMap<InstanceName, Option<InstanceName>> {
        let Base { run, progress, report, .. } = self;
        let skipped = progress.decline_chained(&run.instances, |instance| is_skipped(run, instance));
        for (name, dependency) in skipped.iter().filter_map(|(name, dependency)| Some((name, dependency.as_ref()?))) {
            if let Some(row) = report.rows.get_mut(name) {
                row.notes.push(format!("skipped: its dependency {dependency} is not generated in this run"));
            }
        }
        run.state.skipped.extend(skipped.keys().cloned());
        skipped
    }

    /// Takes failures of the steps into the report.
    pub(crate) fn take_failures(&mut self) {
        self.report.errors.extend(self.progress.take_failures());
    }

    /// Ends the chain: git is told of what was stored, what was not reached is named, and the locks go.
    pub(crate) fn finish(mut self) -> Report {
        self.take_failures();
        self.report.errors.extend(self.progress.unreached());
        self.run.tools.report_missing_layers();
        self.writers.remember(&mut self.run.tools);
        if !self.writers.is_idle() {
            let warnings = self.writers.stage(&self.run.tools);
            self.run.tools.report_staged(&warnings);
        }
        if !self.report.rows.is_empty() {
            staged::mark(self.run, &mut self.report);
        }
        self.report
    }
}
