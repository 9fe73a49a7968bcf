use crate::{Context, Entry, Failure, Instance, OpenError, Recipient, Secret, SerializeError, State};

/// Lists the recipients of each declared file.
pub type Recipients = Vec<(String, Vec<Recipient>)>;

/// Holds the plaintext of one file. The bytes stay with the host; [`Secret`] is a handle.
pub struct Item {
    /// Name of the declared file.
    pub name: String,
    /// Handle of the plaintext.
    pub value: Secret,
}

/// Holds what came of one file that was to be read back.
pub struct Answer {
    /// Name of the declared file.
    pub file: String,
    /// Handle of the plaintext, or why there is none.
    pub value: Result<Secret, OpenError>,
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
    fn check(context: &Context, instance: &Instance, entry: &Entry) -> Result<State, Failure>;

    /// Stores the given items in a private copy of the entry, keeps the other declared files unchanged and removes
    /// files that are no longer declared. Nothing is committed if it fails.
    ///
    /// # Errors
    /// [`SerializeError::NeedsAll`] if it needs the other files, too: the host reads them and calls again. Otherwise if an item
    /// cannot be stored.
    fn serialize(context: &Context, instance: &Instance, items: Vec<Item>, entry: &Entry)
    -> Result<(), SerializeError>;
}

/// Reads back what the backend stored. Optional.
pub trait Retrieve: Backend {
    /// Answers for each of the named files once, from the entry alone, which is read-only here: what is configured now may be something
    /// else. A file that no identity decrypts may be decrypted by an age plugin, which the host asks once for all files that were
    /// requested; then it calls again. So request every file, whatever came of the others.
    ///
    /// # Errors
    /// If it cannot answer for any file.
    fn retrieve(context: &Context, files: &[String], entry: &Entry) -> Result<Vec<Answer>, Failure>;
}
