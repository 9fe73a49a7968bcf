//! What a generator reads of other artifacts, as it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::Name;

/// Names the artifacts whose files a generator reads: a list of artifacts, or a set from directories in `$in` to instances. Whether
/// there are such is judged where everything that is declared is known, so that a wrong name costs no other artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Dependencies {
    /// Artifacts of the same target, or shared ones; each is the name of its directory, too.
    List(Vec<String>),
    /// By directory a full name, such as `per-machine/ctrl/id`, or an artifact as in the list.
    Directories(BTreeMap<Name, String>),
}

impl Dependencies {
    /// Returns each with the name of its directory.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let (list, directories) = match self {
            Self::List(names) => (Some(names), None),
            Self::Directories(names) => (None, Some(names)),
        };
        let list = list.into_iter().flatten().map(|name| (name.as_str(), name.as_str()));
        list.chain(directories.into_iter().flatten().map(|(directory, name)| (directory.as_str(), name.as_str())))
    }

    /// Returns those of a shared artifact in one spelling, in which equal ones are equal.
    pub(crate) fn of_shared(&self) -> BTreeSet<String> {
        let spelled = |(directory, name): (&str, &str)| {
            let name = name.strip_prefix("shared/").unwrap_or(name);
            if name == directory { name.to_owned() } else { format!("{directory} = {name}") }
        };
        self.iter().map(spelled).collect()
    }
}

impl Default for Dependencies {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Read by hand: an untagged enum would not say where in it something is wrong.
impl<'de> Deserialize<'de> for Dependencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsDependencies)
    }
}

struct AsDependencies;

impl<'de> Visitor<'de> for AsDependencies {
    type Value = Dependencies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of artifacts, or an object from directories to instances")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Dependencies, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Dependencies::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Dependencies, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Dependencies::Directories)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<Dependencies, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn each_has_a_directory() {
        for (value, expected) in [
            (json!(["ca", "id"]), vec![("ca", "ca"), ("id", "id")]),
            (json!({"id": "per-machine/ctrl/id", "ca": "ca"}), vec![("ca", "ca"), ("id", "per-machine/ctrl/id")]),
            (json!([]), vec![]),
            (json!({}), vec![]),
        ] {
            let dependencies = read(value.clone()).unwrap();
            assert_eq!(dependencies.iter().collect::<Vec<_>>(), expected);
            assert_eq!(serde_json::to_value(&dependencies).unwrap(), value);
        }
    }

    #[test]
    fn a_directory_is_one_component_of_a_path() {
        for directory in ["a/b", ".", "..", "", "-x", "a\\b", "a\nb"] {
            let error = read(json!({directory: "per-machine/ctrl/id"})).unwrap_err().to_string();
            assert!(error.contains("invalid name"), "{error}");
        }
        read(json!({"a.b": "per-machine/ctrl/id", "a b": "ca"})).unwrap();
        let error = read(json!("ca")).unwrap_err().to_string();
        assert!(error.contains("expected a list of artifacts, or an object"), "{error}");
    }

    #[test]
    fn a_list_and_a_set_of_the_same_shared_artifacts_agree() {
        let same = [json!(["ca", "b"]), json!({"ca": "shared/ca", "b": "b"}), json!({"b": "shared/b", "ca": "ca"})];
        let all: BTreeSet<_> = same.map(|value| read(value).unwrap().of_shared()).into_iter().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        for other in [json!({"ca": "shared/ca", "b": "per-machine/a/b"}), json!({"ca": "ca", "c": "b"}), json!(["ca"])]
        {
            assert!(!all.contains(&read(other.clone()).unwrap().of_shared()), "{other}");
        }
    }
}
