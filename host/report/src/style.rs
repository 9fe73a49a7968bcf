use std::sync::Arc;

use artifacts_plan::ShortNames;

/// How text for a person is rendered. Colors are always written; anyone who prints to no terminal takes them out again.
#[derive(Debug, Clone)]
pub struct Style {
    /// Columns; `usize::MAX` where nothing is wrapped.
    pub width: usize,
    /// The most lines that are shown of another program's text.
    pub foreign: usize,
    /// Whether every row and its details are shown.
    pub verbose: bool,
    /// How instances are named.
    pub names: Arc<ShortNames>,
}

/// What a command shows at its end: warnings and errors come between the two parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReportPage {
    /// The rows.
    pub head: String,
    /// What to do next, and the summary, which is the last line.
    pub tail: String,
}

/// Joins the parts of a page that are not empty, with an empty line between them.
pub(crate) fn sections(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}
