//! Stanzas, of which headers and the messages of plugins are made (age v1, section "Header").

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

/// Column at which bodies are wrapped.
pub(crate) const COLUMNS: usize = 64;

/// Writes a stanza: a line of words, then the body in base64, whose last line is shorter than the others.
pub(crate) fn written<'a>(tag: &str, words: impl Iterator<Item = &'a str>, body: &[u8]) -> Zeroizing<Vec<u8>> {
    let encoded = Zeroizing::new(BASE64.encode(body));
    let mut text = Zeroizing::new(Vec::with_capacity(tag.len() + encoded.len() + encoded.len() / COLUMNS + 100));
    text.extend_from_slice(b"-> ");
    text.extend_from_slice(tag.as_bytes());
    for word in words {
        text.push(b' ');
        text.extend_from_slice(word.as_bytes());
    }
    text.push(b'\n');
    let mut rest = encoded.as_bytes();
    while let Some((line, after)) = rest.split_at_checked(COLUMNS) {
        text.extend_from_slice(line);
        text.push(b'\n');
        rest = after;
    }
    text.extend_from_slice(rest);
    text.push(b'\n');
    text
}
