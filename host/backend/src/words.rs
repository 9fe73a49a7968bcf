//! Text that a component wrote: never shown as it is.

use artifacts_seam::Failure;

/// A message's longest text, in bytes.
pub(crate) const MESSAGE: usize = 4 << 10;

/// At most `most` bytes of the text, with control characters and everything that turns a line around escaped.
pub(crate) fn escaped(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let before = shown.len();
        if tricky(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        if shown.len() > most {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

fn tricky(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A component's failure, made fit to be shown.
pub(crate) fn failure(failure: Failure) -> Failure {
    Failure {
        kind: escaped(&failure.kind, 64),
        message: escaped(&failure.message, MESSAGE),
        hint: failure.hint.map(|hint| escaped(&hint, MESSAGE)),
    }
}
