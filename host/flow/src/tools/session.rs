//! A backend as this crate sees it: three calls, and what is known of it before the first one.

use artifacts_age::Keyring;
use artifacts_backend::{CallFailed, Checks, Openable, Readers, Retrieved, Serialized};
use artifacts_contract::{Component, Grants, Persists};
use artifacts_seam::Limits;
use artifacts_seam::{EntryFiles, InstanceView, Secret};

/// Calls one backend. The real one runs a component in a sandboxed worker.
pub trait Session {
    /// Returns recipients and state of each instance, with its entry as it is stored; empty where there is none.
    fn check(&mut self, batch: Vec<(InstanceView, EntryFiles)>) -> Checks;

    /// Writes secret files into a copy of the entry.
    ///
    /// # Errors
    /// When the backend fails, breaks the contract, or gives back what cannot be an entry.
    #[allow(clippy::result_large_err, reason = "a call that fails is told whole, and is no hot path")]
    fn serialize(&mut self, call: SerializeCall<'_>) -> Result<Serialized, CallFailed>;

    /// Reads secret files back.
    ///
    /// # Errors
    /// When the backend fails, breaks the contract, or asks for what it may not have.
    #[allow(clippy::result_large_err, reason = "a call that fails is told whole, and is no hot path")]
    fn retrieve(&mut self, call: RetrieveCall<'_>) -> Result<Retrieved, CallFailed>;
}

/// Holds what a backend is asked to write.
pub struct SerializeCall<'a> {
    /// The instance as the backend sees it.
    pub instance: InstanceView,
    /// The backend's files of the entry that is replaced.
    pub files: EntryFiles,
    /// The secret files, by declared name.
    pub secrets: &'a [(String, Secret)],
    /// The recipients of each file, as the backend itself named them.
    pub recipients: &'a Readers,
}

/// Holds what a backend is asked to read.
pub struct RetrieveCall<'a> {
    /// The instance as the backend sees it.
    pub instance: InstanceView,
    /// The backend's files of the entry.
    pub files: &'a EntryFiles,
    /// The declared names of the secret files.
    pub names: &'a [String],
    /// The age headers that may be decrypted, each with the declared files that it is for.
    pub openable: &'a Openable,
    /// The admin's identities.
    pub identities: &'a mut Keyring,
}

/// Holds what is known of a backend without a call.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The component's own name.
    pub component: String,
    /// The component's version.
    pub version: String,
    /// SHA-256 of the component's bytes, in hex.
    pub sha256: String,
    /// Whether the component is inside the program.
    pub bundled: bool,
    /// Whether the component can read secrets back.
    pub retrieves: bool,
    /// Whether the component requests plaintext; if not, the host encrypts what it stores.
    pub requests_plaintext: bool,
    /// The effective grants.
    pub grants: Grants,
    /// How much a call may use.
    pub limits: Limits,
}

impl Terms {
    /// Returns those of a component that gets these grants and limits.
    pub fn new(component: &Component, bundled: bool, grants: Grants, limits: Limits) -> Self {
        let manifest = component.manifest();
        Self {
            component: manifest.name.clone(),
            version: manifest.version.clone(),
            sha256: component.sha256().to_owned(),
            bundled,
            retrieves: component.retrieves(),
            requests_plaintext: manifest.requests.plaintext,
            grants,
            limits,
        }
    }
}

/// Returns whether a component stores its entries here and not on the target.
pub(crate) fn stores_here(component: &Component) -> bool {
    component.manifest().persists == Persists::Storage
}
