use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::FormatError;
use crate::form::Form;
use crate::node::SopsNode;

/// Reads JSON with keys in their order; a key that is there twice is an error.
pub(crate) fn read(form: Form, bytes: &[u8]) -> Result<SopsNode, FormatError> {
    serde_json::from_slice(bytes).map_err(|error| match twice(&error) {
        Some(key) => FormatError::Twice { key },
        None if error.is_eof() => FormatError::Truncated { form },
        None => FormatError::Syntax { form, why: error.to_string() },
    })
}

/// Writes JSON as sops does: indented by tabs, one final newline.
pub(crate) fn write(node: &SopsNode) -> Vec<u8> {
    let mut bytes = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, indent);
    // Texts and maps with text keys only, into memory: there is nothing that could fail.
    let _ = node.serialize(&mut serializer);
    bytes.push(b'\n');
    bytes
}

/// Writes JSON without any line break.
pub(crate) fn on_one_line(node: &SopsNode) -> String {
    serde_json::to_string(node).unwrap_or_default()
}

/// Marks the error of a double key on its way through serde.
const TWICE: &str = "key twice: ";

fn twice(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let key = text.strip_prefix(TWICE)?;
    Some(key.rsplit_once(" at line ").map_or(key, |(key, _)| key).to_owned())
}

impl<'de> Deserialize<'de> for SopsNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsNode)
    }
}

struct AsNode;

impl<'de> Visitor<'de> for AsNode {
    type Value = SopsNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<SopsNode, E> {
        Ok(SopsNode::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<SopsNode, E> {
        Ok(SopsNode::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<SopsNode, E> {
        Ok(SopsNode::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<SopsNode, E> {
        Ok(SopsNode::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<SopsNode, E> {
        Ok(SopsNode::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<SopsNode, E> {
        Ok(SopsNode::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<SopsNode, E> {
        Ok(SopsNode::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SopsNode, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(SopsNode::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SopsNode, A::Error> {
        let mut seen = std::collections::HashSet::new();
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("{TWICE}{key}")));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(SopsNode::Map(entries))
    }
}

impl Serialize for SopsNode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::List(items) => serializer.collect_seq(items),
            Self::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => serializer.serialize_i64(whole),
                (_, Ok(fraction)) => serializer.serialize_f64(fraction),
                _ => serializer.serialize_str(text),
            },
            Self::Text(text) | Self::Odd(text) | Self::Comment(text) => serializer.serialize_str(text),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Null => serializer.serialize_unit(),
        }
    }
}
