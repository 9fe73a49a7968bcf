use artifacts_declared::Recipients;
use artifacts_seam::{EntryFiles, InstanceView, Secret};

use crate::{Decrypted, Openable};

/// Holds what a backend is asked to write.
pub struct SerializeCall<'a> {
    /// The instance as the backend sees it.
    pub instance: InstanceView,
    /// The backend's files of the entry that is replaced.
    pub files: EntryFiles,
    /// The secret files, by declared name.
    pub secrets: &'a [(String, Secret)],
    /// The recipients of each file, as the backend itself named them.
    pub recipients: &'a Recipients,
    /// What was decrypted of the entry, where its values are written again.
    pub decrypted: &'a Decrypted,
}

/// Holds what a backend is asked to read.
pub struct RetrieveCall<'a> {
    /// The instance. The backend is not told which one: it reads from the entry alone.
    pub instance: InstanceView,
    /// The backend's files of the entry.
    pub files: &'a EntryFiles,
    /// The declared names of the secret files.
    pub names: &'a [String],
    /// The age headers that may be decrypted, each with the declared files that it is for.
    pub openable: &'a Openable,
}
