//! The backends of a run, by their registered names.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Name, Registration};
use artifacts_report::Failure;
use artifacts_seam::SandboxLayer;

use artifacts_session::Session;

use super::session::Terms;

/// Opens backends. Each is opened once, when it is first needed; one that cannot be opened fails its instances and nothing else.
pub trait Backends {
    /// Returns an opened backend.
    ///
    /// # Errors
    /// When the name is unknown, or the component cannot be read, is not the registered one, or may not run.
    fn open(&mut self, name: &Name) -> Result<&mut ReadyBackend, Failure>;

    /// Returns the storage of a backend: a path relative to the root.
    ///
    /// # Errors
    /// When the name is unknown.
    fn storage(&self, name: &Name) -> Result<String, Failure>;

    /// Returns all known names, sorted.
    fn names(&self) -> Vec<Name>;

    /// Takes the registrations of another evaluation. Backends whose registration is the same stay open.
    fn register(&mut self, registrations: &BTreeMap<Name, Registration>);

    /// Opens each anew when it is needed next: one that could not be opened, and one that is no longer called since it timed out.
    fn retry(&mut self);

    /// Returns the sandbox layers that some worker of the open backends lacked.
    fn missing_layers(&self) -> BTreeSet<SandboxLayer>;
}

/// Holds a backend that is ready to be called, through [`super::Recorded`] alone.
pub struct ReadyBackend {
    /// What is known of it.
    pub terms: Terms,
    /// The directory below the root that holds its entries.
    pub storage: String,
    /// None where it stores nothing on this machine.
    session: Option<Box<dyn Session>>,
}

impl ReadyBackend {
    /// Holds a session, or none for a backend that stores nothing on this machine.
    pub fn new(terms: Terms, storage: String, session: Option<Box<dyn Session>>) -> Self {
        Self { terms, storage, session }
    }

    /// Returns whether it can be called on this machine.
    pub fn is_here(&self) -> bool {
        self.session.is_some()
    }

    /// Returns the sandbox layers that its workers lacked, of all that were started so far.
    pub fn missing_layers(&self) -> &[SandboxLayer] {
        self.session.as_ref().map_or(&[], |session| session.missing_layers())
    }

    pub(super) fn session(&mut self) -> Option<(&mut dyn Session, &Terms)> {
        let session = self.session.as_mut()?;
        Some((session.as_mut(), &self.terms))
    }
}
