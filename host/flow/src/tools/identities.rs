use std::sync::Arc;

use artifacts_age::{Keyring, NoPrompter, Opener, Plugins};
use artifacts_report::Failure;

/// Holds the admin's identities: read when the first secret is to be decrypted, and not before.
///
/// They stay until the run ends, those under a passphrase unlocked, so that a person is asked once a run. What age plugins decrypted
/// is plaintext: it is wiped as soon as it was given out.
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

    /// Wipes what age plugins decrypted: it was given out.
    pub(crate) fn forget_decrypted(&mut self) {
        if let Some(Ok(ring)) = &mut self.ring {
            ring.forget_decrypted();
        }
    }

    /// Returns the identities themselves.
    pub(crate) fn ring(&mut self) -> Result<&mut Keyring, Failure> {
        let Self { load, ring } = self;
        ring.get_or_insert_with(|| load().map(Keyring::new)).as_mut().map_err(|failure| failure.clone())
    }
}
