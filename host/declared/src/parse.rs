use std::collections::BTreeMap;

use artifacts_text::shortened;
use serde_json::Value;

use crate::twice::{self, Twice};
use crate::{Name, Registration, SCHEMA, Spec, alike};

/// So much of a place and of a parser's words is shown, in bytes: names in them are as long as who wrote them wanted.
const PLACE: usize = 300;
const WORDS: usize = 1000;

/// Why a spec is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not JSON at all, or cut short.
    #[error("the spec is not JSON: {}", shortened(&.0.to_string(), WORDS))]
    Json(serde_json::Error),
    /// Another version.
    #[error("the spec has schema {}; this program reads schema {SCHEMA}", shortened(.found, PLACE))]
    Schema {
        /// What the spec says.
        found: String,
    },
    /// JSON of another shape.
    #[error("invalid spec at {}: {}", shortened(.place, PLACE), shortened(.why, WORDS))]
    Shape {
        /// Where, as a path of keys.
        place: String,
        /// What was expected and found.
        why: String,
    },
    /// A name that one object has twice: which one counts would be a guess.
    #[error("duplicate key `{}` in the spec: at {} and at {}", shortened(&.0.path, PLACE), .0.first, .0.second)]
    Twice(Twice),
    /// Two targets of one kind and name.
    #[error("the spec has two {kind} targets named `{name}`: `{first}` and `{second}`")]
    TargetTwice {
        /// Their kind.
        kind: &'static str,
        /// Their name.
        name: Name,
        /// The place of the first, as in `targets[0]`.
        first: String,
        /// The place where its name is again.
        second: String,
    },
}

/// Reads a whole spec.
///
/// # Errors
/// See [`Error`]; nothing of a spec that has one fault is used.
pub fn parse(text: &str) -> Result<Spec, Error> {
    twice::find(text).map_or(Ok(()), |twice| Err(Error::Twice(twice)))?;
    let head: SpecVersion = serde_json::from_str(text).map_err(Error::Json)?;
    check_schema(head.schema.as_ref())?;
    let mut json = serde_json::Deserializer::from_str(text);
    let spec = typed(&mut json)?;
    json.end().map_err(Error::Json)?;
    check_targets(spec)
}

/// Reads a whole spec that was parsed as JSON.
///
/// # Errors
/// See [`Error`]. A name that was given twice is no longer there to be found.
pub fn from_value(value: &Value) -> Result<Spec, Error> {
    check_schema(value.get("schema"))?;
    check_targets(typed(value)?)
}

/// Reads a registry of backends by name, as it stands in a spec.
///
/// # Errors
/// As [`from_value`].
pub fn backends_from_value(value: &Value) -> Result<BTreeMap<Name, Registration>, Error> {
    typed(value)
}

/// Holds what is read before the rest, whose shape depends on it.
#[derive(serde::Deserialize)]
struct SpecVersion {
    #[serde(default)]
    schema: Option<Value>,
}

fn check_schema(schema: Option<&Value>) -> Result<(), Error> {
    match schema {
        Some(found) if found.as_u64() == Some(SCHEMA) => Ok(()),
        found => Err(Error::Schema { found: found.map_or_else(|| "none".to_owned(), Value::to_string) }),
    }
}

/// Refuses a target that is there twice, and holds once what targets declare alike.
fn check_targets(mut spec: Spec) -> Result<Spec, Error> {
    let mut seen = BTreeMap::new();
    let evaluated = spec.targets.iter().map(|target| (target.kind, &target.name)).enumerate();
    let evaluated = evaluated.map(|(index, id)| (id, ("targets", index)));
    let failed = spec.unevaluated.iter().map(|target| (target.kind, &target.name)).enumerate();
    let failed = failed.map(|(index, id)| (id, ("unevaluated", index)));
    for ((kind, name), second) in evaluated.chain(failed) {
        if let Some(first) = seen.insert((kind, name), second) {
            let place = |(list, index): (&str, usize)| format!("{list}[{index}]");
            let (first, second) = (place(first), place(second));
            return Err(Error::TargetTwice { kind: kind.as_str(), name: name.clone(), first, second });
        }
    }
    alike::share(&mut spec.targets);
    Ok(spec)
}

