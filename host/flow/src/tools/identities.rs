use std::sync::Arc;

use artifacts_age::{Keyring, NoPrompter, Opener, Plugins};
use artifacts_report::Failure;

/// Holds the admin's identities: read when the first secret is to be decrypted, and not before.
pub struct Identities {
    load: Box<dyn Fn() -> Result<Opener, Failure>>,
    ring: Option<Result<Keyring, Failure>>,
}

impl Identities {
    /// Reads them with `load`, once.
    pub fn new(load: impl Fn() -> Result<Opener, Failure> + 'static) -> Self {
        Self { load: Box::new(load), ring: None }
    }

    /// Holds none: for what decrypts nothing.
    pub fn none() -> Self {
        Self::new(|| Ok(Opener::new(Arc::new(NoPrompter), Plugins::default())))
    }

    /// Reads them again when they are needed next.
    pub(crate) fn forget(&mut self) {
        self.ring = None;
    }

    /// Returns the identities themselves.
    pub(crate) fn ring(&mut self) -> Result<&mut Keyring, Failure> {
        let Self { load, ring } = self;
        ring.get_or_insert_with(|| load().map(Keyring::new)).as_mut().map_err(|failure| failure.clone())
    }
}
