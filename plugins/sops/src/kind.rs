use std::fmt;

/// Names the kind of the value at a top-level key. A target accepts strings only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An encrypted string, or the empty one.
    Text,
    /// It is not encrypted.
    Clear,
    /// An encrypted whole number or fraction.
    Number,
    /// An encrypted boolean.
    Bool,
    /// An encrypted date or time.
    Time,
    /// Encrypted bytes that are marked as such.
    Bytes,
    /// A comment in the place of a value: it is in no MAC.
    Comment,
    /// Null, which sops never encrypts.
    Null,
    /// An array.
    List,
    /// A nested map.
    Map,
}

impl Kind {
    /// By the `type` of an encrypted value.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "str" => Self::Text,
            "int" | "float" => Self::Number,
            "bool" => Self::Bool,
            "time" => Self::Time,
            "bytes" => Self::Bytes,
            "comment" => Self::Comment,
            _ => return None,
        })
    }
}

/// What it is, and what to do about it where that helps: the end of a sentence.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a string",
            Self::Clear => "not encrypted",
            Self::Number => "a number; put it in quotes",
            Self::Bool => "a boolean; put it in quotes",
            Self::Time => "a time; put it in quotes",
            Self::Bytes => "binary data; expected a string",
            Self::Comment => "a comment; expected a string",
            Self::Null => "null; expected a string",
            Self::List => "an array; expected a string",
            Self::Map => "a map; expected a string",
        })
    }
}
