use artifacts_report::Report;

use super::{Base, Change};
use crate::agree::Tickets;

/// Holds a ticket for each step that was agreed to.
#[must_use]
pub struct Agreed<'r, C: Change> {
    pub(crate) base: Base<'r>,
    pub(crate) change: C,
    pub(crate) details: C::Details,
    pub(crate) tickets: Tickets,
}

impl<C: Change> Agreed<'_, C> {
    /// Returns whether a step is left.
    pub fn is_open(&self) -> bool {
        !self.base.progress.is_empty()
    }

    /// Gives the tickets back: nothing is written.
    pub fn give_up(mut self) -> Report {
        self.base.progress.abandon();
        self.base.take_failures();
        self.base.report
    }
}
