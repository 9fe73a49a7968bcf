//! Text that a component wrote: never shown as it is.

use artifacts_seam::Failure;

/// A message's longest text, in bytes.
pub(crate) const MESSAGE: usize = 4 << 10;

/// About `most` bytes of the text on one line, with what cannot be seen or turns a line around escaped.
pub(crate) fn escaped(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let shown = artifacts_text::terminal(text.get(..end).unwrap_or_default());
    let fits = shown.floor_char_boundary(most);
    if end == text.len() && fits == shown.len() {
        return shown.into_owned();
    }
    format!("{}…", shown.get(..fits).unwrap_or_default())
}

/// A component's failure, made fit to be shown.
pub(crate) fn failure(failure: Failure) -> Failure {
    Failure {
        kind: escaped(&failure.kind, 64),
        message: escaped(&failure.message, MESSAGE),
        hint: failure.hint.map(|hint| escaped(&hint, MESSAGE)),
    }
}
