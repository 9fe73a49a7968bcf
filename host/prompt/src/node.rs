use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// Represents any value of TOML or JSON, as far as answers are concerned. Reading never fails by type, so that no
/// message of a parser can contain a value.
pub(crate) enum AnswerNode {
    Text(Zeroizing<String>),
    Table(Vec<(String, AnswerNode)>),
    Other(&'static str),
}

impl AnswerNode {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

impl<'de> Deserialize<'de> for AnswerNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = AnswerNode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Text(Zeroizing::new(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnswerNode, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(AnswerNode::Table(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AnswerNode, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(AnswerNode::Other("a list"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("a number"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("a number"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("a number"))
    }

    fn visit_unit<E>(self) -> Result<AnswerNode, E> {
        Ok(AnswerNode::Other("null"))
    }
}
