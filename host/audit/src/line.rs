//! One line of the log, and how it is linked to the line before it.

use artifacts_digest::Sha256;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::CallEnd;
use crate::record::HostCall;
use crate::record_kind::RecordKind;

/// The version of lines.
pub(crate) const SCHEMA: u64 = 2;
/// What stands for the line before the first one.
pub(crate) const NONE_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Holds one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct Line {
    /// The version of this format; records of schema 1 are read as well, and have no link.
    pub schema: u64,
    /// How it is linked.
    #[serde(flatten)]
    pub link: Option<LineLink>,
    /// When, in RFC 3339, whole seconds, UTC.
    pub time: String,
    /// Names the run that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What it is about.
    #[serde(flatten)]
    pub entry: RecordKind,
}

/// Links a line to the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineLink {
    /// Counts lines over all files of a rotated log, from 1.
    pub number: u64,
    /// SHA-256 of the bytes of the line before, without its line break, in hex.
    pub previous: String,
    /// Whether the file was empty before: a new log, or one that was rotated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// Bytes that stood between the line before and this one and are not part of the chain: records of schema 1, or an
    /// incomplete line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// Whether the head was not there when this line was written though the log had linked lines, or was damaged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub head_lost: bool,
}

/// Describes bytes that are not part of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Skipped {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// A record of schema 1.
#[derive(Deserialize)]
struct Unlinked {
    schema: u64,
    time: String,
    #[serde(flatten)]
    ended: CallEnd,
}

/// Returns the JSON Schema (2020-12) of a line, as this program writes it.
pub fn line_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut value = settings.into_generator().into_root_schema_for::<Line>().to_value();
    value["title"] = json!("artifacts audit record");
    value
}

impl Line {
    /// Reads a line back, of schema 1 as well.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if let Ok(line) = serde_json::from_slice::<Self>(bytes) {
            return Some(line);
        }
        let Unlinked { schema, time, mut ended } = serde_json::from_slice(bytes).ok()?;
        ended.observed.calls.iter_mut().for_each(HostCall::mark_denial_of_schema_1);
        (schema == 1).then(|| Self { schema, link: None, time, run: None, entry: RecordKind::Ended(Box::new(ended)) })
    }
}

impl LineLink {
    /// Reads only the link of a line: whatever else there is in it may be of a later version.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).to_string()
}
