use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, Recipients, Shared, TargetId};
use artifacts_seam::EntryFiles;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use crate::few::Few;
use crate::hex_digits::HexDigits;
use crate::{Generation, HeaderHash, Sha256, Time, names, unique};

/// Version of receipts that this program writes and reads.
const SCHEMA: u64 = 1;

/// Largest receipt that is read, in bytes: one that lists [`artifacts_seam::Limits::MOST`] files with the longest names, which take
/// some 650 bytes each, fits twice.
pub const MAX_RECEIPT: u64 = 128 << 20;

/// What a receipt may have besides its list of files, in bytes: recipients, headers, targets and dependencies.
const BESIDES_FILES: u64 = 16 << 20;

/// What one file takes in a receipt, in bytes: the longest name, escaped, with size and SHA-256.
const PER_FILE: u64 = 1 << 10;

/// Returns the size of the largest receipt of an entry with so many files, in bytes: none larger is written or read.
pub(crate) fn largest(files: usize) -> u64 {
    MAX_RECEIPT.min((files as u64).saturating_mul(PER_FILE).saturating_add(BESIDES_FILES))
}

/// Longest recipient or version that is read, in bytes.
const LONGEST: usize = 16 << 10;

/// Records who stored an entry, when, and for which recipients. It holds no secret and no hash of one.
///
/// A receipt that was read is a claim of anyone who could write to the repository: it is well-formed, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of the format, always the one that this program writes.
    #[schemars(schema_with = "schema_version")]
    pub schema: Schema,
    /// Instance that the entry belongs to.
    pub instance: InstanceName,
    /// Names that the instance had before it was renamed: what was generated from its value depends on it under any of them.
    #[serde(default, deserialize_with = "unique::set", skip_serializing_if = "BTreeSet::is_empty")]
    pub former: BTreeSet<InstanceName>,
    /// Component that stored it.
    pub backend: BackendId,
    /// Time at which all files were generated. Setting one of several files later does not change it.
    #[serde(alias = "made")]
    pub generated: Time,
    /// Time at which the value expires, from `maxAge` as it was declared then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Generation of the instance.
    #[schemars(with = "HexDigits<32>")]
    pub generation: Generation,
    /// Generation of each dependency that the generator read.
    #[serde(deserialize_with = "unique::map")]
    #[schemars(with = "BTreeMap<InstanceName, HexDigits<32>>")]
    pub dependencies: BTreeMap<InstanceName, Generation>,
    /// SHA-256 of the declared `validation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<HexDigits<64>>")]
    pub validation: Option<Sha256>,
    /// Targets that declared the instance.
    #[serde(deserialize_with = "unique::shared_set")]
    pub targets: Shared<BTreeSet<TargetId>>,
    /// Declared secret files, with the recipients that each is encrypted to, sorted. The set is empty for a file that
    /// was adopted: its recipients are unknown.
    #[serde(alias = "readers", deserialize_with = "unique::recipients")]
    pub recipients: Recipients,
    /// Whose keys the recipients are, by key: what the declarations or the backend called them then. It is not evidence of anything.
    #[serde(default, deserialize_with = "unique::shared_map", skip_serializing_if = "is_empty")]
    pub labels: Shared<BTreeMap<String, String>>,
    /// Stored files of the backend, by name. The commit fills them in.
    #[serde(deserialize_with = "unique::few", serialize_with = "unique::as_map")]
    #[schemars(with = "BTreeMap<String, StoredFile>")]
    pub files: Few<String, StoredFile>,
    /// Public files, by name. The commit fills them in.
    #[serde(deserialize_with = "unique::few", serialize_with = "unique::as_map")]
    #[schemars(with = "BTreeMap<String, StoredFile>")]
    pub public: Few<String, StoredFile>,
    /// SHA-256 of each age header (age v1, section "Header") that this program encrypted in the entry, by declared
    /// file.
    #[serde(default, deserialize_with = "unique::few_of_sets", serialize_with = "unique::as_map")]
    #[schemars(with = "BTreeMap<Name, BTreeSet<HexDigits<64>>>")]
    pub headers: Few<Name, HeaderSet>,
    /// The same without the files, as earlier versions wrote it.
    #[serde(rename = "sealed", default, deserialize_with = "unique::set", skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<HexDigits<64>>")]
    pub headers_without_file: BTreeSet<HeaderHash>,
}

