use artifacts_report::Report;

use super::Base;
use crate::progress::Tally;

/// Holds what was written.
#[must_use]
pub struct Written<'r> {
    base: Base<'r>,
}

impl<'r> Written<'r> {
    pub(crate) fn new(base: Base<'r>) -> Self {
        base.run.state.acceptances.stored(base.progress.done());
        Self { base }
    }

    /// Counts what became of the steps.
    pub fn tally(&self) -> Tally {
        self.base.progress.tally()
    }

    pub(crate) fn into_base(self) -> Base<'r> {
        self.base
    }

    /// Stages what was stored, gives the locks back, and returns the report.
    pub fn finish(self) -> Report {
        self.base.finish()
    }
}
