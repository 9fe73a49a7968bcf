pub(crate) use artifacts_text::is_hidden as acts;

/// A text that can be shown on a terminal: nothing in it can move the cursor, change colours, hide or reorder what follows.
pub(crate) fn escape(text: &str) -> String {
    artifacts_text::line(text).into_owned()
}
