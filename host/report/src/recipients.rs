use std::collections::BTreeSet;

/// The recipient of a file that is not encrypted. No key and no name of a recipient is like it.
pub const EVERYONE: &str = "everyone (public file)";

/// Whom a file was encrypted to, and whom it would be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipientChange {
    /// The instance's name.
    pub instance: String,
    /// The file.
    pub file: String,
    /// The recipients that were agreed to.
    pub before: BTreeSet<String>,
    /// Those that it would have.
    pub after: BTreeSet<String>,
    /// Whether no recipient was accepted before for a secret of its targets.
    pub is_first: bool,
}
