use std::collections::BTreeMap;

use artifacts_text::{nix_attribute, nix_string};
use serde_json::Value;

/// Holds data that is written in Nix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NixValue {
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
    /// A set.
    Set(NixSet),
}

/// Holds a set, by name.
pub type NixSet = BTreeMap<String, NixValue>;

impl NixValue {
    /// Creates a string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Returns what Nix makes of its text.
    pub fn json(&self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(texts) => texts.iter().cloned().map(Value::String).collect(),
            Self::Set(set) => Value::Object(set.iter().map(|(name, value)| (name.clone(), value.json())).collect()),
        }
    }
}

/// Writes the bindings of a set, each line indented by so many blanks, as nixfmt does. A set of one name is written as a path.
pub fn bindings(set: &NixSet, indent: usize) -> String {
    set.iter().map(|(name, value)| binding(&nix_attribute(name), value, indent)).collect()
}

fn binding(path: &str, value: &NixValue, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    match value {
        NixValue::Bool(value) => format!("{blanks}{path} = {value};\n"),
        NixValue::Text(text) => format!("{blanks}{path} = {};\n", nix_string(text)),
        NixValue::List(texts) => format!("{blanks}{path} = {};\n", list(texts, indent)),
        NixValue::Set(set) => match set.first_key_value().filter(|_| set.len() == 1) {
            None if set.is_empty() => format!("{blanks}{path} = {{ }};\n"),
            None => format!("{blanks}{path} = {{\n{}{blanks}}};\n", bindings(set, indent + 2)),
            Some((name, value)) => binding(&format!("{path}.{}", nix_attribute(name)), value, indent),
        },
    }
}

fn list(texts: &[String], indent: usize) -> String {
    match texts {
        [] => "[ ]".to_owned(),
        [one] => format!("[ {} ]", nix_string(one)),
        many => {
            let blanks = " ".repeat(indent);
            let lines: Vec<String> = many.iter().map(|text| format!("{blanks}  {}", nix_string(text))).collect();
            format!("[\n{}\n{blanks}]", lines.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<const N: usize>(pairs: [(&str, NixValue); N]) -> NixValue {
        NixValue::Set(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn a_set_is_written_as_nixfmt_would() {
        let units = NixValue::List(vec!["a.service".to_owned(), "b.service".to_owned()]);
        let one = NixValue::List(vec!["alice".to_owned()]);
        let value = set([
            ("attic", set([("files", set([("env", set([]))]))])),
            (
                "a b${x}",
                set([
                    ("files", set([("f.x", set([("mode", NixValue::text("0440")), ("restartUnits", units)]))])),
                    ("recipients", one),
                    ("shared", NixValue::Bool(true)),
                    ("none", NixValue::List(Vec::new())),
                ]),
            ),
        ]);
        let NixValue::Set(inner) = &value else { return };
        let expected = r#"  "a b\${x}" = {
    files."f.x" = {
      mode = "0440";
      restartUnits = [
        "a.service"
        "b.service"
      ];
    };
    none = [ ];
    recipients = [ "alice" ];
    shared = true;
  };
  attic.files.env = { };
"#;
        assert_eq!(bindings(inner, 2), expected);
        assert_eq!(value.json()["a b${x}"]["files"]["f.x"]["mode"], "0440");
    }
}
