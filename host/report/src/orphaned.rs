use std::fmt::Write as _;

use artifacts_text::{agreeing, terminal};

use crate::{Effect, Hint, Report, hint_line};

/// An entry that no declaration owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphaned {
    /// The name of its instance.
    pub name: String,
    /// The storage that it is in.
    pub storage: String,
    /// Who stored it, if that is known.
    pub backend: Option<String>,
}

impl Orphaned {
    /// Returns what to do about it.
    pub(crate) fn hint(&self) -> Hint {
        Hint::command(Effect::Trashes, ["artifacts", "prune", &self.name])
    }
}

impl Report {
    /// The entries without an owner, a line each, and one that counts them; nothing of none.
    pub fn orphans(&self) -> String {
        let mut text = String::new();
        for Orphaned { name, storage, backend } in &self.orphaned {
            let backend = backend.as_deref().unwrap_or("-");
            let _ = writeln!(text, "orphaned  {}/{}  {backend}", terminal(storage), terminal(name));
        }
        if !self.orphaned.is_empty() {
            let count = self.orphaned.len();
            let _ = writeln!(text, "{count} {} orphaned: no longer declared", agreeing(count, "entry", "entries"));
        }
        text
    }

    /// What to do about entries without an owner.
    pub fn orphan_hint(&self) -> Option<String> {
        let names: Vec<&str> = self.orphaned.iter().map(|one| one.name.as_str()).collect();
        let line = hint_line(&[self.orphaned.first()?.hint()], &names)?;
        Some(format!("orphaned: declare them again, or move them to the trash: {line}"))
    }
}
