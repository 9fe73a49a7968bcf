//! The JSON Schema of a target's configuration, which a manifest has.
//!
//! A schema comes from a third party, so it is bounded before it is used: it refers to itself alone, in no circle, and checking a
//! configuration takes no longer than its size allows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use artifacts_text::shortened;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

/// Subschemas of the largest schema, each counted where it is referred to.
const LARGEST: u64 = 10_000;
/// Memory of the largest pattern, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;
/// Bytes of the longest message.
const LONGEST: usize = 200;
/// Keywords that change what a reference means.
const BASES: [&str; 6] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];

/// Checks configurations against the schema of a manifest.
pub struct ConfigSchema {
    schema: Value,
    compiled: OnceLock<Result<Validator, String>>,
}

/// Says where a configuration does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMisfit {
    /// The option, from the configuration on: empty, or as `.recipients[0]`.
    pub place: String,
    /// What was expected there, and what was found.
    pub why: String,
}

/// Says whose schema it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaOrigin {
    /// It may be no schema at all.
    Anyone,
    /// It is part of this program, and a test has looked at it.
    Bundled,
}

impl ConfigSchema {
    /// Takes a schema of JSON Schema 2020-12.
    ///
    /// # Errors
    /// When it is none, or refers to something else than a part of itself; the error says where.
    pub fn new(schema: &Map<String, Value>) -> Result<Self, String> {
        let schema = Self::unread(schema);
        schema.compiled().map_err(Clone::clone)?;
        Ok(schema)
    }

    /// Takes one that is compiled by the first check, which takes as long as all else that a start does.
    pub(crate) fn unread(schema: &Map<String, Value>) -> Self {
        Self { schema: Value::Object(schema.clone()), compiled: OnceLock::new() }
    }

    /// Checks a configuration.
    ///
    /// # Errors
    /// The first point in which it does not fit.
    pub fn check(&self, config: &Value) -> Result<(), ConfigMisfit> {
        let compiled = self.compiled().map_err(|why| ConfigMisfit { place: String::new(), why: why.clone() })?;
        compiled.validate(config).map_err(|error| ConfigMisfit { place: place(&error), why: why(&error) })
    }

    fn compiled(&self) -> Result<&Validator, &String> {
        self.compiled.get_or_init(|| compile(&self.schema)).as_ref()
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    Size::new(schema).of("", schema).map_err(|why| brief(&why))?;
    let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
    let options = options.with_pattern_options(PatternOptions::regex().size_limit(LARGEST_PATTERN));
    options.build(schema).map_err(|error| {
        let place = brief(error.instance_path().as_str());
        format!("at `{}`: {}", if place.is_empty() { "/" } else { place.as_str() }, why(&error))
    })
}

impl fmt::Debug for ConfigSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfigSchema")
    }
}

/// The option that is wrong, as people write it: an option that is missing or unknown is named itself.
fn place(error: &ValidationError<'_>) -> String {
    let step = |segment| match segment {
        LocationSegment::Property(name) => format!(".{name}"),
        LocationSegment::Index(index) => format!("[{index}]"),
    };
    let place: String = error.instance_path().into_iter().map(step).collect();
    let below = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str(),
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected.first().map(String::as_str),
        _ => None,
    };
    brief(&below.map_or(place.clone(), |below| format!("{place}.{below}")))
}

fn why(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { .. } => "it is not set, and is required".to_owned(),
        ValidationErrorKind::AdditionalProperties { .. } => "there is no such option".to_owned(),
        _ => brief(&error.to_string()),
    }
}

/// One line of about so many bytes that a terminal can show.
fn brief(text: &str) -> String {
    shortened(text, LONGEST).into_owned()
}

/// Counts the parts of a schema. What is referred to counts at each reference, so that none takes longer than it looks.
struct Size<'a> {
    schema: &'a Value,
    /// What was counted, by reference; none while it is.
    known: BTreeMap<String, Option<u64>>,
}

impl<'a> Size<'a> {
    fn new(schema: &'a Value) -> Self {
        Self { schema, known: BTreeMap::new() }
    }

