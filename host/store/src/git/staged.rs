//! How git's index has entries.

use std::collections::BTreeMap;

use super::Warning;

/// Describes how git's index has an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// The index has it as it is stored.
    Yes,
    /// The index does not have it, or with other content.
    No {
        /// Command that stages it.
        command: String,
    },
    /// The index does not have it, because git ignores it.
    Ignored {
        /// First ignored file, relative to the root.
        path: String,
        /// Command that stages it all the same.
        command: String,
    },
    /// The index has other bytes, because a filter has to run.
    Filtered {
        /// Command that runs the filter.
        command: String,
    },
    /// A merge left two versions.
    Conflict {
        /// Command that resolves it; the choice of `--ours` or `--theirs` is left open.
        command: String,
    },
    /// The working tree is sparse and holds nothing of it.
    Sparse,
    /// It belongs to a submodule that is not checked out, so its content is unknown.
    Submodule {
        /// Path of the submodule, relative to the root if it is below.
        path: String,
        /// Command that checks the submodule out.
        command: String,
    },
    /// The working tree holds nothing of it, and git still tracks it.
    Deleted {
        /// Command that restores it.
        command: String,
    },
}

impl Staged {
    /// Returns whether the index has the entry as it is stored.
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }

    /// Returns whether there is an entry to compare.
    pub fn is_stored(&self) -> bool {
        !matches!(self, Self::Sparse | Self::Submodule { .. } | Self::Deleted { .. })
    }
}

/// Reports what git's index has of entries.
#[derive(Debug, Default)]
pub struct IndexReport {
    /// Entries that are stored in a repository, by path relative to the root.
    pub entries: BTreeMap<String, Staged>,
    /// Tracked files below this program's own directories, with the command that removes each from the index: a push
    /// could have brought them.
    pub tracked: BTreeMap<String, String>,
    /// Reasons why something is unknown.
    pub warnings: Vec<Warning>,
}
