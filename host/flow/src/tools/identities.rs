use std::sync::Arc;

use artifacts_age::{Keyring, NoPrompter, OpenError, Opener, Plugins};
use artifacts_report::Failure;

/// Holds the admin's identities: read when the first secret is to be decrypted, and not before. Only what records that can read them.
///
/// They stay until the run ends, those under a passphrase unlocked, so that a person is asked once a run. What age plugins decrypted
/// is plaintext: it is wiped as soon as it was given out.
pub struct Identities {
    absence: Box<dyn Fn() -> Result<Option<OpenError>, Failure>>,
    load: Box<dyn Fn() -> Result<Opener, Failure>>,
    ring: Option<Result<Keyring, Failure>>,
}

impl Identities {
    /// Reads them with `load`, once. `absence` tells why there is none, as far as that is known without reading any and without
    /// running a program.
    pub fn new(
        absence: impl Fn() -> Result<Option<OpenError>, Failure> + 'static,
        load: impl Fn() -> Result<Opener, Failure> + 'static,
    ) -> Self {
        Self { absence: Box::new(absence), load: Box::new(load), ring: None }
    }

    /// Holds none: for what decrypts nothing.
    pub fn none() -> Self {
        let opener = || Opener::new(Arc::new(NoPrompter), Plugins::default());
        Self::new(move || Ok(opener().without_identity()), move || Ok(opener()))
    }

    /// Reads them again when they are needed next.
    pub(crate) fn forget(&mut self) {
        self.ring = None;
    }

    /// Wipes what age plugins decrypted: it was given out.
    pub(crate) fn forget_decrypted(&self) {
        if let Some(Ok(ring)) = &self.ring {
            ring.forget_decrypted();
        }
    }

    /// Returns why no file can be decrypted, if there is no identity at all. Reads none.
    pub(crate) fn absence(&self) -> Result<Option<OpenError>, Failure> {
        (self.absence)()
    }

    /// Returns whether a file is left that only a plugin may decrypt.
    pub(crate) fn is_left_for_plugins(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.as_ref().is_ok_and(Keyring::is_left_for_plugins))
    }

    /// Returns the identities themselves.
    pub(super) fn ring(&mut self) -> Result<&Keyring, Failure> {
        let Self { load, ring, .. } = self;
        ring.get_or_insert_with(|| load().map(Keyring::new)).as_ref().map_err(Failure::clone)
    }
}
