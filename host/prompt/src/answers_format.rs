use std::fmt;

/// Names the format of an answers file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswersFormat {
    /// A table for each instance.
    Toml,
    /// An object for each instance.
    Json,
}

impl fmt::Display for AnswersFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
        })
    }
}
