//! New content of one instance on its way into the storage.

use artifacts_backend::Checks;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{CallError, Checked, Files, Secret, State};
use artifacts_spec::Name;
use artifacts_store::{BackendId, NewSlice, Receipt, ReceiptState, Slice, Writer};

use crate::audit::{self, Ended};
use crate::{Consent, Found, Rooms, Writers, failure, receipt};

/// A failure, with what the generator said, which may hold a secret.
pub(crate) struct Stopped {
    pub failure: Failure,
    pub output: Option<Box<Secret>>,
    /// The backend cannot write some files of an instance without the others.
    pub needs_all: bool,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { failure, output: None, needs_all: false }
    }
}

/// One instance that is written, as it was found, and whom it may be encrypted to.
#[derive(Clone, Copy)]
pub(crate) struct Storing<'a> {
    pub instance: &'a Instance,
    pub found: &'a Found,
    pub consent: &'a Consent,
}

/// What a backend made of an instance's secrets.
pub(crate) struct Stored {
    pub files: Files,
    /// SHA-256, in hex, of the headers that the host sealed on the way.
    pub sealed: Vec<String>,
    pub backend: BackendId,
}

impl Storing<'_> {
    /// The slice as it lies: what is to be replaced.
    pub fn slice(&self, rooms: &Rooms<'_>, writers: &Writers) -> Result<Option<Slice>, Failure> {
        let writer = self.writer(rooms, writers)?;
        writer.storage().read(&self.instance.name).map_err(|e| self.failed(&e))
    }

    /// Has the backend write secret files into a copy of the slice. A backend is not asked to store nothing.
    pub fn serialize(
        &self,
        rooms: &mut Rooms<'_>,
        slice: Option<Slice>,
        secrets: &[(String, Secret)],
    ) -> Result<Stored, Stopped> {
        let Self { instance, found, consent } = self;
        consent.covers(instance, found)?;
        let name = self.backend()?;
        let opened = rooms.registry.open(name, &rooms.nix)?;
        let backend = receipt::backend_id(instance, name, &opened.component)?;
        if secrets.is_empty() {
            return Ok(Stored { files: Files::new(), sealed: Vec::new(), backend });
        }
        let running =
            opened.backend.as_mut().ok_or_else(|| failure::of(instance, "its backend stores nothing here"))?;
        let ended = running.serialize(instance.told.clone(), own_files(slice, name), secrets, &found.readers);
        let names = vec![instance.name.to_string()];
        let unrecorded = audit::note(&mut rooms.audit, name, opened, names, Ended::from(&ended), rooms.now);
        if let Some(unrecorded) = unrecorded {
            return Err(unrecorded.into());
        }
        let serialized = ended.map_err(|stopped| Stopped {
            needs_all: matches!(&stopped.error, CallError::Failed(failure) if failure.kind == "needs-all"),
            ..failure::not_serialized(instance, &stopped).into()
        })?;
        if let Some(running) = opened.backend.as_mut() {
            let checks = running.check(vec![(instance.told.clone(), serialized.files.clone())]);
            let ended = Ended::from(&checks).after_plaintext(serialized.saw_plaintext);
            let names = vec![instance.name.to_string()];
            if let Some(unrecorded) = audit::note(&mut rooms.audit, name, opened, names, ended, rooms.now) {
                return Err(unrecorded.into());
            }
            let partial = secrets.len() < instance.secret_files().count();
            holds(checks, instance, found, &serialized.files, partial)?;
        }
        rooms.remember(instance, serialized.sealed.iter().cloned())?;
        Ok(Stored { files: serialized.files, sealed: serialized.sealed, backend })
    }

    /// Exchanges the slice.
    pub fn commit(
        &self,
        rooms: &Rooms<'_>,
        writers: &mut Writers,
        files: Files,
        public: Files,
        receipt: Receipt,
    ) -> Result<(), Failure> {
        let new = NewSlice { files, public, receipt, replaces: self.found.fingerprint };
        let committed = self.writer(rooms, writers)?.commit(new).map_err(|e| self.failed(&e))?;
        writers.wrote(committed.path);
        Ok(())
    }

    fn backend(&self) -> Result<&Name, Failure> {
        self.instance.backend.as_ref().ok_or_else(|| failure::of(self.instance, "it has no backend"))
    }

    fn writer<'w>(&self, rooms: &Rooms<'_>, writers: &'w Writers) -> Result<&'w Writer, Failure> {
        let storage = rooms.registry.storage(self.backend()?)?;
        writers.of(&storage).ok_or_else(|| failure::of(self.instance, format!("storage {storage} is not locked")))
    }

    fn failed(&self, error: &artifacts_store::Error) -> Failure {
        failure::of(self.instance, error.to_string()).help(error.help())
    }
}

/// The backend's own files of a slice. What another backend stored is none of its business, and goes with the old slice.
fn own_files(slice: Option<Slice>, backend: &Name) -> Files {
    match slice {
        Some(slice) => match &slice.receipt {
            ReceiptState::Valid(receipt) if receipt.backend.name != *backend => Files::new(),
            _ => slice.files,
        },
        None => Files::new(),
    }
}

/// A new slice takes the old one's place only when its own backend, asked anew, calls it present for the same readers. Where
/// some of its files were there before, they may be what is wrong with it.
fn holds(mut checks: Checks, instance: &Instance, found: &Found, files: &Files, partial: bool) -> Result<(), Failure> {
    let answer = checks.answers.pop();
    let present = |checked: &Checked| checked.state == State::Present && checked.readers == found.readers;
    match answer {
        Some(Ok(checked)) if !files.is_empty() && present(&checked) => Ok(()),
        Some(Ok(Checked { state: State::Stale(_), .. })) if partial => {
            let name = failure::word(&instance.name);
            let help = format!(
                "nothing was changed; `artifacts status {name}` tells what else is not as declared; set what is missing, or \
                 make all of it anew: `artifacts generate --stale {name}`"
            );
            Err(failure::of(instance, "with this file alone it is not whole").help(Some(help)))
        }
        _ => Err(failure::of(instance, "its backend stored something that it does not call present itself")
            .help(Some("nothing was changed; report this to the backend's author"))),
    }
}
