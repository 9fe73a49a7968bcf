use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes. File names end at 255 on every file system that matters; a backend adds its ending.
const LONGEST: usize = 200;

/// A name of an artifact, file, prompt, target or backend: one to 200 bytes of UTF-8 without slash or control character,
/// with nothing that is invisible or turns the direction of writing, not `.` or `..`. It is safe as one component of a path,
/// and two different names look different.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no valid name: {why}; expected 1 to {LONGEST} bytes without slash, control or invisible character, and not `.` or `..`", artifacts_text::shortened(.text, LONGEST))]
pub struct NameError {
    text: String,
    why: &'static str,
}

impl Name {
    /// Checks a text.
    ///
    /// # Errors
    /// When it could leave its folder, hide in a terminal or be too long for a file name.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        match fault(&text) {
            None => Ok(Self(text)),
            Some(why) => Err(NameError { text, why }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > LONGEST {
        Some("it is too long")
    } else if text == "." || text == ".." {
        Some("it means a folder")
    } else if text.contains('/') {
        Some("it has a slash")
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
        name.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for text in ["a", "attic", "alice@laptop", "with blank", ".hidden", "a.b", "é", "..."] {
            assert_eq!(Name::new(text).map(String::from), Ok(text.to_owned()));
        }
        assert!(Name::new("x".repeat(200)).is_ok());
    }

    #[test]
    fn names_that_could_leave_their_folder_do_not() {
        for (text, why) in [
            ("", "empty"),
            (".", "folder"),
            ("..", "folder"),
            ("a/b", "slash"),
            ("../x", "slash"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("\u{9b}31m", "control"),
            ("d\u{200b}b", "`d\\u{200b}b` is no valid name: it has an invisible character"),
            ("a\u{202e}b", "invisible"),
            ("a\u{ad}b", "invisible"),
            ("a\u{61c}", "invisible"),
            ("\u{e0041}", "invisible"),
            ("a\u{2028}b", "invisible"),
        ] {
            let error = Name::new(text).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(Name::new("x".repeat(201)).is_err());
        assert!(Name::new("é".repeat(101)).is_err());
        let long = Name::new("x".repeat(50_000_000)).expect_err("it is long").to_string();
        assert!(long.contains("… (50,000,000 bytes)` is no valid name: it is too long") && long.len() < 500, "{long}");
    }
}
