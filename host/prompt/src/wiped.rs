//! Texts that grow without leaving a copy of themselves behind.

use zeroize::Zeroizing;

/// Appends bytes; what becomes too small is wiped.
pub(crate) fn append(value: &mut Zeroizing<Vec<u8>>, part: &[u8]) {
    let needed = value.len() + part.len();
    if needed > value.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * needed));
        larger.extend_from_slice(value);
        *value = larger;
    }
    value.extend_from_slice(part);
}

/// Inserts a text at a byte offset, which is a character's; what becomes too small is wiped.
pub(crate) fn insert(value: &mut Zeroizing<String>, at: usize, part: &str) {
    let needed = value.len() + part.len();
    if needed > value.capacity() {
        let mut larger = Zeroizing::new(String::with_capacity(2 * needed));
        larger.push_str(value);
        *value = larger;
    }
    value.insert_str(at, part);
}

/// Returns the text with each kind of line break as a newline.
pub(crate) fn with_newlines(text: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\r' {
            letters.next_if_eq(&'\n');
            plain.push('\n');
        } else {
            plain.push(letter);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_break_becomes_a_newline() {
        assert_eq!(*with_newlines("a\r\nb\rc\nd\r\r\n\n"), "a\nb\nc\nd\n\n\n");
    }
}
