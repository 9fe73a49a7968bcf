use crate::{Entry, Failure, Instance, Secret, State, bindings::artifacts::backend::age};

/// For each file the public recipients that it is encrypted to, both sorted.
pub type Recipients = Vec<(String, Vec<String>)>;

/// One plaintext with the name of its file. The bytes stay with the host; [`Secret`] is a handle.
pub struct Item {
    /// The file's name, as declared.
    pub name: String,
    /// The handle.
    pub value: Secret,
}

/// A way to store secrets.
pub trait Backend {
    /// Who reads which file. Pure: the same instance gives the same answer, and no file is looked at.
    ///
    /// # Errors
    /// [`Failure::config`] when the targets' configuration does not say.
    fn recipients(instance: &Instance) -> Result<Recipients, Failure>;

    /// What lies in the slice, which is read-only here. Pure, and without any key.
    ///
    /// # Errors
    /// When it cannot tell. An error never leads to generation; a wrong [`State::Absent`] might.
    fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure>;

    /// Stores the given items in a private copy of the slice, keeps the other declared files as they lie and removes what
    /// is no longer declared. Nothing is committed when it fails.
    ///
    /// # Errors
    /// When an item could not be stored.
    fn serialize(instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), Failure>;
}

/// A backend that can read back what it stored. Optional.
pub trait Retrieve: Backend {
    /// The named files only. The slice is read-only here. What is not opened may be by an age plugin, which the host asks
    /// once for all that was asked for, and then calls again: so ask for everything before giving up.
    ///
    /// # Errors
    /// [`Failure::corrupt`] when a file does not lie there or is damaged; whatever [`open`] gives.
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

/// Has the host decrypt an age file that it sealed for this very instance. Only while retrieving, with the grant
/// `identities`: anything else ends the call.
///
/// # Errors
/// Of kind `no-identity` when none opens it, `corrupt` when it is damaged.
pub fn open(file: &[u8]) -> Result<Secret, Failure> {
    age::open(file)
}
