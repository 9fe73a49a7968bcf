//! What a backend may do. Everything that is not granted is refused.

use artifacts_text::Explain;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Holds what a backend requests in its manifest, or what its registration grants. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "Written")]
pub struct Grants {
    /// Seeing the bytes of secrets.
    pub plaintext: bool,
    /// Having the host open, with the admin's identities, what it sealed for the same instance.
    pub identities: bool,
}

/// Describes one grant to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Its name, as in a registration.
    pub name: &'static str,
    /// Whether it is given.
    pub given: bool,
    /// What it permits, to complete "the backend may …".
    pub meaning: &'static str,
}

impl Grants {
    /// Returns every grant that exists, with what it means.
    pub fn each(&self) -> [Grant; 2] {
        let Self { plaintext, identities } = *self;
        [
            Grant {
                name: "plaintext",
                given: plaintext,
                meaning: "read every secret that it stores; it could leak them through its output",
            },
            Grant {
                name: "identities",
                given: identities,
                meaning: "have secrets that it stored opened with your keys",
            },
        ]
    }

    /// Returns whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the registration's JSON.
    ///
    /// # Errors
    /// When a grant is unknown, and so cannot be enforced, or is not of its type.
    pub fn from_json(json: &Map<String, Value>) -> Result<Self, GrantError> {
        let mut grants = Self::default();
        for (key, value) in json {
            match key.as_str() {
                "plaintext" => grants.plaintext = boolean(key, value)?,
                "identities" => grants.identities = boolean(key, value)?,
                // Nothing enforces it: only where it is empty, as in registrations of before, it is none.
                PLUGINS if value.as_array().is_some_and(Vec::is_empty) => {}
                _ => return Err(GrantError::Unknown(key.escape_debug().to_string())),
            }
        }
        Ok(grants)
    }
}

/// The grant of an earlier version that no code acts upon.
const PLUGINS: &str = "recipient-plugins";

/// Grants as a manifest has them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Written {
    plaintext: bool,
    identities: bool,
    recipient_plugins: Vec<Value>,
}

impl TryFrom<Written> for Grants {
    type Error = GrantError;

    fn try_from(Written { plaintext, identities, recipient_plugins }: Written) -> Result<Self, GrantError> {
        if recipient_plugins.is_empty() {
            Ok(Self { plaintext, identities })
        } else {
            Err(GrantError::Unknown(PLUGINS.to_owned()))
        }
    }
}

/// Returns what the backend gets: what it requested *and* was granted.
pub fn effective(requested: &Grants, granted: &Grants) -> Grants {
    Grants {
        plaintext: requested.plaintext && granted.plaintext,
        identities: requested.identities && granted.identities,
    }
}

/// Says why a registration's grants or limits cannot be enforced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not a grant that exists.
    #[error("unknown grant `{0}`; expected plaintext or identities")]
    Unknown(String),
    /// Not a limit that exists.
    #[error("unknown limit `{0}`; expected memory, time, output or files")]
    UnknownLimit(String),
    /// A value of another kind.
    #[error("`{key}` is `{found}`; expected {expected}")]
    Value {
        /// The grant or limit.
        key: String,
        /// Its value.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
}

impl GrantError {
    pub(crate) fn value(key: &str, found: &Value, expected: &'static str) -> Self {
        Self::Value { key: key.to_owned(), found: found.to_string().chars().take(80).collect(), expected }
    }
}

impl Explain for GrantError {
    fn kind(&self) -> &'static str {
        "grants"
    }

    fn hint(&self) -> Option<String> {
        Some("fix `grants` or `limits` of this backend; `artifacts` gives only what it can enforce".to_owned())
    }
}

fn boolean(key: &str, value: &Value) -> Result<bool, GrantError> {
    value.as_bool().ok_or_else(|| GrantError::value(key, value, "true or false"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_both_requested_and_granted_is_effective() {
        let all = [false, true]
            .into_iter()
            .flat_map(|plaintext| [false, true].into_iter().map(move |identities| Grants { plaintext, identities }));
        for (requested, granted) in
            all.clone().flat_map(|requested| all.clone().map(move |granted| (requested.clone(), granted)))
        {
            let effective = effective(&requested, &granted);
            for ((one, requested), granted) in effective.each().iter().zip(requested.each()).zip(granted.each()) {
                assert_eq!(one.given, requested.given && granted.given, "{}", one.name);
            }
        }
    }

    #[test]
    fn a_grant_that_cannot_be_enforced_is_refused() {
        let read = |json: Value| Grants::from_json(json.as_object().unwrap());
        assert_eq!(read(json!({})), Ok(Grants::default()));
        let plaintext = Grants { plaintext: true, identities: false };
        assert_eq!(read(json!({"plaintext": true, "recipient-plugins": []})), Ok(plaintext.clone()));
        for bad in [
            json!({"network": true}),
            json!({"plaintext": "yes"}),
            json!({"identities": 1}),
            json!({"recipient-plugins": true}),
            json!({"recipient-plugins": ["yubikey"]}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        let requested = |json: Value| serde_json::from_value::<Grants>(json);
        assert_eq!(requested(json!({"plaintext": true, "recipient-plugins": []})).unwrap(), plaintext);
        let error = requested(json!({"recipient-plugins": ["yubikey"]})).unwrap_err();
        assert!(error.to_string().contains("unknown grant `recipient-plugins`"), "{error}");
    }
}
