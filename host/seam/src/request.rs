use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Instance, SecretId};

/// A slice's stored files: flat, clean names and their bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What the host wants of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Readers and state of many instances, each with its slice as it lies (empty when there is none). Pure, so one
    /// component instance may answer them all.
    Check(Vec<(Instance, Files)>),
    /// Writes items into a private copy of a slice.
    Serialize {
        /// Whose slice it is.
        instance: Instance,
        /// The slice as it lies.
        slice: Files,
        /// The plaintexts, as handles.
        items: Vec<Item>,
    },
    /// Reads named files back.
    Retrieve {
        /// Whose slice it is.
        instance: Instance,
        /// The slice as it lies.
        slice: Files,
        /// The files wanted.
        names: Vec<String>,
    },
}

/// One plaintext to store: a handle, never the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The file's name.
    pub name: String,
    /// The handle.
    pub secret: SecretId,
    /// Length of the plaintext in bytes.
    pub size: u64,
}
