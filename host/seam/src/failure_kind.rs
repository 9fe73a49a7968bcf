use std::fmt;

use serde::{Deserialize, Serialize};

/// Says how a call failed. The set of the contract, and whatever else a component says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// The configuration of the backend is wrong.
    Config,
    /// What is stored cannot be read.
    Corrupt,
    /// Something was not allowed.
    Denied,
    /// `serialize` needs the other files of the entry, too. Only the typed error of the contract is this, no text.
    NeedsAll,
    /// No identity decrypts it. Only the typed error of the contract is this, no text.
    NoIdentity,
    /// The backend does not do this.
    Unsupported,
    /// A bug of the backend.
    Internal,
    /// A kind that the host does not know.
    Other(String),
}

impl FailureKind {
    /// Returns the word of the contract.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Config => "config",
            Self::Corrupt => "corrupt",
            Self::Denied => "denied",
            Self::NeedsAll => "needs-all",
            Self::NoIdentity => "no-identity",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
            Self::Other(kind) => kind,
        }
    }
}

/// Takes the text of a failure that is for people: what the host acts on is typed in the contract.
impl From<&str> for FailureKind {
    fn from(kind: &str) -> Self {
        match kind {
            "config" => Self::Config,
            "corrupt" => Self::Corrupt,
            "denied" => Self::Denied,
            "unsupported" => Self::Unsupported,
            "internal" => Self::Internal,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
