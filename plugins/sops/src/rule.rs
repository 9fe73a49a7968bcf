use regex_lite::Regex;

use crate::error::FormatError;
use crate::metadata::Fields;

/// The suffix that applies when a file names no rule.
pub(crate) const DEFAULT_SUFFIX: &str = "_unencrypted";

/// Which values are encrypted: told by the keys on the way to them.
#[derive(Debug)]
pub(crate) struct EncryptionRule {
    /// Whether a matching key makes the value encrypted, or keeps it from being.
    encrypts: bool,
    pattern: Pattern,
}

#[derive(Debug)]
enum Pattern {
    Suffix(String),
    Regex(Regex),
}

const FIELDS: [&str; 6] = [
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
];

impl EncryptionRule {
    /// The rule of a file: at most one may be there.
    pub fn of(fields: &Fields<'_>) -> Result<Self, FormatError> {
        let mut named = Vec::new();
        for field in FIELDS {
            if let Some(text) = fields.text(field)?.filter(|text| !text.is_empty()) {
                named.push((field, text));
            }
        }
        match named.as_slice() {
            [] => Ok(Self { encrypts: false, pattern: Pattern::Suffix(DEFAULT_SUFFIX.to_owned()) }),
            [(field, _)] if field.ends_with("comment_regex") => {
                Err(FormatError::Rule { why: format!("`{field}` is not read") })
            }
            [(field, text)] => Ok(Self { encrypts: field.starts_with("encrypted"), pattern: pattern(field, text)? }),
            several => {
                let fields: Vec<&str> = several.iter().map(|(field, _)| *field).collect();
                Err(FormatError::Rule { why: format!("it has {} at once", fields.join(" and ")) })
            }
        }
    }

    /// Whether the value at this path is encrypted.
    pub fn encrypts(&self, path: &[String]) -> bool {
        let matches = path.iter().any(|key| match &self.pattern {
            Pattern::Suffix(suffix) => key.ends_with(suffix.as_str()),
            Pattern::Regex(regex) => regex.is_match(key),
        });
        matches == self.encrypts
    }
}

fn pattern(field: &str, text: &str) -> Result<Pattern, FormatError> {
    if field.ends_with("_suffix") {
        return Ok(Pattern::Suffix(text.to_owned()));
    }
    let regex = Regex::new(text).map_err(|error| FormatError::Rule { why: format!("`{field}`: {error}") })?;
    Ok(Pattern::Regex(regex))
}
