//! JSON lines: the specs of single targets, each evaluated on its own, and what an evaluator reports of those that failed.

use std::path::PathBuf;

use artifacts_text::{shortened, size};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::join::{Conflict, ConflictSubject, join};
use crate::twice;
use crate::{Error, Name, Registration, Spec, TargetKind, UnevaluatedTarget, from_value, parse};

/// The most that a line may have, in bytes. The line of a machine has some 5 KB.
const LONGEST: usize = 64 << 20;
/// So much of an attribute, of an error and of a registration is shown, in bytes.
const SHOWN: usize = 300;
/// Some programs write it at the beginning of a text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Why a text is not a spec.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The text is one JSON document, which is not a spec.
    #[error(transparent)]
    Document(Error),
    /// A line is not JSON, or its spec is invalid.
    #[error("line {number}: {source}")]
    Line {
        /// Its number, from 1.
        number: usize,
        /// What is wrong.
        source: Error,
    },
    /// A line is cut short.
    #[error("line {number} ends within a value")]
    Truncated {
        /// Its number.
        number: usize,
    },
    /// A line exceeds the limit.
    #[error("line {number} exceeds {}", size(LONGEST as u64))]
    TooLong {
        /// Its number.
        number: usize,
    },
    /// A line has another form.
    #[error("line {number} is neither a spec nor a result of an evaluator: expected `schema`, `error` or `extraValue`")]
    Unknown {
        /// Its number.
        number: usize,
    },
    /// Something failed to evaluate that is not a target, such as the whole flake.
    #[error("line {number}: cannot evaluate {}: {}", place(.attribute), shortened(.error.lines().next().unwrap_or_default(), SHOWN))]
    NotATarget {
        /// Its number.
        number: usize,
        /// Attribute, as the line has it.
        attribute: String,
        /// The evaluator's message.
        error: String,
    },
    /// Two lines have different roots.
    #[error("line {first} and line {second} disagree on `root`: line {first} has `{one}`, line {second} has `{other}`")]
    Root {
        /// The number of the one.
        first: usize,
        /// The number of the other.
        second: usize,
        /// The root of the one, for people.
        one: String,
        /// The root of the other.
        other: String,
    },
    /// Two lines register a backend differently, or the one uses it without a registration.
    #[error(
        "line {first} and line {second} disagree on backend `{name}`: line {first} has {one}, line {second} has {other}"
    )]
    Backend {
        /// The number of the one.
        first: usize,
        /// The number of the other.
        second: usize,
        /// The backend.
        name: Name,
        /// The registration of the one, for people.
        one: String,
        /// The registration of the other.
        other: String,
    },
    /// Two lines have the same target.
    #[error("line {first} and line {second} both have the {} target `{name}`", .kind.as_str())]
    TargetTwice {
        /// The number of the one.
        first: usize,
        /// The number of the other.
        second: usize,
        /// The target's kind.
        kind: TargetKind,
        /// Its name.
        name: Name,
    },
}

/// Names what is not a target, for people.
fn place(attribute: &str) -> String {
    match attribute {
        "" => "the targets".to_owned(),
        _ => format!("`{}`, which is not a target", shortened(attribute, SHOWN)),
    }
}

/// Reads a whole spec from one JSON document, or from JSON lines: a spec each, or a result of an evaluator in the form of
/// `nix-eval-jobs`, with `attrPath` and either the spec in `extraValue` or an `error`. The order of lines does not matter.
///
/// # Errors
/// See [`LinesError`]; nothing of a text that has one fault is used.
pub fn from_text(text: &str) -> Result<Spec, LinesError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut lines = numbered(text);
    let first = lines.next();
    let is_alone = lines.next().is_none();
    if !is_alone && first.is_some_and(|(_, line)| Form::of(line).is_some_and(|form| form.is_record())) {
        return joined(text);
    }
    parse(text).or_else(|error| match error {
        // The first of several lines may be the one that is at fault.
        Error::Json(_) | Error::Twice(_) if !is_alone && has_record(text, Form::is_record) => joined(text),
        Error::Schema { .. } if is_alone && has_record(text, Form::is_result) => joined(text),
        error => Err(LinesError::Document(error)),
    })
}

/// The lines that are not blank, with their numbers.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(|line| line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line));
    (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty())
}

fn has_record(text: &str, is: fn(&Form) -> bool) -> bool {
    numbered(text).any(|(_, line)| Form::of(line).is_some_and(|form| is(&form)))
}

