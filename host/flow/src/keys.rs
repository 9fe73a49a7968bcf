use artifacts_age::{Keyring, NoPrompter, Opener, Plugins};
use artifacts_report::Failure;
use std::sync::Arc;

/// A person's private keys: read when the first secret is to be opened, and not before.
pub struct Keys {
    load: Box<dyn Fn() -> Result<Opener, Failure>>,
    ring: Option<Result<Keyring, Failure>>,
}

impl Keys {
    /// `load` reads them.
    pub fn new(load: impl Fn() -> Result<Opener, Failure> + 'static) -> Self {
        Self { load: Box::new(load), ring: None }
    }

    /// None at all: for what opens nothing.
    pub fn none() -> Self {
        Self::new(|| Ok(Opener::new(Arc::new(NoPrompter), Plugins::default())))
    }

    /// The keys themselves.
    pub(crate) fn ring(&mut self) -> Result<&mut Keyring, Failure> {
        let Self { load, ring } = self;
        ring.get_or_insert_with(|| load().map(Keyring::new)).as_mut().map_err(|failure| failure.clone())
    }
}
