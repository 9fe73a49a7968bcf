use super::{Agreed, Base, Change};
use crate::agree::Tickets;

/// Holds the locks of the storages, and what was found under them. A change that asks before it locks has none yet.
#[must_use]
pub struct Locked<'r, C: Change> {
    base: Base<'r>,
    change: C,
    details: C::Details,
}

impl<'r, C: Change> Locked<'r, C> {
    pub(super) fn new(base: Base<'r>, change: C, details: C::Details) -> Self {
        Self { base, change, details }
    }

    /// Asks the admin, and stores what they accept. What cannot be asked or stored stops everything, and is reported once.
    pub fn agree(self) -> Agreed<'r, C> {
        let Self { mut base, mut change, mut details } = self;
        let tickets = if base.progress.is_empty() {
            Tickets::default()
        } else {
            change.ask(&mut base, &mut details).unwrap_or_else(|failure| {
                base.progress.drop_all(failure);
                Tickets::default()
            })
        };
        base.expect_encryption();
        Agreed { base, change, details, tickets }
    }
}
