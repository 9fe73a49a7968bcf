/// Makes text from outside safe for a terminal: control characters, and those that turn the direction of writing, are
/// escaped; everything else stays.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let plain = !(turns || c.is_control() && c != '\n');
            plain.then_some(c).into_iter().chain((!plain).then(|| c.escape_unicode()).into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_moves_the_cursor_or_turns_the_writing_is_escaped() {
        assert_eq!(super::escaped("a\u{1b}[31mb\u{202e}c é\n"), "a\\u{1b}[31mb\\u{202e}c é\n");
        assert_eq!(super::escaped("\u{9b}2J\r"), "\\u{9b}2J\\u{d}");
    }
}
