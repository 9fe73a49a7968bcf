//! What a backend may do. Everything that is not granted is refused.

use std::collections::BTreeSet;

use artifacts_text::Explain;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a backend asks for in its manifest, or what the registry grants. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Grants {
    /// Seeing the bytes of secrets.
    pub plaintext: bool,
    /// Having the host open, with the admin's identities, what it sealed for the same instance.
    pub identities: bool,
    /// The age plugins that may encrypt.
    pub recipient_plugins: BTreeSet<String>,
}

impl Grants {
    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads the registry's JSON.
    ///
    /// # Errors
    /// When a grant is unknown, and so cannot be enforced, or is not of its type.
    pub fn from_json(json: &Map<String, Value>) -> Result<Self, GrantError> {
        let mut grants = Self::default();
        for (key, value) in json {
            match key.as_str() {
                "plaintext" => grants.plaintext = boolean(key, value)?,
                "identities" => grants.identities = boolean(key, value)?,
                "recipient-plugins" => grants.recipient_plugins = plugins(key, value)?,
                _ => return Err(GrantError::Unknown(key.escape_debug().to_string())),
            }
        }
        Ok(grants)
    }
}

/// What the backend gets: what it asked for *and* was granted.
pub fn effective(requested: &Grants, granted: &Grants) -> Grants {
    Grants {
        plaintext: requested.plaintext && granted.plaintext,
        identities: requested.identities && granted.identities,
        recipient_plugins: requested.recipient_plugins.intersection(&granted.recipient_plugins).cloned().collect(),
    }
}

/// Why a registry entry's grants or limits cannot be enforced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Not a grant that exists.
    #[error("unknown grant `{0}`; expected plaintext, identities or recipient-plugins")]
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
        Some(
            "correct `grants` or `limits` in the backend's registration; what this host cannot enforce it does not grant".to_owned(),
        )
    }
}

fn boolean(key: &str, value: &Value) -> Result<bool, GrantError> {
    value.as_bool().ok_or_else(|| GrantError::value(key, value, "true or false"))
}

pub(crate) const PLUGIN_NAME: &str = "names of age plugins: lower-case letters, digits, `+`, `-`, `.` and `_`";

fn plugins(key: &str, value: &Value) -> Result<BTreeSet<String>, GrantError> {
    let wrong = || GrantError::value(key, value, PLUGIN_NAME);
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter()
        .map(|name| name.as_str().filter(|name| plugin_name(name)).map(str::to_owned).ok_or_else(wrong))
        .collect()
}

/// A name that cannot leave the folder in which `age-plugin-<name>` is looked for.
pub(crate) fn plugin_name(name: &str) -> bool {
    let clean = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-._".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(clean)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grants(plaintext: bool, identities: bool, plugins: &[&str]) -> Grants {
        Grants { plaintext, identities, recipient_plugins: plugins.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn only_what_is_both_asked_for_and_granted_is_effective() {
        for asked in [false, true] {
            for given in [false, true] {
                assert_eq!(effective(&grants(asked, false, &[]), &grants(given, false, &[])).plaintext, asked && given);
                assert_eq!(
                    effective(&grants(false, asked, &[]), &grants(false, given, &[])).identities,
                    asked && given
                );
            }
        }
        let plugins =
            effective(&grants(false, false, &["a", "b"]), &grants(false, false, &["b", "c"])).recipient_plugins;
        assert_eq!(plugins.into_iter().collect::<Vec<_>>(), ["b"]);
        assert!(effective(&Grants::default(), &grants(true, true, &["a"])).is_empty());
        assert!(effective(&grants(true, true, &["a"]), &Grants::default()).is_empty());
    }

    #[test]
    fn a_grant_that_cannot_be_enforced_is_refused() {
        let read = |json: Value| Grants::from_json(json.as_object().unwrap());
        assert_eq!(read(serde_json::json!({})), Ok(Grants::default()));
        assert_eq!(
            read(serde_json::json!({"plaintext": true, "recipient-plugins": ["yubikey"]})),
            Ok(grants(true, false, &["yubikey"]))
        );
        for bad in [
            serde_json::json!({"network": true}),
            serde_json::json!({"plaintext": "yes"}),
            serde_json::json!({"identities": 1}),
            serde_json::json!({"recipient-plugins": true}),
            serde_json::json!({"recipient-plugins": ["../evil"]}),
            serde_json::json!({"recipient-plugins": [""]}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
