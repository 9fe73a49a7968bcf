/// A text that can be shown on a terminal: nothing in it can move the cursor, change colours, hide or reorder what follows.
pub(crate) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Control characters, characters of no width, and those that change the direction of writing.
pub(crate) fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shown_can_act() {
        assert_eq!(escape("PIN of the key – «ä»"), "PIN of the key – «ä»");
        assert_eq!(escape("\x1b[2J\r\x07"), "\\u{1b}[2J\\r\\u{7}");
        assert_eq!(escape("\u{9b}31m\u{202e}gnp.exe"), "\\u{9b}31m\\u{202e}gnp.exe");
    }

    proptest::proptest! {
        #[test]
        fn no_control_character_is_left(text in proptest::prelude::any::<String>()) {
            proptest::prop_assert!(!escape(&text).chars().any(char::is_control));
        }
    }
}
