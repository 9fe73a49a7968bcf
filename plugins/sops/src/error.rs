use crate::Form;

/// Why a file cannot be read or written. No message holds a plaintext or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The layout or the metadata is broken; needs no key to be seen.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// What the age file of a reader holds is no data key.
    #[error("the data key of {recipient} has {found} bytes; expected 32")]
    DataKey {
        /// Whose age file it is.
        recipient: String,
        /// Its length.
        found: usize,
    },
    /// A value does not open: it was altered, moved to another key, or sealed under another data key.
    #[error("cannot decrypt `{path}`: it was modified or moved, or it belongs to another data key")]
    Tag {
        /// The value's path.
        path: String,
    },
    /// The MAC itself does not open.
    #[error("`mac` does not open: it was altered, or it has another data key")]
    MacSealed,
    /// The MAC fits the values, its tag does not fit `lastmodified`.
    #[error("`lastmodified` ({found}) or `mac` was modified; the values are intact")]
    MacTime {
        /// What `lastmodified` says.
        found: String,
    },
    /// The MAC is intact and does not fit the values.
    #[error("MAC mismatch: values were added, removed, reordered or modified")]
    Mac,
    /// A value that a structured file cannot hold.
    #[error("`{key}` is not UTF-8; a {form} file holds texts only")]
    NotText {
        /// Its key.
        key: String,
        /// The file's form.
        form: Form,
    },
    /// A key that a structured file cannot have.
    #[error("`{key}` cannot be a key of a {form} file: {why}")]
    Key {
        /// The key.
        key: String,
        /// The file's form.
        form: Form,
        /// The reason.
        why: &'static str,
    },
    /// The data key has to change, and some who have it are not of age.
    #[error("{why}: that takes a new data key, which cannot be encrypted to {others} here")]
    Kept {
        /// What takes a new data key.
        why: NewKey,
        /// The recipients of other key services.
        others: String,
    },
    /// Nobody to write for.
    #[error("there is no recipient to write for")]
    Nobody,
    /// A time outside the years that can be written.
    #[error("the time {0} s after 1970 cannot be written")]
    Time(i64),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
    /// What the caller's sealing said.
    #[error("{0}")]
    Seal(String),
}

/// What takes a new data key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewKey {
    /// Who had the old one keeps it.
    #[error("{recipient} is to be removed")]
    Leaves {
        /// Who is to be removed.
        recipient: String,
    },
    /// The old one was chosen by whoever wrote the file, and has been given to anyone since.
    #[error("a value is new")]
    Value,
}

/// Why the layout or the metadata of a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It ends in the middle.
    #[error("the file is cut short: it ends in the middle of the {form} form")]
    Truncated {
        /// Which form was expected.
        form: Form,
    },
    /// It is not of that form at all.
    #[error("not a valid {form} file: {why}")]
    Syntax {
        /// Which form was expected.
        form: Form,
        /// What the parser says, and where.
        why: String,
    },
    /// Two keys of one name: which one counts would be a guess.
    #[error("`{key}` is there twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// It has no metadata: no sops file, or never encrypted.
    #[error("the file has no `sops` metadata: it is not encrypted")]
    NoMetadata,
    /// A field of the metadata is absent or has another type.
    #[error("`sops.{field}` is {found}; expected {expected}")]
    Field {
        /// The field.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// `lastmodified` is no time.
    #[error("`sops.lastmodified` is `{found}`; expected a time such as 2024-01-31T12:00:00Z")]
    LastModified {
        /// What it says.
        found: String,
    },
    /// `version` is none.
    #[error("`sops.version` is `{found}`; expected a version such as 3.9.0")]
    Version {
        /// What it says.
        found: String,
    },
    /// No age reader.
    #[error("the file has no age recipient{}", .others.as_ref().map(|o| format!(", only {o}")).unwrap_or_default())]
    NoReader {
        /// Key services that it has instead.
        others: Option<String>,
    },
    /// An age file of a reader that is none.
    #[error("the age file of {recipient} is damaged: {why}")]
    Stanza {
        /// Whose it is.
        recipient: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The data key is split among groups.
    #[error("the data key is split among {found} key groups; only one is read")]
    KeyGroups {
        /// How many.
        found: usize,
    },
    /// Cannot determine which values are encrypted.
    #[error("cannot determine which values are encrypted: {why}")]
    Rule {
        /// The reason.
        why: String,
    },
    /// A value is malformed.
    #[error("`{path}` is no encrypted value: {why}")]
    Sealed {
        /// Its path.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A value that should be encrypted is not.
    #[error("`{path}` is not encrypted, and should be")]
    Open {
        /// Its path.
        path: String,
    },
    /// A plain scalar whose meaning differs between readers.
    #[error("`{path}` is a scalar that is not read: quote it")]
    Scalar {
        /// Its path.
        path: String,
    },
    /// A line of a dotenv or INI file that sops does not write.
    #[error("line {line} is not read: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The binary form with other keys than `data`.
    #[error("the binary form has one key, `data`; found {found}")]
    Keys {
        /// The keys that are there.
        found: String,
    },
}

/// What to do with sops, where its recipients have to change and are not of age alone.
const SOPS_AGAIN: &str =
    "with a key of it: `artifacts sops-config --write`, `sops updatekeys FILE`, then `sops rotate --in-place FILE`";

impl Error {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Format(format) => format.hint(),
            Self::DataKey { .. } | Self::Tag { .. } | Self::MacSealed | Self::MacTime { .. } | Self::Mac => {
                "restore the file from the last good commit or from a backup"
            }
            Self::Kept { why: NewKey::Leaves { .. }, .. } => SOPS_AGAIN,
            Self::Kept { why: NewKey::Value, .. } => {
                "change the value with `sops edit FILE`, then run `artifacts adopt`; or remove these recipients first, with `sops rotate`"
            }
            Self::NotText { .. } | Self::Key { .. } => "store it in the binary form, or under another name",
            Self::Nobody => "name at least one public key",
            Self::Time(_) => "set the clock",
            Self::Random | Self::Seal(_) => "try again; nothing was written",
        }
    }
}

impl FormatError {
    /// Returns what to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoReader { .. } | Self::KeyGroups { .. } => SOPS_AGAIN,
            Self::Rule { .. } => "re-encrypt it with sops with at most one suffix or regular expression",
            Self::Scalar { .. } => "put the value in quotes and save the file with `sops`",
            _ => "restore the file from the last good commit or from a backup",
        }
    }
}
