//! To whom nothing can be encrypted: told before anyone is asked anything, and by a dry run, too.

use std::collections::BTreeSet;

use artifacts_age::RecipientPlugins;
use artifacts_plan::Instance;
use artifacts_report::Failure;

use super::survey::SurveyedInstance;
use crate::chain::Base;
use crate::failure;

/// Why an instance cannot be encrypted here: it has a recipient whose plugin may not run, or is not there.
pub(crate) fn unencryptable(
    plugins: &RecipientPlugins,
    instance: &Instance,
    found: &SurveyedInstance,
) -> Option<Failure> {
    let missing = plugins.check(found.recipients.of_all_files()).err()?;
    Some(failure::about(instance, missing))
}

impl Base<'_> {
    /// Leaves the steps that can be encrypted.
    pub(crate) fn keep_encryptable(&mut self) {
        let Self { run, survey, progress, .. } = self;
        progress.keep_chained(&run.instances, |instance| {
            unencryptable(&run.tools.plugins, instance, survey.found.get(&instance.name)?)
        });
    }

    /// Says to the plugins of recipients which files are going to be encrypted.
    pub(crate) fn expect_encryption(&self) {
        let steps = self.progress.steps();
        let found = steps.iter().filter_map(|step| self.survey.found.get(&step.name));
        let files: Vec<&BTreeSet<String>> =
            found.flat_map(|found| found.recipients.iter().map(|(_, of_file)| of_file)).collect();
        self.run.tools.plugins.expect(files);
    }
}
