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
    /// What to do about it, what keeps the value first.
    pub hints: Vec<Hint>,
}

impl Orphaned {
    /// Creates one that is to get another name, which may be known, or to be moved to the trash.
    pub fn new(name: String, storage: String, backend: Option<String>, new: Option<&str>) -> Self {
        let new = new.unwrap_or("NEW");
        let hints = vec![
            Hint::command(Effect::Keeps, ["artifacts", "rename", &name, new]),
            Hint::command(Effect::Trashes, ["artifacts", "prune", &name]),
        ];
        Self { name, storage, backend, hints }
    }
}