/// Reads a value strictly: unknown fields are errors unless they begin with `x-`.
fn typed<'de, T, D>(json: D) -> Result<T, Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de, Error = serde_json::Error>,
{
    let mut unknown = None;
    let mut note = |path: serde_ignored::Path<'_>| {
        let extension = matches!(&path, serde_ignored::Path::Map { key, .. } if key.starts_with("x-"));
        if !extension && unknown.is_none() {
            unknown = Some(path.to_string());
        }
    };
    let mut track = serde_path_to_error::Track::new();
    let parsed = T::deserialize(serde_path_to_error::Deserializer::new(
        serde_ignored::Deserializer::new(json, &mut note),
        &mut track,
    ));
    let parsed = parsed.map_err(|error| shape_or_json(error, &track.path()))?;
    match unknown {
        Some(place) => Err(Error::Shape { place: format!("`{place}`"), why: "unknown field".to_owned() }),
        None => Ok(parsed),
    }
}

fn shape_or_json(error: serde_json::Error, path: &serde_path_to_error::Path) -> Error {
    if error.is_data() {
        Error::Shape { place: format!("`{path}`"), why: error.to_string() }
    } else {
        Error::Json(error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    const SMALL: &str = r#"{"schema":1,"targets":[{"kind":"nixos","name":"web1","artifacts":{
        "a":{"backend":"agenix","files":{"f":{}},"generator":{"path":"/nix/store/x","drv":null}}}}]}"#;

    #[test]
    fn absent_fields_take_their_defaults() {
        let spec = parse(SMALL).unwrap();
        let artifact = &spec.targets[0].artifacts["a"];
        assert!(artifact.files["f"].secret && artifact.files["f"].deploy);
        assert!(!artifact.shared && !artifact.blocked && !artifact.network);
    }

    #[test]
    fn an_unknown_field_is_named_with_its_place() {
        let text = SMALL.replace("\"files\"", "\"colour\":1,\"files\"");
        assert_eq!(refusal(&text), "invalid spec at `targets.0.artifacts.a.colour`: unknown field");
    }

    #[test]
    fn a_field_of_others_is_left_alone() {
        parse(&SMALL.replace("\"files\"", "\"x-mine\":{\"y\":1},\"files\"")).unwrap();
    }

    /// A whole spec, in which every kind of name can be given twice.
    const LARGE: &str = r#"{"schema":1,"root":null,"backends":{"mine":{"component":"/c","grants":{"plaintext":true},"limits":{"files":1}}},
        "targets":[{"kind":"nixos","name":"web1","config":{"agenix":{"publicHostKey":"k","deep":[{"er":1}]}},"artifacts":{
        "a":{"backend":"agenix","files":{"f":{"path":"/p"}},"prompts":{"p":{"type":"line"}},"validation":{"v":1},
        "x-mine":{"y":1},"generator":{"path":"/g"}}}}]}"#;

    #[test]
    fn a_name_given_twice_is_refused_wherever_it_is_given() {
        parse(LARGE).unwrap();
        let keys: Vec<&str> = LARGE
            .split('"')
            .zip(LARGE.split('"').skip(1))
            .filter(|(_, next)| next.starts_with(':'))
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys.len(), 32);
        for key in keys {
            let twice = LARGE.replacen(&format!("\"{key}\":"), &format!("\"{key}\":null,\"{key}\":"), 1);
            let message = refusal(&twice);
            assert!(
                message.contains(&format!("{key}` in the spec: at line ")) && message.contains(" and at line "),
                "{message}"
            );
        }
    }

    #[test]
    fn no_message_is_as_long_as_what_it_is_about() {
        let long = "x".repeat(1_000_000);
        for text in [
            SMALL.replace("\"a\"", &format!("\"{long}\"")),
            SMALL.replace("\"web1\"", &format!("\"{long}\"")),
            SMALL.replace("\"files\"", &format!("\"{long}\":1,\"files\"")),
            SMALL.replace("\"files\"", &format!("\"{long}\":1,\"{long}\":1,\"files\"")),
            SMALL.replace("\"nixos\"", &format!("\"{long}\"")),
            SMALL.replace("/nix/store/x", &long),
            format!("{{\"schema\":\"{long}\"}}"),
        ] {
            let message = refusal(&text);
            assert!(message.len() < 3000 && message.contains("bytes)"), "{} bytes", message.len());
        }
    }

    #[test]
    fn another_schema_is_refused() {
        assert_eq!(refusal(r#"{"schema":2,"targets":7}"#), "the spec has schema 2; this program reads schema 1");
        assert_eq!(refusal(r#"{"targets":[]}"#), "the spec has schema none; this program reads schema 1");
    }

    #[test]
    fn a_truncated_spec_is_refused() {
        for end in 1..SMALL.len() {
            if SMALL.is_char_boundary(end) {
                assert!(parse(&SMALL[..end]).is_err(), "{}", &SMALL[..end]);
            }
        }
        assert!(refusal(&format!("{SMALL} {{}}")).contains("trailing characters"));
    }

    #[test]
    fn a_name_that_leaves_its_directory_is_refused_with_its_place() {
        let text = SMALL.replace("\"web1\"", "\"../web1\"");
        let message = refusal(&text);
        assert!(message.contains("targets[0].name") && message.contains("slash"), "{message}");
        let message = refusal(&SMALL.replace("\"f\":{}", "\"..\":{}"));
        assert!(message.contains("files") && message.contains("not allowed"), "{message}");
    }

    #[test]
    fn a_generator_that_is_no_absolute_path_is_refused_with_its_place() {
        let message = refusal(&SMALL.replace("/nix/store/x", "--delete"));
        assert!(message.contains("generator.path") && message.contains("absolute path, found `--delete`"), "{message}");
    }

    #[test]
    fn parsed_json_is_read_as_strictly_as_a_text() {
        for text in [
            SMALL.to_owned(),
            LARGE.to_owned(),
            SMALL.replace("\"files\"", "\"colour\":1,\"files\""),
            SMALL.replace("\"web1\"", "\"../web1\""),
            SMALL.replace("\"schema\":1", "\"schema\":2"),
            "7".to_owned(),
        ] {
            let value: Value = serde_json::from_str(&text).unwrap();
            match (parse(&text), from_value(&value)) {
                (Ok(one), Ok(other)) => assert_eq!(one, other),
                (Err(one), Err(other)) => assert!(
                    one.to_string().starts_with(&other.to_string()) || text == "7",
                    "but for its line: {one}, {other}"
                ),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn two_targets_of_one_name_are_refused() {
        let text = r#"{"schema":1,"targets":[{"kind":"nixos","name":"a"},{"kind":"nixos","name":"a"}]}"#;
        assert_eq!(refusal(text), "the spec has two nixos targets named `a`: `targets[0]` and `targets[1]`");
        parse(&text.replacen("nixos", "home-manager", 1)).unwrap();
        let text = r#"{"schema":1,"targets":[{"kind":"nixos","name":"a"}],
            "unevaluated":[{"kind":"darwin","name":"a","error":"e"},{"kind":"nixos","name":"a","error":"e"}]}"#;
        assert_eq!(refusal(text), "the spec has two nixos targets named `a`: `targets[0]` and `unevaluated[1]`");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_was_read_reads_the_same_again(name in "[a-z@. -]{1,20}", seconds in proptest::option::of(0u64..1 << 40)) {
            proptest::prop_assume!(crate::Name::new(name.clone()).is_ok());
            let age = seconds.map_or_else(|| "null".to_owned(), |s| s.to_string());
            let text = SMALL.replace("\"f\"", &format!("\"{name}\""))
                .replace("\"backend\"", &format!("\"maxAge\":{age},\"backend\""));
            let spec = parse(&text).unwrap();
            proptest::prop_assert_eq!(&parse(&serde_json::to_string(&spec).unwrap()).unwrap(), &spec);
        }
    }
}
