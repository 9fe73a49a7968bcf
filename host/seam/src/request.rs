use serde::{Deserialize, Serialize};

use crate::{CallContext, EntryFiles, InstanceView, SecretId};

/// Says what the host wants of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Asks for recipients and state of many instances, each with its entry as it is stored (empty where there is none). Pure, so
    /// one component instance may answer them all.
    Check(CallContext, Vec<(InstanceView, EntryFiles)>),
    /// Writes items into a private copy of an entry.
    Serialize {
        /// What holds for the whole call.
        context: CallContext,
        /// The instance that the entry is of.
        instance: InstanceView,
        /// The entry as it is stored.
        entry: EntryFiles,
        /// The plaintexts, as handles.
        items: Vec<ItemHandle>,
    },
    /// Reads named files back, from the entry alone.
    Retrieve {
        /// What holds for the whole call.
        context: CallContext,
        /// Name of the instance, for the record. The component is not told.
        instance: String,
        /// The entry as it is stored.
        entry: EntryFiles,
        /// The files wanted.
        names: Vec<String>,
    },
}

/// Refers to one plaintext to store: a handle, never the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemHandle {
    /// The file's name.
    pub name: String,
    /// The handle.
    pub secret: SecretId,
    /// Length of the plaintext in bytes.
    pub size: u64,
}
