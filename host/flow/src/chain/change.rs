/// A change of what is stored: which steps it takes, and what it asks, is decided from a survey, once for a preview and once more
/// under the lock.
pub trait Change: sealed::Planned {}

impl<C: sealed::Planned> Change for C {}

pub(crate) mod sealed {
    use std::collections::BTreeSet;

    use artifacts_declared::InstanceName;
    use artifacts_report::{Failure, Report};

    use crate::agree::Tickets;
    use crate::chain::Base;
    use crate::look::steps::Step;
    use crate::look::survey::Survey;
    use crate::run::{Run, Selection};

    /// What each change decides; the stages do the rest.
    pub trait Planned: Sized {
        /// What the plan knows besides its steps.
        type Details: Default;

        /// Returns whether what the selected instances depend on is surveyed and locked, too.
        fn reaches(&self) -> bool {
            false
        }

        /// Returns whether its steps are encrypted here.
        fn encrypts(&self) -> bool {
            true
        }

        /// Returns the steps, and the failures that are foreseeable. Asks no one and writes nothing.
        fn plan(&self, run: &mut Run, selection: &Selection, survey: &mut Survey) -> Plan<Self::Details>;

        /// Begins the report: with rows as they were found, unless the change wants others or none.
        fn begin(&self, run: &mut Run, selection: &Selection, survey: &Survey, _: &Plan<Self::Details>) -> Report {
            run.found(selection, survey)
        }

        /// Adds to the report of a dry run what would be written and asked.
        ///
        /// # Errors
        /// When what was accepted cannot be read.
        fn describe(&self, base: &mut Base<'_>, details: &mut Self::Details) -> Result<(), Failure>;

        /// Asks the admin, stores the answers, and returns tickets for the steps that were agreed to.
        ///
        /// # Errors
        /// When nothing can be asked or stored: then nothing is written.
        fn ask(&mut self, base: &mut Base<'_>, details: &mut Self::Details) -> Result<Tickets, Failure>;

        /// Returns whose storages are locked before anyone is asked. A change that locks others after the answer looks again under
        /// that lock, by itself.
        fn locks(&self, run: &Run, selection: &Selection) -> BTreeSet<InstanceName> {
            if self.reaches() { run.with_dependencies(&selection.names) } else { selection.names.clone() }
        }
    }

    /// What a change would do.
    #[derive(Default)]
    pub struct Plan<D> {
        pub steps: Vec<Step>,
        pub failures: Vec<Failure>,
        pub details: D,
    }
}
