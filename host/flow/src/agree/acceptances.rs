use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use artifacts_declared::{InstanceName, Recipients};
use artifacts_trust::{AcceptedRecipients, Checkout};

/// Holds who was accepted in a run and joins when something is stored. When the run ends, on whichever way, it notes to whom nothing
/// was encrypted: otherwise it would be reported later that someone leaves who never joined.
#[derive(Default)]
pub struct Acceptances {
    joining: BTreeMap<String, Recipients>,
    place: Option<(PathBuf, Checkout)>,
}

impl Acceptances {
    /// Adds who joins each instance.
    pub(crate) fn add(&mut self, joining: BTreeMap<String, Recipients>, state: &Path, checkout: &Checkout) {
        if !joining.is_empty() {
            self.joining.extend(joining);
            self.place.get_or_insert_with(|| (state.to_owned(), checkout.clone()));
        }
    }

    /// Takes note of instances of which something was stored.
    pub(crate) fn stored<'a>(&mut self, names: impl IntoIterator<Item = &'a InstanceName>) {
        if !self.joining.is_empty() {
            names.into_iter().for_each(|name| drop(self.joining.remove(&name.to_string())));
        }
    }
}

impl Drop for Acceptances {
    fn drop(&mut self) {
        let joining = std::mem::take(&mut self.joining);
        let Some((state, checkout)) = self.place.take().filter(|_| !joining.is_empty()) else { return };
        // Where that fails, it is as after a kill: they are asked about once more when they are declared no more.
        if let Ok(mut known) = AcceptedRecipients::open(state, checkout) {
            let _ = known.leave_unused(joining);
        }
    }
}
