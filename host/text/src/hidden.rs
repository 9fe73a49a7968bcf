use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Returns whether a character cannot be seen, controls a terminal or changes the direction of writing: the general category C
/// (control, format, private use, unassigned), line and paragraph separators, and all characters with
/// `Default_Ignorable_Code_Point` or `Bidi_Control`. A blank is none of them; a line break is one.
pub fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    GeneralCategoryGroup::Other.contains(category)
        || matches!(category, GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || CodePointSetData::new::<BidiControl>().contains(character)
}

/// Returns whether a text has a hidden character: see [`is_hidden`].
pub fn has_hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// Returns whether a character is a control character, such as a line break.
pub fn is_control(character: char) -> bool {
    character.is_control()
}

/// Returns whether a text has a control character, such as a line break.
pub fn has_control(text: &str) -> bool {
    text.chars().any(is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_seen_is_not_hidden() {
        for character in "aZ09 ~-_.@/\\`'\"<>$é–«ä»漢字עبя🔑ﬁ½\u{301}\u{a0}\u{3000}".chars() {
            assert!(!is_hidden(character), "{character:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_moves_the_cursor_or_turns_the_writing_is_hidden() {
        let single = [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{3164}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{e000}',
            '\u{fffe}',
            '\u{e0001}',
            '\u{10ffff}',
        ];
        let ranges = [
            '\u{180b}'..='\u{180f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{fff9}'..='\u{fffb}',
            '\u{1d173}'..='\u{1d17a}',
            '\u{e0020}'..='\u{e007f}',
            '\u{e0100}'..='\u{e01ef}',
        ];
        for character in single.into_iter().chain(ranges.into_iter().flatten()) {
            assert!(is_hidden(character), "{character:?}");
        }
    }
}
