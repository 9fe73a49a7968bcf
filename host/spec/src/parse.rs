use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Name, SCHEMA, Spec, Target};

/// Why a spec is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON at all, or cut short.
    #[error("the spec is not JSON: {0}")]
    Json(serde_json::Error),
    /// Another version.
    #[error("the spec has schema {found}; this program reads schema {SCHEMA}")]
    Schema {
        /// What the spec says.
        found: String,
    },
    /// JSON of another shape.
    #[error("the spec is refused at {place}: {why}")]
    Shape {
        /// Where, as a path of keys.
        place: String,
        /// What was expected and found.
        why: String,
    },
    /// Two targets of one kind and name.
    #[error("the spec has two {kind} targets named `{name}`")]
    Twice {
        /// Their kind.
        kind: &'static str,
        /// Their name.
        name: Name,
    },
}

/// Reads a whole spec.
///
/// # Errors
/// See [`Error`]; nothing of a spec that has one fault is used.
pub fn parse(text: &str) -> Result<Spec, Error> {
    let value: Value = serde_json::from_str(text).map_err(Error::Json)?;
    match value.get("schema") {
        Some(found) if found.as_u64() == Some(SCHEMA) => {}
        found => return Err(Error::Schema { found: found.map_or_else(|| "none".to_owned(), Value::to_string) }),
    }
    let spec: Spec = typed(value)?;
    let mut seen = BTreeSet::new();
    for target in &spec.targets {
        if !seen.insert((target.kind, &target.name)) {
            return Err(Error::Twice { kind: target.kind.as_str(), name: target.name.clone() });
        }
    }
    Ok(spec)
}

/// Reads one target, as it is evaluated in a process of its own.
///
/// # Errors
/// See [`Error`].
pub fn parse_target(text: &str) -> Result<Target, Error> {
    typed(serde_json::from_str(text).map_err(Error::Json)?)
}

/// Reads a value strictly: unknown fields are errors unless they begin with `x-`.
fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    let mut unknown = None;
    let result = {
        let track = serde_ignored::Deserializer::new(value, |path| {
            let own = matches!(&path, serde_ignored::Path::Map { key, .. } if key.starts_with("x-"));
            if !own && unknown.is_none() {
                unknown = Some(path.to_string());
            }
        });
        serde_path_to_error::deserialize(track)
    };
    let parsed: T = result.map_err(|error| Error::Shape {
        place: format!("`{}`", error.path()),
        why: error.inner().to_string(),
    })?;
    match unknown {
        Some(place) => Err(Error::Shape { place: format!("`{place}`"), why: "unknown field".to_owned() }),
        None => Ok(parsed),
    }
}
