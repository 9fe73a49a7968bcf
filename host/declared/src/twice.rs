//! Names that are given twice in one JSON object. serde keeps the last one without a word.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

/// A name that an object has twice, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twice {
    /// The path of keys to it, as in `targets[0].artifacts.a`.
    pub path: String,
    /// Where it is given first.
    pub first: Position,
    /// Where it is given again.
    pub second: Position,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The byte in that line, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// An array or object that is open at a place of the text.
enum Open {
    Array { index: usize },
    Object { seen: HashMap<String, usize>, key: String, awaits_key: bool },
}

/// Finds the first name that an object of a JSON text has twice, at any depth. It takes one pass and no stack; in a text
/// that is not JSON it finds what it can.
pub fn find(text: &str) -> Option<Twice> {
    let bytes = text.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, open.last_mut()) {
            (b'{', _) => open.push(Open::Object { seen: HashMap::new(), key: String::new(), awaits_key: true }),
            (b'[', _) => open.push(Open::Array { index: 0 }),
            (b'}' | b']', _) => drop(open.pop()),
            (b',', Some(Open::Array { index })) => *index += 1,
            (b',', Some(Open::Object { awaits_key, .. })) => *awaits_key = true,
            (b'"', top) => {
                let end = string_end(bytes, at);
                if let Some(Open::Object { seen, key, awaits_key }) = top
                    && std::mem::take(awaits_key)
                {
                    *key = serde_json::from_str(text.get(at..end)?).ok()?;
                    if let Some(first) = seen.insert(key.clone(), at) {
                        let (first, second) = (position(bytes, first), position(bytes, at));
                        return Some(Twice { path: path(&open), first, second });
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where a string ends that begins at a place, behind its quote.
fn string_end(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn position(bytes: &[u8], at: usize) -> Position {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Position { line, column }
}

fn path(open: &[Open]) -> String {
    let mut path = String::new();
    for part in open {
        match part {
            Open::Array { index } => {
                let _ = write!(path, "[{index}]");
            }
            Open::Object { key, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        find(text).map(|twice| format!("{} at {} and {}", twice.path, twice.first, twice.second))
    }

    #[test]
    fn a_name_given_twice_is_found_at_any_depth() {
        for (text, expected) in [
            (r#"{"a":1,"a":2}"#, "a at line 1, column 2 and line 1, column 8"),
            (
                "{\"a\":1,\n \"b\":{\"c\":[0,{\"d\":1,\n\"d\":2}]}}",
                "b.c[1].d at line 2, column 15 and line 3, column 1",
            ),
            (r#"[[{"a":{"x":1},"a":[]}]]"#, "[0][0].a at line 1, column 4 and line 1, column 16"),
            (r#"{"a":1,"\u0061":2}"#, "a at line 1, column 2 and line 1, column 8"),
            (r#"{"é\n":1,"é\n":2}"#, "é\n at line 1, column 2 and line 1, column 11"),
        ] {
            assert_eq!(found(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn names_of_different_objects_and_values_are_not_taken_for_one() {
        for text in [
            r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#,
            r#"{"a":"a","b":"a","c":["a","a"]}"#,
            r#"{"a":"\",\"a\":","b":"{\"a\":1,\"a\":2}"}"#,
            "",
            "{",
            "\"",
            "\"\\",
            "]}",
            "{\"a",
            "[,,",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        assert_eq!(find(&"[".repeat(1_000_000)), None);
    }

    proptest::proptest! {
        #[test]
        fn what_a_parser_keeps_is_not_found(value in proptest::collection::hash_map("[a-c\\\\\"{},:\\[]{0,3}", "[a-c\\\\\"{},:\\[]{0,5}", 0..5)) {
            let text = serde_json::to_string(&serde_json::json!({"x": [value, {"y": value}]})).unwrap_or_default();
            proptest::prop_assert_eq!(find(&text), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\\\\"{}\\[\\],:a é]{0,60}") {
            let _ = find(&text);
        }
    }
}
