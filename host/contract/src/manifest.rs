use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::SchemaOrigin;
use crate::{ConfigSchema, Grants};

/// Name of the custom section that holds the manifest.
pub const SECTION: &str = "artifacts-backend";
/// The version of the manifest that this host reads.
const SCHEMA: u64 = 1;
/// The largest manifest, in bytes.
const LARGEST: usize = 64 << 10;

/// Holds what a backend says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackendManifest {
    /// Always 1.
    pub schema: u64,
    /// Lower-case letters, digits and hyphens, at most 64.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// The instances that it can store.
    pub scopes: BTreeSet<Scope>,
    /// Where the secrets live.
    pub persists: Persists,
    /// JSON Schema of one target's `artifacts.config.<backend>`.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Configurations that could be real.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Map<String, Value>>,
    /// The grants that it asks for.
    #[serde(default)]
    pub requests: Grants,
    /// Where one reads more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Its licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
}

/// Names a kind of instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Of one machine.
    Machine,
    /// Of one user.
    User,
    /// Of all targets that declare it.
    Shared,
}

/// Says where secrets live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persists {
    /// In a slice of the storage.
    Storage,
    /// On the target itself, which makes them; nothing is stored and `check` is not called.
    Target,
}

/// Says what is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Too large.
    #[error("expected at most {LARGEST} bytes, found {0}")]
    TooLarge(usize),
    /// Not this JSON.
    #[error("at `{place}`: {why}")]
    Json {
        /// The field.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// Another version.
    #[error("expected `schema` {SCHEMA}, found {0}")]
    Schema(String),
    /// A field that this version does not have.
    #[error("unknown field `{0}`; fields of one's own begin with `x-`")]
    Unknown(String),
    /// The schema of configurations is none.
    #[error("`config` is no JSON Schema that can be used: {0}")]
    Config(String),
    /// An example does not fit the schema beside it.
    #[error("`examples[{index}]{place}` does not fit `config`: {why}")]
    Example {
        /// Which one, from 0.
        index: usize,
        /// The option in it.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// A field of the right type and the wrong content.
    #[error("`{place}` is `{found}`; expected {expected}")]
    Value {
        /// The field.
        place: String,
        /// Its value, shortened.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
}

impl BackendManifest {
    /// Reads the section's bytes, strictly.
    ///
    /// # Errors
    /// When a field is unknown, missing or wrong; the error names it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::parse_with_schema(bytes, SchemaOrigin::Anyone).map(|(manifest, _)| manifest)
    }

    /// The same with the schema of configurations, which is compiled to check the examples.
    pub(crate) fn parse_with_schema(bytes: &[u8], origin: SchemaOrigin) -> Result<(Self, ConfigSchema), ManifestError> {
        if bytes.len() > LARGEST {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        schema(bytes)?;
        let mut unknown = None;
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
        let read: Result<Self, _> = serde_ignored::deserialize(tracked, |path| {
            let path = path.to_string();
            if !path.rsplit('.').next().unwrap_or(&path).starts_with("x-") {
                unknown.get_or_insert(path);
            }
        });
        let manifest =
            read.map_err(|error| ManifestError::Json { place: track.path().to_string(), why: plain(&error) })?;
        reader.end().map_err(|error| ManifestError::Json { place: ".".to_owned(), why: plain(&error) })?;
        if let Some(field) = unknown {
            return Err(ManifestError::Unknown(plain(&field)));
        }
        let schema = manifest.validate(origin)?;
        Ok((manifest, schema))
    }

    /// Returns the JSON that goes into the section.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    fn validate(&self, origin: SchemaOrigin) -> Result<ConfigSchema, ManifestError> {
        let clean = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        expect(
            (1..=64).contains(&self.name.len()) && self.name.bytes().all(clean),
            "name",
            &self.name,
            "1 to 64 lower-case letters, digits and hyphens",
        )?;
        expect(
            (1..=64).contains(&self.version.len()) && self.version.bytes().all(|byte| byte.is_ascii_graphic()),
            "version",
            &self.version,
            "1 to 64 visible ASCII characters",
        )?;
        expect(!self.scopes.is_empty(), "scopes", "[]", "at least one of machine, user, shared")?;
        let texts = [Some(&self.description), self.homepage.as_ref(), self.license.as_ref()];
        for text in texts.into_iter().flatten().chain(&self.authors) {
            line("description, homepage, license or authors", text)?;
        }
        match origin {
            SchemaOrigin::Anyone => self.check_examples(),
            SchemaOrigin::Bundled => Ok(ConfigSchema::unread(&self.config)),
        }
    }

    /// Checks that the schema of configurations is one, and that each example fits it; returns it.
    fn check_examples(&self) -> Result<ConfigSchema, ManifestError> {
        let schema = ConfigSchema::new(&self.config).map_err(ManifestError::Config)?;
        for (index, example) in self.examples.iter().enumerate() {
            schema.check(&Value::Object(example.clone())).map_err(|misfit| ManifestError::Example {
                index,
                place: misfit.place,
                why: misfit.why,
            })?;
        }
        Ok(schema)
    }
}

fn schema(bytes: &[u8]) -> Result<(), ManifestError> {
    #[derive(Deserialize)]
    struct Version {
        schema: Value,
    }
    let version: Version = serde_json::from_slice(bytes)
        .map_err(|error| ManifestError::Json { place: ".".to_owned(), why: plain(&error) })?;
    if version.schema.as_u64() == Some(SCHEMA) { Ok(()) } else { Err(ManifestError::Schema(plain(&version.schema))) }
}

/// One line that a terminal can show.
fn line(place: &str, text: &str) -> Result<(), ManifestError> {
    let fine = !text.is_empty() && text.len() <= 1000 && !artifacts_text::has_control(text);
    expect(fine, place, text, "one line of at most 1000 bytes without control characters")
}

fn expect(fine: bool, place: &str, found: &str, expected: &'static str) -> Result<(), ManifestError> {
    if fine {
        return Ok(());
    }
    Err(ManifestError::Value { place: plain(&place), found: plain(&found), expected })
}

/// Short, and safe on a terminal.
fn plain(text: &dyn std::fmt::Display) -> String {
    text.to_string().chars().take(200).collect::<String>().escape_debug().to_string()
}
