use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes. File names end at 255 on every file system that matters; a backend adds its ending.
const LONGEST: usize = 200;

/// Represents a name of an artifact, file, prompt, target or backend: one to 200 bytes of UTF-8 without slash, backslash or
/// control character, with nothing that is invisible or turns the direction of writing, not beginning with `-`, not `.` or
/// `..`. It is safe as one component of a path, also where a backslash separates components, and as an argument of a command;
/// and two different names look different. A copy shares the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid name `{}`: {why}; expected 1 to {LONGEST} bytes without slash, backslash, control or invisible character, not beginning with `-`, and not `.` or `..`", artifacts_text::shortened(.text, LONGEST))]
pub struct NameError {
    text: String,
    why: &'static str,
}

impl Name {
    /// Checks a text.
    ///
    /// # Errors
    /// When it could leave its directory, hide in a terminal or be too long for a file name.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        match reason(&text) {
            None => Ok(Self(text.into())),
            Some(why) => Err(NameError { text, why }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn reason(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > LONGEST {
        Some("it is too long")
    } else if text == "." || text == ".." {
        Some("`.` and `..` are not allowed")
    } else if text.contains('/') {
        Some("it has a slash")
    } else if text.contains('\\') {
        Some("it has a backslash, which other programs interpret as a slash")
    } else if text.starts_with('-') {
        Some("it begins with `-`, which commands interpret as an option")
    } else if artifacts_text::has_control(text) {
        Some("it has a control character")
    } else if artifacts_text::has_hidden(text) {
        Some("it has an invisible character, or one that turns the direction of writing")
    } else {
        None
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_are_as_the_table_says() {
        let table: serde_json::Value = serde_json::from_str(include_str!("../tests/names.json")).expect("it is JSON");
        for case in table.as_array().expect("it is an array") {
            let name = case["name"].as_str().expect("it is a string");
            match (Name::new(name), case["invalid"].as_str()) {
                (Ok(read), None) => assert_eq!(read.as_str(), name),
                (Err(error), Some(why)) => assert!(error.why.contains(why), "{name:?}: {error}"),
                (read, expected) => panic!("{name:?}: {read:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn what_nix_cannot_hold_is_refused_as_well() {
        for (text, why) in [("a\0b", "control"), ("\u{e0041}", "invisible")] {
            assert!(Name::new(text).expect_err(text).why.contains(why), "{text:?}");
        }
        let hidden = Name::new("d\u{200b}b").expect_err("it is invisible").to_string();
        assert!(hidden.contains("invalid name `d\\u{200b}b`: it has an invisible character"), "{hidden}");
        let long = Name::new("x".repeat(50_000_000)).expect_err("it is long").to_string();
        assert!(long.contains("… (50,000,000 bytes)`: it is too long") && long.len() < 500, "{long}");
    }
}
