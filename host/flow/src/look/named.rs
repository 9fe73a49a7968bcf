//! Names in what a survey found.

use artifacts_trust::AcceptedRecipients;

use super::names::{Names, changed, name_reasons};
use super::survey::Survey;
use crate::tools::Tools;

impl Survey {
    /// Tells whose the recipients are.
    pub(crate) fn names<'a>(&'a self, tools: &'a Tools, accepted: Option<&'a AcceptedRecipients>) -> Names<'a> {
        Names { declared: &tools.keys, labels: &self.labels, stored: &self.stored_labels, accepted }
    }

    /// Names in the reasons of what was found who joins and who leaves.
    pub(super) fn name_recipients(&mut self, tools: &Tools) {
        let keys = changed(self.found.values().map(|found| &found.state));
        if keys.is_empty() {
            return;
        }
        let accepted = tools.recipients().ok();
        let names = self.names(tools, accepted.as_ref()).of(&keys);
        self.found.values_mut().for_each(|found| name_reasons(&mut found.state, &names));
        self.recipient_names = names;
    }
}
