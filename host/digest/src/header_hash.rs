use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{HexError, Sha256};

/// Identifies the header of an age file: the SHA-256 from its first line through its MAC line (age v1, section "Header"). Two files
/// have the same one only if they share the wrapped file key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderHash(pub Sha256);

impl fmt::Display for HeaderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HeaderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for HeaderHash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        text.parse().map(Self)
    }
}