/// What tells the forms of a line apart. An evaluator may say more, which is left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    schema: Option<IgnoredAny>,
    attr: Option<String>,
    attr_path: Option<Vec<String>>,
    error: Option<Value>,
    extra_value: Option<Value>,
}

impl Form {
    fn of(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    fn is_result(&self) -> bool {
        self.schema.is_none() && (self.attr.is_some() || self.attr_path.is_some())
    }

    fn is_record(&self) -> bool {
        self.schema.is_some() || self.is_result()
    }

    /// Returns the path of attributes that was evaluated.
    fn path(&self) -> Vec<String> {
        self.attr_path.clone().unwrap_or_else(|| attributes(self.attr.as_deref().unwrap_or_default()))
    }
}

/// Splits a path of attributes at its dots, except in quotes.
fn attributes(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_quoted = false;
    for character in path.chars() {
        match (character, parts.last_mut()) {
            ('"', _) => is_quoted = !is_quoted,
            ('.', _) if !is_quoted => parts.push(String::new()),
            (_, Some(part)) => part.push(character),
            (_, None) => {}
        }
    }
    parts
}

fn joined(text: &str) -> Result<Spec, LinesError> {
    let mut numbers = Vec::new();
    let mut specs = Vec::new();
    for (number, line) in numbered(text) {
        specs.push(spec(number, line)?);
        numbers.push(number);
    }
    join(specs).map_err(|conflict| contradiction(conflict, &numbers))
}

/// Reads one line.
fn spec(number: usize, line: &str) -> Result<Spec, LinesError> {
    if line.len() > LONGEST {
        return Err(LinesError::TooLong { number });
    }
    let read = |text: &str| serde_json::from_str::<Form>(text).map_err(Error::Json);
    let form = match read(line) {
        Err(Error::Json(error)) if error.is_data() => return Err(LinesError::Unknown { number }),
        form => placed(number, line, form, read)?,
    };
    if form.schema.is_some() {
        return placed(number, line, parse(line), parse);
    }
    placed(number, line, once(line), once)?;
    let path = form.path();
    match (form.error, form.extra_value) {
        (Some(error), _) => unevaluated(number, &path, message(error)),
        (None, Some(value)) => from_value(&value).map_err(|source| LinesError::Line { number, source }),
        (None, None) => Err(LinesError::Unknown { number }),
    }
}

fn once(text: &str) -> Result<(), Error> {
    twice::find(text).map_or(Ok(()), |twice| Err(Error::Twice(twice)))
}

/// Adds the number of the line to an error, also where the error names a line: it counts from the beginning of what it read.
fn placed<T>(
    number: usize,
    line: &str,
    result: Result<T, Error>,
    read: impl Fn(&str) -> Result<T, Error>,
) -> Result<T, LinesError> {
    result.map_err(|error| match error {
        Error::Json(error) if error.is_eof() => LinesError::Truncated { number },
        error => {
            let again = read(&format!("{}{line}", "\n".repeat(number - 1)));
            LinesError::Line { number, source: again.err().unwrap_or(error) }
        }
    })
}

/// Returns the text of an error, which an evaluator may say in another form.
fn message(error: Value) -> String {
    match error {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Represents a target that failed to evaluate.
fn unevaluated(number: usize, path: &[String], error: String) -> Result<Spec, LinesError> {
    let Some((kind, name)) = target(path) else {
        return Err(LinesError::NotATarget { number, attribute: path.join("."), error });
    };
    let failed = UnevaluatedTarget { kind, name, takes_itself_for: None, error };
    Ok(Spec { unevaluated: vec![failed], ..Spec::empty() })
}

/// Returns the target that an attribute is: its last parts are the kind and the name.
fn target(path: &[String]) -> Option<(TargetKind, Name)> {
    let [.., kind, name] = path else { return None };
    let kind = TargetKind::ALL.into_iter().find(|one| one.as_str() == kind)?;
    Some((kind, Name::new(name.clone()).ok()?))
}

fn contradiction(Conflict { first, second, subject }: Conflict, numbers: &[usize]) -> LinesError {
    let number = |index: usize| numbers.get(index).copied().unwrap_or_default();
    let (first, second) = (number(first), number(second));
    match subject {
        ConflictSubject::Root(one, other) => {
            let shown = |root: PathBuf| shortened(&root.display().to_string(), SHOWN).into_owned();
            LinesError::Root { first, second, one: shown(one), other: shown(other) }
        }
        ConflictSubject::Backend(name, one, other) => {
            LinesError::Backend { first, second, name, one: shown(Some(&one)), other: shown(other.as_deref()) }
        }
        ConflictSubject::Target(kind, name) => LinesError::TargetTwice { first, second, kind, name },
    }
}

fn shown(registration: Option<&Registration>) -> String {
    let text = registration.and_then(|entry| serde_json::to_string(entry).ok());
    text.map_or_else(|| "nothing".to_owned(), |text| format!("`{}`", shortened(&text, SHOWN)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The spec of one machine, in one line.
    fn machine(name: &str) -> Value {
        json!({"schema": 1, "root": "/r", "backends": {"vault": {"component": "/v"}}, "targets": [
            {"kind": "nixos", "name": name, "artifacts": {"a": {"backend": "vault", "files": {"f": {}}}}}]})
    }

    fn failed(attribute: &str) -> Value {
        json!({"attr": attribute, "attrPath": attributes(attribute), "error": "error: no\n  such"})
    }

    fn text(lines: &[Value]) -> String {
        lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n"
    }

    fn names(spec: &Spec) -> Vec<&str> {
        spec.targets.iter().map(|target| target.name.as_str()).collect()
    }

    fn refusal(text: &str) -> String {
        from_text(text).unwrap_err().to_string()
    }

    #[test]
    fn each_line_is_a_target() {
        let both = text(&[machine("web2"), machine("web1")]);
        let spec = from_text(&both).unwrap();
        assert_eq!(names(&spec), ["web1", "web2"]);
        assert_eq!(spec.root, Some("/r".into()));
        assert_eq!(from_text(&text(&[machine("web1")])).unwrap(), parse(&machine("web1").to_string()).unwrap());
    }

    #[test]
    fn one_document_is_read_as_before() {
        let pretty = serde_json::to_string_pretty(&machine("web1")).unwrap();
        assert!(pretty.lines().count() > 10);
        assert_eq!(from_text(&pretty).unwrap(), parse(&pretty).unwrap());
        // A line of a document may look like a line of a target.
        let looks = r#"{"x-lines":
            {"schema": 1}
            , "schema": 1, "targets": []}"#;
        assert_eq!(from_text(looks).unwrap(), parse(looks).unwrap());
        for wrong in ["", "{", "7", "{}", r#"{"schema": 2}"#, r#"{"error": "x"}"#, "{}\n{}", "{\n\"schema\": 1,\n}"] {
            assert_eq!(refusal(wrong), parse(wrong).unwrap_err().to_string(), "{wrong}");
        }
        // The order of its targets stays.
        let mut two = machine("web2");
        two["targets"].as_array_mut().unwrap().push(machine("web1")["targets"][0].clone());
        assert_eq!(names(&from_text(&two.to_string()).unwrap()), ["web2", "web1"]);
    }

    #[test]
    fn ends_of_lines_blank_lines_and_marks_at_the_beginning_do_not_matter() {
        let (one, two) = (machine("web1"), machine("web2"));
        let plain = from_text(&text(&[one.clone(), two.clone()])).unwrap();
        for same in [
            format!("{one}\n{two}"),
            format!("{one}\r\n{two}\r\n"),
            format!("\n  \n{one}\n\t\r\n{two}\n\n"),
            format!("\u{feff}{one}\n\u{feff}{two}\n"),
        ] {
            assert_eq!(from_text(&same).unwrap(), plain, "{same:?}");
        }
        assert_eq!(from_text(&format!("\u{feff}{one}")).unwrap(), parse(&one.to_string()).unwrap());
    }

    #[test]
    fn a_line_may_be_a_result_of_an_evaluator() {
        let result = json!({"attr": "nixos.web1", "attrPath": ["nixos", "web1"], "drvPath": "/nix/store/x.drv",
            "name": "x", "system": "x86_64-linux", "outputs": {"out": "/nix/store/x"}, "extraValue": machine("web1")});
        let alone = from_text(&result.to_string()).unwrap();
        assert_eq!(alone, parse(&machine("web1").to_string()).unwrap());
        assert_eq!(names(&from_text(&text(&[machine("web0"), result])).unwrap()), ["web0", "web1"]);
    }

    #[test]
    fn an_error_of_an_evaluator_marks_its_target() {
        for (attribute, kind, name) in [
            ("nixos.web2", TargetKind::Nixos, "web2"),
            ("hydraJobs.artifacts.darwin.mac", TargetKind::Darwin, "mac"),
            (r#"home-manager."a.b@web1""#, TargetKind::HomeManager, "a.b@web1"),
        ] {
            let mut by_name = failed(attribute);
            by_name.as_object_mut().unwrap().remove("attrPath");
            for line in [failed(attribute), by_name] {
                for lines in [text(std::slice::from_ref(&line)), text(&[machine("web1"), line])] {
                    let spec = from_text(&lines).unwrap();
                    let error = "error: no\n  such".to_owned();
                    let name = Name::new(name).unwrap();
                    let expected = UnevaluatedTarget { kind, name, takes_itself_for: None, error };
                    assert_eq!(spec.unevaluated, [expected]);
                }
            }
        }
        // The flake itself, what is no target, and a name that no entry can have.
        for (attribute, shown) in [
            ("", "the targets"),
            ("nixos", "`nixos`, which is not a target"),
            ("checks.x", "`checks.x`, which is not a target"),
            ("nixos.-", "`nixos.-`, which is not a target"),
        ] {
            let message = refusal(&text(&[machine("web1"), failed(attribute)]));
            assert_eq!(message, format!("line 2: cannot evaluate {shown}: error: no"));
        }
    }

    #[test]
    fn lines_that_contradict_each_other_are_named() {
        let changed = |place: &str, value: Value| {
            let mut other = machine("web2");
            *other.pointer_mut(place).unwrap() = value;
            other
        };
        for (second, expected) in [
            (machine("web1"), "line 2 and line 4 both have the nixos target `web1`".to_owned()),
            (failed("nixos.web1"), "line 2 and line 4 both have the nixos target `web1`".to_owned()),
            (
                changed("/root", json!("/s")),
                "line 2 and line 4 disagree on `root`: line 2 has `/r`, line 4 has `/s`".to_owned(),
            ),
            (
                changed("/backends/vault/component", json!("/w")),
                r#"line 2 and line 4 disagree on backend `vault`: line 2 has `{"component":"/v""#.to_owned(),
            ),
            (changed("/backends", json!({})), "line 4 has nothing".to_owned()),
        ] {
            let blank = Value::String(String::new());
            let lines = text(&[blank.clone(), machine("web1"), blank, second]).replace("\"\"\n", "\n");
            let message = refusal(&lines);
            assert!(message.contains(&expected), "{message}");
        }
        let message = refusal(&text(&[machine("web1"), changed("/root", json!("/x".repeat(1_000_000)))]));
        assert!(message.len() < 1000, "{message}");
        // What sets no root, and does not use the backend, agrees.
        let mut silent = changed("/root", Value::Null);
        silent["backends"] = json!({});
        silent["targets"][0]["artifacts"]["a"]["backend"] = json!("agenix");
        assert_eq!(from_text(&text(&[silent, machine("web1")])).unwrap().backends.len(), 1);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let one = machine("web1");
        let whole = machine("web2").to_string();
        for (line, expected) in [
            (whole[..whole.len() - 1].to_owned(), "line 3 ends within a value"),
            (whole[..40].to_owned(), "line 3 ends within a value"),
            (format!("{whole} x"), "line 3: the spec is not JSON: trailing characters at line 3 column"),
            (whole.replace("web2", ".."), "line 3: invalid spec at `targets[0].name`: "),
            (
                whole.replace("\"files\"", "\"a\":1,\"files\""),
                "line 3: invalid spec at `targets.0.artifacts.a.a`: unknown field",
            ),
            (
                whole.replace("\"name\"", "\"kind\":1,\"name\""),
                "line 3: duplicate key `targets[0].kind` in the spec: at line 3, column",
            ),
            (r#"{"attr":"a","attr":"a"}"#.to_owned(), "line 3 is neither a spec nor a result"),
            (
                r#"{"attr":"a","x":{"b":1,"b":1}}"#.to_owned(),
                "line 3: duplicate key `x.b` in the spec: at line 3, column",
            ),
            (r#"{"schema":2}"#.to_owned(), "line 3: the spec has schema 2; this program reads schema 1"),
            (r#"{"attr":"nixos.a","drvPath":"/x"}"#.to_owned(), "line 3 is neither a spec nor a result"),
            (r#"{"attr":"a","extraValue":{"schema":1}}"#.to_owned(), "line 3: invalid spec at `.`: missing field"),
            ("[]".to_owned(), "line 3 is neither a spec nor a result"),
            ("null".to_owned(), "line 3 is neither a spec nor a result"),
        ] {
            let message = refusal(&format!("{one}\n\n{line}\n"));
            assert!(message.starts_with(expected), "{message}");
        }
        // The first one as well, though it is then like the beginning of one document.
        let message = refusal(&format!("{}\n{one}\n", &whole[..whole.len() - 1]));
        assert_eq!(message, "line 1 ends within a value");
    }

    #[test]
    fn a_line_over_the_limit_is_refused_unread() {
        let one = machine("web1");
        let long = "x".repeat(LONGEST);
        assert_eq!(refusal(&format!("{one}\n{{\"schema\":1,\"{long}\":1}}\n")), "line 2 exceeds 64 MiB");
    }

    #[test]
    fn every_end_of_lines_but_that_of_a_line_is_noticed() {
        let whole = text(&[machine("web1"), machine("web2")]);
        let first = machine("web1").to_string().len();
        for end in 1..whole.len() - 1 {
            let is_complete = end == first || end == first + 1;
            assert_eq!(from_text(&whole[..end]).is_ok(), is_complete, "{}", &whole[..end]);
        }
    }

    /// A target: its kind, its name, how many artifacts it has, and whether it fails to evaluate.
    type Drawn = (TargetKind, String, usize, bool);

    /// The targets of a spec.
    fn targets() -> impl Strategy<Value = Vec<Drawn>> {
        let target = (prop::sample::select(TargetKind::ALL.to_vec()), "[a-z][a-z.@ ]{0,4}[a-z]");
        let more = (0..4_usize, prop::bool::weighted(0.2));
        prop::collection::btree_map(target, more, 2..12).prop_map(|all| {
            let flat = all.into_iter().map(|((kind, name), (artifacts, fails))| (kind, name, artifacts, fails));
            flat.collect()
        })
    }

    proptest! {
        #[test]
        fn any_split_in_any_order_gives_the_spec_back(
            targets in targets().prop_shuffle(),
            cuts in prop::collection::vec(any::<bool>(), 12),
            forms in prop::collection::vec(any::<bool>(), 12),
        ) {
            let target = |(kind, name, artifacts, _): &Drawn| {
                let backend = |n| if n % 2 == 0 { "agenix" } else { "vault" };
                let of = |n| (format!("a{n}"), json!({"backend": backend(n), "files": {"f": {}}}));
                let artifacts: serde_json::Map<String, Value> = (0..*artifacts).map(of).collect();
                json!({"kind": kind, "name": name, "artifacts": artifacts})
            };
            let document = |some: &[Drawn]| {
                let (failed, evaluated): (Vec<_>, Vec<_>) = some.iter().partition(|(.., fails)| *fails);
                let failed = failed.iter().map(|(kind, name, ..)| json!({"kind": kind, "name": name, "error": "e"}));
                json!({"schema": 1, "root": "/r", "backends": {"vault": {"component": "/v"}},
                    "targets": evaluated.into_iter().map(target).collect::<Vec<_>>(),
                    "unevaluated": failed.collect::<Vec<_>>()})
            };
            let mut sorted = targets.clone();
            sorted.sort();
            let whole = parse(&document(&sorted).to_string()).unwrap();

            let mut lines = Vec::new();
            let mut rest = targets.as_slice();
            for (is_longer, is_result) in cuts.iter().zip(&forms) {
                let (some, after) = rest.split_at(rest.len().min(if *is_longer { 3 } else { 1 }));
                rest = after;
                let attribute = |kind: TargetKind, name: &str| json!([kind.as_str(), name]);
                match some {
                    [] => {}
                    [(kind, name, _, true)] if *is_result => {
                        lines.push(json!({"attrPath": attribute(*kind, name), "error": "e"}));
                    }
                    [(kind, name, ..), ..] if *is_result => {
                        lines.push(json!({"attrPath": attribute(*kind, name), "extraValue": document(some)}));
                    }
                    _ => lines.push(document(some)),
                }
            }
            // One line alone would be a document, whose targets keep their order.
            lines.push(document(&[]));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(from_text(&text(&lines)).unwrap(), whole.clone());
            lines.reverse();
            prop_assert_eq!(from_text(&text(&lines)).unwrap(), whole);
        }

        #[test]
        fn no_text_makes_it_panic(text in "([\\[\\]{}\":,\\\\ \r\n\u{feff}1a]|\"schema\":1|\"attr\":\"a.b\"|\"error\":){0,40}") {
            let _ = from_text(&text);
        }
    }
}