    fn of(&mut self, place: &str, part: &Value) -> Result<u64, String> {
        let mut size = 1_u64;
        match part {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let place = format!("{place}/{name}");
                    match (name.as_str(), value) {
                        ("$ref", Value::String(to)) => size = size.saturating_add(self.of_reference(&place, to)?),
                        (name, Value::String(_) | Value::Bool(_)) if BASES.contains(&name) => {
                            return Err(format!(
                                "at `{place}`: expected no `{name}`: a part is referred to by its path"
                            ));
                        }
                        _ => size = size.saturating_add(self.of(&place, value)?),
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    size = size.saturating_add(self.of(&format!("{place}/{index}"), item)?);
                }
            }
            _ => {}
        }
        if size > LARGEST { Err(format!("expected at most {LARGEST} parts, references among them")) } else { Ok(size) }
    }

    fn of_reference(&mut self, place: &str, to: &str) -> Result<u64, String> {
        match self.known.get(to) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("at `{place}`: `{to}` refers to itself")),
            None => {}
        }
        let schema = self.schema;
        let part = to.strip_prefix('#').and_then(|pointer| schema.pointer(pointer));
        let part = part.ok_or_else(|| format!("at `{place}`: `{to}` is no part of it, as `#/$defs/key` would be"))?;
        self.known.insert(to.to_owned(), None);
        let size = self.of(place, part)?;
        self.known.insert(to.to_owned(), Some(size));
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn schema(schema: &Value) -> Result<ConfigSchema, String> {
        ConfigSchema::new(schema.as_object().unwrap())
    }

    fn refused(text: &Value) -> String {
        schema(text).unwrap_err()
    }

    #[test]
    fn a_configuration_that_does_not_fit_is_named_by_its_option() {
        let schema = schema(&json!({
            "type": "object", "required": ["vault"], "additionalProperties": false,
            "properties": {
                "vault": {"type": "string"},
                "recipients": {"type": "array", "items": {"$ref": "#/$defs/key"}, "minItems": 1},
                "deep": {"type": "object", "properties": {"a": {"type": "object", "required": ["b"]}}},
            },
            "$defs": {"key": {"type": "string", "pattern": "^age1"}},
        }))
        .unwrap();
        assert_eq!(schema.check(&json!({"vault": "v", "recipients": ["age1x"]})), Ok(()));
        for (config, place, word) in [
            (json!({}), ".vault", "is required"),
            (json!({"vault": 7}), ".vault", "7 is not of type"),
            (json!({"vault": "v", "recipients": []}), ".recipients", "less than 1 item"),
            (json!({"vault": "v", "recipients": ["age1x", 7]}), ".recipients[1]", "7 is not of type"),
            (json!({"vault": "v", "recipients": ["x"]}), ".recipients[0]", "does not match"),
            (json!({"vault": "v", "recipient": []}), ".recipient", "no such option"),
            (json!({"vault": "v", "deep": {"a": {}}}), ".deep.a.b", "is required"),
            (json!([]), "", "is not of type"),
        ] {
            let misfit = schema.check(&config).unwrap_err();
            assert_eq!(misfit.place, place, "{config}: {misfit:?}");
            assert!(misfit.why.contains(word), "{config}: {misfit:?}");
        }
        assert!(schema.check(&json!({"vault": "v", "recipients": ["y".repeat(9999)]})).unwrap_err().why.len() < 300);
    }

    #[test]
    fn what_is_no_schema_is_refused_with_its_place() {
        assert!(refused(&json!({"type": "objekt"})).contains("`/type`"));
        assert!(refused(&json!({"properties": {"a": {"minItems": -1}}})).contains("`/properties/a/minItems`"));
        assert!(refused(&json!({"pattern": "("})).contains("pattern"), "{}", refused(&json!({"pattern": "("})));
        assert!(schema(&json!({})).unwrap().check(&json!({"anything": [1]})).is_ok());
    }

    #[test]
    fn a_schema_refers_to_its_own_parts_alone_and_in_no_circle() {
        for (bad, word) in [
            (json!({"$ref": "https://example.org/schema"}), "is no part of it"),
            (json!({"$ref": "file:///etc/passwd"}), "is no part of it"),
            (json!({"$ref": "#anchor"}), "is no part of it"),
            (json!({"$ref": "#/$defs/none"}), "is no part of it"),
            (json!({"$ref": "#"}), "refers to itself"),
            (json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}}), "refers to itself"),
            (json!({"properties": {"a": {"$id": "https://example.org/", "$ref": "#/x"}}}), "expected no `$id`"),
            (json!({"$dynamicRef": "#a"}), "expected no `$dynamicRef`"),
        ] {
            let why = refused(&bad);
            assert!(why.contains(word), "{bad}: {why}");
        }
    }

    #[test]
    fn no_schema_takes_long() {
        let begun = Instant::now();
        // Each of these would be looked at two to the fortieth times.
        let twice = |number: usize| {
            (format!("d{number}"), json!({"allOf": vec![json!({"$ref": format!("#/$defs/d{}", number + 1)}); 2]}))
        };
        let mut defs: Map<String, Value> = (0..40).map(twice).collect();
        defs.insert("d40".to_owned(), json!({}));
        assert!(refused(&json!({"$ref": "#/$defs/d0", "$defs": defs})).contains("at most 10000 parts"));
        let slow = schema(&json!({"items": {"pattern": "^(a|a)*$"}})).unwrap();
        assert!(slow.check(&json!([format!("{}b", "a".repeat(10_000))])).is_err());
        assert!(schema(&json!({"pattern": "(x{1000}){1000}"})).is_err());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}
