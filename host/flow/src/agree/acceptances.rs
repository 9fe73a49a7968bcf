use std::collections::BTreeSet;
use std::path::PathBuf;

use artifacts_declared::InstanceName;
use artifacts_trust::{Acceptance, AcceptedRecipients, Checkout};

/// Holds the recipients that were accepted in a run, and of which instances something was stored. When the run ends, on whichever way,
/// it takes back what nothing came of: otherwise it would be reported later that someone leaves who never joined.
#[derive(Default)]
pub struct Acceptances {
    run: Vec<Acceptance>,
    stored: BTreeSet<String>,
    place: Option<(PathBuf, Checkout)>,
}

impl Acceptances {
    /// Adds what was accepted just now.
    pub(crate) fn add(&mut self, acceptance: Option<Acceptance>, state: &PathBuf, checkout: &Checkout) {
        if let Some(acceptance) = acceptance {
            self.run.push(acceptance);
            self.place.get_or_insert_with(|| (state.clone(), checkout.clone()));
        }
    }

    /// Adds instances of which something was stored.
    pub(crate) fn stored<'a>(&mut self, names: impl IntoIterator<Item = &'a InstanceName>) {
        if self.place.is_some() {
            self.stored.extend(names.into_iter().map(ToString::to_string));
        }
    }
}

impl Drop for Acceptances {
    fn drop(&mut self) {
        let run = std::mem::take(&mut self.run);
        let Some((state, checkout)) = self.place.take().filter(|_| run.iter().any(|one| !one.is_used(&self.stored)))
        else {
            return;
        };
        // Where that fails, it stays accepted, as after a kill: no one gets access without having been shown.
        if let Ok(mut known) = AcceptedRecipients::open(state, checkout) {
            let _ = known.withdraw(run, &self.stored);
        }
    }
}
