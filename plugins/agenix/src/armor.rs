//! An age file, armored or binary, as far as it can be checked without a key (age v1).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// Length of each line but the last one.
const LINE: usize = 64;
const VERSION: &[u8] = b"age-encryption.org/v1";
/// Length of the shortest payload: a nonce, and the tag of its last chunk.
const SHORTEST: usize = 16 + 16;
/// Length of a chunk of the payload and its tag.
const CHUNK: usize = (64 << 10) + 16;

/// Checks an age file and returns the reason if it is invalid, as far as that shows without a key. agenix takes both forms, so
/// that a file of another program stays as it is.
pub fn fault(file: &[u8]) -> Option<&'static str> {
    if file.starts_with(VERSION) {
        return inside(file);
    }
    let Ok(text) = std::str::from_utf8(file) else {
        return Some(if file.starts_with(BEGIN.as_bytes()) { DAMAGED } else { OTHER });
    };
    let mut lines = text.lines();
    if lines.next() != Some(BEGIN) {
        return Some(OTHER);
    }
    let mut encoded = String::with_capacity(text.len());
    let mut last = LINE;
    loop {
        match lines.next() {
            None => return Some("is cut short: its armor has no end"),
            Some(END) => break,
            Some(line) if last != LINE || line.len() > LINE || line.is_empty() => return Some(DAMAGED),
            Some(line) => {
                last = line.len();
                encoded.push_str(line);
            }
        }
    }
    if lines.any(|line| !line.trim_ascii().is_empty()) {
        return Some("has something behind its armor");
    }
    let Ok(bytes) = BASE64_STANDARD.decode(encoded) else { return Some(DAMAGED) };
    inside(&bytes)
}

const DAMAGED: &str = "has a damaged armor";
const OTHER: &str = "does not begin as an age file";
const HEADER: &str = "has a damaged header of age";

/// Checks the binary age file: a version, stanzas, a MAC line and a payload.
fn inside(file: &[u8]) -> Option<&'static str> {
    let mut rest = file;
    let mut stanzas = 0;
    for number in 0.. {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Some(HEADER) };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        match number {
            0 if line != VERSION => return Some(HEADER),
            1 if !line.starts_with(b"-> ") => return Some(HEADER),
            _ if line.starts_with(b"-> ") => stanzas += 1,
            _ if line.starts_with(b"--- ") => break,
            _ => {}
        }
    }
    // What is left of a chunk is its tag and, but for an empty file, at least a byte more.
    let short = rest.len() < SHORTEST || (rest.len() > SHORTEST && matches!((rest.len() - 16) % CHUNK, 1..=16));
    (stanzas == 0 || short).then_some("is cut short")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    use super::*;

    /// Builds an age file with a payload of this length; no one can decrypt it.
    pub fn binary(payload: usize) -> Vec<u8> {
        let mut file = b"age-encryption.org/v1\n-> X25519 abc\nkey\n--- mac\n".to_vec();
        file.resize(file.len() + payload, 7);
        file
    }

    /// Builds the same, armored.
    pub fn armored(payload: usize) -> String {
        let encoded = BASE64_STANDARD.encode(binary(payload));
        let lines: Vec<&str> = encoded.as_bytes().chunks(LINE).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    }

    #[test]
    fn what_is_whole_is_sound() {
        for payload in [32, 33, 48, 100, 16 + CHUNK, 16 + CHUNK + 17] {
            let whole = armored(payload);
            assert_eq!((fault(whole.as_bytes()), fault(&binary(payload))), (None, None), "{payload}");
            assert_eq!(fault(whole.replace('\n', "\r\n").as_bytes()), None, "{payload}");
            assert_eq!(fault(format!("{whole} \n").as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn no_byte_can_be_lost() {
        let whole = armored(100);
        for length in 0..whole.trim_end().len() {
            assert!(fault(&whole.as_bytes()[..length]).is_some(), "cut at {length}");
        }
        for at in 0..whole.trim_end().len() {
            let mut lost = whole.clone();
            lost.remove(at);
            assert!(fault(lost.as_bytes()).is_some(), "without the byte at {at}");
        }
    }

    #[test]
    fn what_is_no_age_file_is_told() {
        assert_eq!(fault(b""), Some(OTHER));
        for cut in ["age-encryption.org/v1", "age-encryption.org/v1\n-> X25519 x\n", "age-encryption.org/v2\n"] {
            assert!(fault(cut.as_bytes()).is_some(), "{cut}");
        }
        assert_eq!(fault(b"age-encryption.org/v1\n-> X25519 x\n\xff"), Some(HEADER));
        assert_eq!(fault(format!("{BEGIN}\n{END}\n").as_bytes()), Some(HEADER));
        assert_eq!(fault(format!("{BEGIN}\naGVsbG8K\n{END}\n").as_bytes()), Some(HEADER));
        assert_eq!(fault(format!("{}x\n", armored(40)).as_bytes()), Some("has something behind its armor"));
        for payload in [0, 31, 17 + CHUNK] {
            let cut = Some("is cut short");
            assert_eq!((fault(armored(payload).as_bytes()), fault(&binary(payload))), (cut, cut), "{payload}");
        }
    }
}
