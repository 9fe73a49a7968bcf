//! What of another tool can be removed.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;
use artifacts_import::Proposal;
use artifacts_plan::InstanceState;
use artifacts_report::{InstanceRow, Report, RowAction};

/// Holds old options whose artifacts are all present.
#[derive(Default)]
pub struct StoredOptions {
    /// Those whose values are stored.
    pub removable: BTreeSet<String>,
    /// Those of which another value may be stored.
    pub uncompared: BTreeSet<String>,
}

impl StoredOptions {
    /// Finds them: a value is that of the old file if it was taken just now, or if the entry has the file as it is.
    pub fn new(proposal: &Proposal, report: &Report, held: &BTreeSet<InstanceName>) -> Self {
        let row = |name: &InstanceName| report.rows.get(name).filter(|row| row.state == InstanceState::Present);
        let is_taken = |row: &InstanceRow| row.done == Some(RowAction::Imported);
        let removable = proposal.replaced(|name| row(name).is_some_and(|row| is_taken(row) || held.contains(name)));
        let uncompared = &proposal.replaced(|name| row(name).is_some()) - &removable;
        Self { removable, uncompared }
    }
}
