//! Text that a component wrote: never shown as it is.

use crate::{BackendFailure, FailureKind, LONGEST_KIND, LONGEST_MESSAGE};

/// Returns about `most` bytes of the text on one line, with what cannot be seen or turns a line around escaped.
pub fn escaped(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let shown = artifacts_text::terminal(text.get(..end).unwrap_or_default());
    let fits = shown.floor_char_boundary(most);
    if end == text.len() && fits == shown.len() {
        return shown.into_owned();
    }
    format!("{}…", shown.get(..fits).unwrap_or_default())
}

impl BackendFailure {
    /// Returns the failure of a component, made fit to be shown.
    #[must_use]
    pub fn escaped(self) -> Self {
        Self {
            kind: match self.kind {
                FailureKind::Other(kind) => FailureKind::Other(escaped(&kind, LONGEST_KIND)),
                known => known,
            },
            message: escaped(&self.message, LONGEST_MESSAGE),
            hint: self.hint.map(|hint| escaped(&hint, LONGEST_MESSAGE)),
        }
    }
}
