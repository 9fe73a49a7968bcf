use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, TargetKind};
use artifacts_seam::EntryFiles;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Generation, Sha256, Time, names, unique};

/// The version of receipts that this host writes and reads.
const SCHEMA: u64 = 1;

/// The largest receipt that is read, in bytes.
pub const MAX_RECEIPT: u64 = 8 << 20;

/// The longest recipient or version that is read, in bytes.
const LONGEST: usize = 16 << 10;

/// What the host writes into a committed entry: who stored it, when, for whom. It holds no secret and no hash of one.
///
/// One that was read is a claim by whoever wrote to the repository: well-formed, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The version, always the one that this host writes.
    pub schema: Schema,
    /// Whose entry this is.
    pub instance: InstanceName,
    /// Who stored it.
    pub backend: BackendId,
    /// When all of it was made; one of several files that is given later makes it no younger.
    #[serde(alias = "made")]
    pub generated: Time,
    /// When it is to be made again, as it was declared then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Which making of the instance this is.
    pub generation: Generation,
    /// Of each artifact that went into it, which making.
    #[serde(deserialize_with = "unique::map")]
    pub dependencies: BTreeMap<InstanceName, Generation>,
    /// Hash of the declared `validation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Sha256>,
    /// Whom it was made for.
    #[serde(deserialize_with = "unique::set")]
    pub targets: BTreeSet<TargetId>,
    /// Declared secret files and the recipients each is encrypted to; none of one that was accepted and may be anybody's.
    #[serde(alias = "readers", deserialize_with = "unique::map_of_sets")]
    pub recipients: BTreeMap<Name, BTreeSet<String>>,
    /// The backend's stored files. Filled in by the commit.
    #[serde(deserialize_with = "unique::map")]
    pub files: BTreeMap<String, StoredFile>,
    /// The public files. Filled in by the commit.
    #[serde(deserialize_with = "unique::map")]
    pub public: BTreeMap<String, StoredFile>,
    /// SHA-256 of the age headers that the host encrypted in this entry, by the declared file that they are for.
    #[serde(default, deserialize_with = "unique::map_of_sets")]
    pub headers: BTreeMap<Name, BTreeSet<Sha256>>,
    /// The same without the files, as earlier versions wrote it.
    #[serde(rename = "sealed", default, deserialize_with = "unique::set", skip_serializing_if = "BTreeSet::is_empty")]
    pub headers_without_file: BTreeSet<Sha256>,
}

/// The version of a receipt; it has one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Schema;

/// The component that stored an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendId {
    /// Its name in the registry.
    pub name: Name,
    /// Its version by its own word.
    pub version: String,
    /// Of the component's bytes.
    pub sha256: Sha256,
}

/// A target by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetId {
    /// Machine or user.
    pub kind: TargetKind,
    /// The flake's attribute.
    pub name: Name,
}

/// A stored file, as its bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// Bytes.
    pub size: u64,
    /// Of these bytes.
    pub sha256: Sha256,
}

/// Why a text is no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than a receipt may be.
    #[error("it is longer than {MAX_RECEIPT} bytes")]
    TooLarge,
    /// A version that this host does not know.
    #[error("it has schema {0}; this program reads schema {SCHEMA}")]
    Schema(String),
    /// Two versions in one, with git's marks between them.
    #[error("it has an unresolved merge conflict")]
    Conflict,
    /// Not JSON, or not of a receipt's shape.
    #[error("{0}")]
    Shape(String),
}

impl Receipt {
    /// Reads a receipt strictly: unknown fields, keys given twice and names that could mislead refuse it.
    ///
    /// # Errors
    /// See [`ReceiptError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() as u64 > MAX_RECEIPT {
            return Err(ReceiptError::TooLarge);
        }
        let receipt: Self = serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error))?;
        receipt.check().map_err(|why| ReceiptError::Shape(why.escape_debug().to_string()))?;
        Ok(receipt)
    }

    /// JSON for people and for `git diff`: indented, sorted, with a final newline.
    pub fn render(&self) -> Vec<u8> {
        // Only a map with keys that are no text could fail, and there is none.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Every header that it lists.
    pub fn all_headers(&self) -> BTreeSet<Sha256> {
        self.headers.values().flatten().chain(&self.headers_without_file).copied().collect()
    }

    /// Notes the files as they are about to lie.
    pub(crate) fn describe(&mut self, files: &EntryFiles, public: &EntryFiles) {
        let stored =
            |files: &EntryFiles| files.iter().map(|(name, bytes)| (name.clone(), StoredFile::of(bytes))).collect();
        self.files = stored(files);
        self.public = stored(public);
    }

    /// What the types do not say by themselves.
    pub(crate) fn check(&self) -> Result<(), String> {
        for name in self.files.keys().chain(self.public.keys()) {
            if let Some(why) = names::fault(name) {
                return Err(format!("the file name `{name}` is refused: {why}"));
            }
        }
        let texts = self.recipients.values().flatten().chain([&self.backend.version]);
        for text in texts {
            if text.len() > LONGEST || artifacts_text::has_control(text) {
                return Err("a recipient or version is too long or has a control character".to_owned());
            }
        }
        Ok(())
    }
}

impl StoredFile {
    /// Size and hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sha256: Sha256::of(bytes) }
    }
}

/// An unknown version, or what git left in it, is the better explanation for whatever else does not fit.
fn explain(bytes: &[u8], error: &serde_json::Error) -> ReceiptError {
    #[derive(Deserialize)]
    struct Version {
        schema: serde_json::Value,
    }
    if bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"<<<<<<< ")) {
        return ReceiptError::Conflict;
    }
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { schema }) if schema.as_u64() != Some(SCHEMA) => {
            let mut text = schema.to_string();
            text.truncate(text.char_indices().nth(40).map_or(text.len(), |(at, _)| at));
            ReceiptError::Schema(text)
        }
        _ => {
            let text: String = error.to_string().chars().take(400).collect();
            ReceiptError::Shape(text.escape_debug().to_string())
        }
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(SCHEMA)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            SCHEMA => Ok(Self),
            other => Err(de::Error::invalid_value(de::Unexpected::Unsigned(other), &"schema 1")),
        }
    }
}
