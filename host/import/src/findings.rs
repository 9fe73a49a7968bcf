use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{FileFacts, FormRemark, FoundSecret, Remark};

/// Holds what was found of a tool.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Secrets, in order of their targets.
    pub secrets: Vec<FoundSecret>,
    /// What has no place.
    pub remarks: Vec<Remark>,
    /// What is to be known of secrets that not all forms of a target have alike.
    pub forms: Vec<FormRemark>,
    /// What the files say without a key.
    pub facts: BTreeMap<PathBuf, FileFacts>,
    /// Public keys that files are, or should be, encrypted to, where the tool declares them.
    pub recipients: BTreeMap<PathBuf, Vec<String>>,
}
