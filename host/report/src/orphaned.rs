use crate::{Effect, Hint};

/// An entry that no declaration owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphaned {
    /// The name of its instance.
    pub name: String,
    /// The storage that it is in.
    pub storage: String,
    /// Who stored it, if that is known.
    pub backend: Option<String>,
    /// What to do about it.
    pub hint: Hint,
}

impl Orphaned {
    /// Creates one that is to be moved to the trash.
    pub fn new(name: String, storage: String, backend: Option<String>) -> Self {
        let hint = Hint::command(Effect::Trashes, ["artifacts", "prune", &name]);
        Self { name, storage, backend, hint }
    }
}
