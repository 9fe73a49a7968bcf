use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes.
const LONGEST: usize = 200;

/// Represents the name of an admin in `artifacts.recipients`: letters, digits and `._@+-`, beginning with a letter or a digit. It is
/// shown as it is, so it holds nothing that a list, a quotation or an option could be made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecipientName(String);

/// Why a text is not the name of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid name of a recipient `{}`; expected 1 to {LONGEST} letters, digits and ._@+-, beginning with a letter or a digit", artifacts_text::shortened(.0, LONGEST))]
pub struct RecipientNameError(String);

impl RecipientName {
    /// Checks a text.
    ///
    /// # Errors
    /// When it has another character, or none, or is too long.
    pub fn new(text: impl Into<String>) -> Result<Self, RecipientNameError> {
        let text = text.into();
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte));
        if begins && is_plain && text.len() <= LONGEST { Ok(Self(text)) } else { Err(RecipientNameError(text)) }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecipientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RecipientName {
    type Error = RecipientNameError;

    fn try_from(text: String) -> Result<Self, RecipientNameError> {
        Self::new(text)
    }
}

impl From<RecipientName> for String {
    fn from(name: RecipientName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_nothing_that_could_be_taken_for_something_else() {
        for name in ["alice", "a", "Alice.Smith+yubikey@example.org", "2nd_key-x", &"x".repeat(200)] {
            assert!(RecipientName::new(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "-a",
            ".a",
            "+a",
            "a b",
            "a,b",
            "\"a\"",
            "a/b",
            "a(1)",
            "аlice",
            "é",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\n",
            &"x".repeat(201),
        ] {
            assert!(RecipientName::new(name).is_err(), "{name:?}");
        }
        let long = RecipientName::new("x".repeat(1 << 20)).map_err(|error| error.to_string());
        assert!(long.is_err_and(|error| error.len() < 500));
    }
}