/// Holds headers, sorted and without duplicates.
pub type HeaderSet = Box<[HeaderHash]>;

/// Represents the version of a receipt, which has one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Schema;

/// Identifies the component that stored an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendId {
    /// Name in the registry.
    pub name: Name,
    /// Version that the component declares.
    pub version: String,
    /// SHA-256 of the component's bytes.
    #[schemars(with = "HexDigits<64>")]
    pub sha256: Sha256,
}

/// Describes the bytes of a stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// Size, in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    #[schemars(with = "HexDigits<64>")]
    pub sha256: Sha256,
}

/// Reports why a text is not a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is longer than [`MAX_RECEIPT`].
    #[error("it is longer than {MAX_RECEIPT} bytes")]
    TooLarge,
    /// It has a version that this program does not know.
    #[error("it has schema {0}; this program reads schema {SCHEMA}")]
    Schema(String),
    /// It has git's marks of an unresolved merge conflict.
    #[error("unresolved merge conflict")]
    Conflict,
    /// It is not JSON, or does not have the shape of a receipt.
    #[error("{0}")]
    Shape(String),
}

/// Returns the JSON Schema (2020-12) of a receipt, as this program writes it.
pub fn receipt_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut value = settings.into_generator().into_root_schema_for::<Receipt>().to_value();
    value["title"] = json!("artifacts receipt");
    value
}

fn schema_version(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"const": SCHEMA})
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

    /// Renders indented and sorted JSON with a final newline, for people and for `git diff`.
    pub fn render(&self) -> Vec<u8> {
        // Only a map with keys that are no text could fail, and there is none.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Returns every header that it lists.
    pub fn all_headers(&self) -> BTreeSet<HeaderHash> {
        self.headers.values().flat_map(|headers| headers.iter()).chain(&self.headers_without_file).copied().collect()
    }

    /// Describes the files that are about to be stored.
    pub(crate) fn describe(&mut self, files: &EntryFiles, public: &EntryFiles) {
        let stored =
            |files: &EntryFiles| files.iter().map(|(name, bytes)| (name.clone(), StoredFile::new(bytes))).collect();
        self.files = stored(files);
        self.public = stored(public);
    }

    /// Checks what the types do not express.
    pub(crate) fn check(&self) -> Result<(), String> {
        for name in self.files.keys().chain(self.public.keys()) {
            if let Some(why) = names::fault(name) {
                return Err(format!("invalid file name `{name}`: {why}"));
            }
        }
        let labels = self.labels.iter().flat_map(|(key, label)| [key, label]);
        let texts = self.recipients.of_all_files().chain([&self.backend.version]).chain(labels);
        for text in texts {
            if text.len() > LONGEST || artifacts_text::has_control(text) {
                return Err("a recipient, label or version is too long or has a control character".to_owned());
            }
        }
        Ok(())
    }
}

fn is_empty(labels: &BTreeMap<String, String>) -> bool {
    labels.is_empty()
}

impl StoredFile {
    /// Computes size and SHA-256 of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sha256: Sha256::digest(bytes) }
    }
}

/// Returns whether a text has git's marks of an unresolved merge conflict.
pub(crate) fn has_conflict_marks(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"<<<<<<< "))
}

/// Explains a parse error. An unknown version or a merge conflict is a better explanation than the field that does not
/// fit.
fn explain(bytes: &[u8], error: &serde_json::Error) -> ReceiptError {
    #[derive(Deserialize)]
    struct Version {
        schema: Value,
    }
    if has_conflict_marks(bytes) {
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
