use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{InstanceView, SecretId};

/// Maps the clean names of an entry's stored files to their bytes.
pub type EntryFiles = BTreeMap<String, Vec<u8>>;

/// Says what the host wants of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Readers and state of many instances, each with its slice as it lies (empty when there is none). Pure, so one
    /// component instance may answer them all.
    Check(Vec<(InstanceView, EntryFiles)>),
    /// Writes items into a private copy of a slice.
    Serialize {
        /// Whose slice it is.
        instance: InstanceView,
        /// The slice as it lies.
        slice: EntryFiles,
        /// The plaintexts, as handles.
        items: Vec<ItemHandle>,
    },
    /// Reads named files back.
    Retrieve {
        /// Whose slice it is.
        instance: InstanceView,
        /// The slice as it lies.
        slice: EntryFiles,
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
