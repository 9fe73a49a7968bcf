use crate::{Entry, Failure, Instance, Secret, State, bindings::artifacts::backend::age};

/// Lists the recipients of each declared file, both sorted.
pub type Recipients = Vec<(String, Vec<String>)>;

/// Holds the plaintext of one file. The bytes stay with the host; [`Secret`] is a handle.
pub struct Item {
    /// Name of the declared file.
    pub name: String,
    /// Handle of the plaintext.
    pub value: Secret,
}

/// Stores secrets.
pub trait Backend {
    /// Returns the recipients of each file. It is pure: the same instance gives the same answer, and no file is read.
    ///
    /// # Errors
    /// [`Failure::config`] if the configuration of the targets does not determine them.
    fn recipients(instance: &Instance) -> Result<Recipients, Failure>;

    /// Returns the state of the entry, which is read-only here. It is pure, and needs no key.
    ///
    /// # Errors
    /// If it cannot be determined. An error never leads to generation; a wrong [`State::Absent`] may.
    fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure>;

    /// Stores the given items in a private copy of the entry, keeps the other declared files unchanged and removes
    /// files that are no longer declared. Nothing is committed if it fails.
    ///
    /// # Errors
    /// If an item cannot be stored.
    fn serialize(instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), Failure>;
}

/// Reads back what the backend stored. Optional.
pub trait Retrieve: Backend {
    /// Returns the plaintexts of the named files only. The entry is read-only here. A file that is not decrypted may
    /// be decrypted by an age plugin, which the host asks once for all files that were requested; then it calls again.
    /// So request every file before you fail.
    ///
    /// # Errors
    /// [`Failure::corrupt`] if a file does not exist or is damaged; the errors of [`open`].
    fn retrieve(instance: &Instance, names: &[String], entry: &Entry) -> Result<Vec<Item>, Failure>;
}

/// Has the host encrypt a secret with age, armored or binary. Only while serializing, and only to recipients that
/// [`Backend::recipients`] gave for this instance: anything else ends the call.
///
/// # Errors
/// When a recipient is none, or its plugin fails.
pub fn seal(value: &Secret, recipients: &[String], armor: bool) -> Result<Vec<u8>, Failure> {
    age::seal(value, recipients, armor)
}

/// Lets the host decrypt an age file that it encrypted for this very instance. Only while retrieving, with the grant
/// `identities`: otherwise it ends the call.
///
/// # Errors
/// Of kind `no-identity` if no identity matches, `corrupt` if the file is damaged.
pub fn open(file: &[u8]) -> Result<Secret, Failure> {
    age::open(file)
}
