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

    /// Ends their workers. Each is opened anew when it is needed next; one that could not be opened is not, and no one is asked again.
    fn close(&mut self);

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
    session: Lazy,
}

/// Starts a backend's first worker.
pub type StartSession = Box<dyn FnOnce() -> Result<Box<dyn Session>, Failure>>;

/// A session, which is started by the first call.
enum Lazy {
    /// It stores nothing on this machine.
    Elsewhere,
    Unstarted(StartSession),
    Started(Box<dyn Session>),
    Failed(Failure),
}

impl ReadyBackend {
    /// Holds a session, or none for a backend that stores nothing on this machine.
    pub fn new(terms: Terms, storage: String, session: Option<Box<dyn Session>>) -> Self {
        Self { terms, storage, session: session.map_or(Lazy::Elsewhere, Lazy::Started) }
    }

    /// Holds what is started by the first call.
    pub fn starting(terms: Terms, storage: String, start: StartSession) -> Self {
        Self { terms, storage, session: Lazy::Unstarted(start) }
    }

    /// Returns whether it can be called on this machine.
    pub fn is_here(&self) -> bool {
        !matches!(self.session, Lazy::Elsewhere)
    }

    /// Returns whether it could not be started.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.session, Lazy::Failed(_))
    }

    /// Returns the sandbox layers that its workers lacked, of all that were started so far.
    pub fn missing_layers(&self) -> Vec<SandboxLayer> {
        if let Lazy::Started(session) = &self.session { session.missing_layers() } else { Vec::new() }
    }

    /// Returns the session, started.
    ///
    /// # Errors
    /// When it cannot be started: now, or by an earlier call.
    pub(super) fn session(&mut self) -> Result<Option<(&mut dyn Session, &Terms)>, Failure> {
        self.session = match std::mem::replace(&mut self.session, Lazy::Elsewhere) {
            Lazy::Unstarted(start) => start().map_or_else(Lazy::Failed, Lazy::Started),
            other => other,
        };
        match &mut self.session {
            Lazy::Started(session) => Ok(Some((session.as_mut(), &self.terms))),
            Lazy::Failed(failure) => Err(failure.clone()),
            Lazy::Elsewhere | Lazy::Unstarted(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn the_first_call_starts_a_backend_once_and_a_failure_stays_one() {
        let starts = Rc::new(Cell::new(0));
        let counted = Rc::clone(&starts);
        let start = move || {
            counted.set(counted.get() + 1);
            Err(Failure::new("fake", "it does not start"))
        };
        let mut backend = ReadyBackend::starting(Terms::for_tests(), "secrets".to_owned(), Box::new(start));
        assert!(backend.is_here() && backend.missing_layers().is_empty());
        assert_eq!(starts.get(), 0);
        for _ in 0..2 {
            assert!(backend.session().is_err_and(|why| why.message == "it does not start"));
        }
        assert!(backend.has_failed());
        assert_eq!(starts.get(), 1);
    }
}
