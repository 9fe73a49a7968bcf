use std::borrow::Cow;

use crate::{is_hidden, separated};

/// Returns the text as it is safe on one line of a terminal: hidden characters, line breaks among them, are escaped.
pub fn terminal(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// Returns the text with its line breaks; other hidden characters are escaped. For messages whose lines are indented where they are
/// shown, so that none can be taken for another's: never for a part of a question.
pub fn terminal_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character != '\n' && is_hidden(character))
}

/// Returns the text on one line; of a text of more than `most` bytes its beginning of about so many, with its length.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return terminal(text);
    }
    let end = text.floor_char_boundary(most);
    let begin = text.get(..end).unwrap_or_default();
    Cow::Owned(format!("{}… ({} bytes)", terminal(begin), separated(text.len())))
}

/// Returns the text with nothing but visible ASCII and blanks; every other character is escaped, so that no letter can be taken for
/// one of another alphabet.
pub fn visible_ascii(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character != ' ' && !character.is_ascii_graphic())
}

fn escaped(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' if hidden(character) => shown.extend(character.escape_default()),
            _ if hidden(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_escaped_and_everything_else_stays() {
        assert_eq!(terminal("PIN of the key – «ä»"), "PIN of the key – «ä»");
        assert_eq!(
            terminal("a\u{1b}[31mb\u{202e}c é\r\n\td\u{200b}b"),
            "a\\u{1b}[31mb\\u{202e}c é\\r\\n\\td\\u{200b}b"
        );
        assert_eq!(terminal_lines("\u{9b}2J\r\n\tx\u{2028}"), "\\u{9b}2J\\r\n\\tx\\u{2028}");
    }

    #[test]
    fn a_long_text_is_cut_and_its_length_is_told() {
        assert_eq!(shortened("short\n", 6), "short\\n");
        assert_eq!(shortened("é".repeat(2_500_000).as_str(), 5), "éé… (5,000,000 bytes)");
        assert_eq!(shortened("x".repeat(1001).as_str(), 3), "xxx… (1,001 bytes)");
    }

    #[test]
    fn nothing_hidden_is_left_of_any_character() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            assert!(!terminal(&text).chars().any(is_hidden), "{character:?}");
            assert_eq!(terminal(&text) != text, is_hidden(character), "{character:?}");
            assert!(!character.is_control() || is_hidden(character), "{character:?}");
        }
    }

    #[test]
    fn what_is_no_visible_ascii_is_escaped() {
        assert_eq!(visible_ascii("root@web1 (old)"), "root@web1 (old)");
        assert_eq!(visible_ascii("\u{430}dmin\u{e9}\n\u{202e}\u{1b}[2J"), "\\u{430}dmin\\u{e9}\\n\\u{202e}\\u{1b}[2J");
    }

    proptest::proptest! {
        #[test]
        fn nothing_hidden_is_left(text in proptest::prelude::any::<String>()) {
            proptest::prop_assert!(!terminal(&text).chars().any(is_hidden));
            proptest::prop_assert!(!terminal_lines(&text).chars().any(|c| c != '\n' && is_hidden(c)));
            proptest::prop_assert_eq!(terminal_lines(&text).matches('\n').count(), text.matches('\n').count());
            proptest::prop_assert!(shortened(&text, 10).len() < 10 * 10 + 30);
        }
    }
}
