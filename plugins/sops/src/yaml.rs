use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::error::FormatError;
use crate::form::Form;
use crate::node::SopsNode;

/// Deeper than any file of secrets, and far from the end of the stack.
const DEEPEST: usize = 64;

/// Reads one YAML document with keys in their order. Comments are dropped (they are in no MAC). Aliases, tags, merges and
/// a second document are refused: what they mean differs between readers, and no file of secrets needs them.
pub(crate) fn read(bytes: &[u8]) -> Result<SopsNode, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|error| syntax(error.to_string()))?;
    let mut recipient = YamlParser { events: Parser::new_from_str(text) };
    loop {
        match recipient.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Err(syntax("it is empty".into())),
            event => {
                let node = recipient.node(event, 0)?;
                return recipient.end().map(|()| node);
            }
        }
    }
}

fn syntax(why: String) -> FormatError {
    FormatError::Syntax { form: Form::Yaml, why }
}

struct YamlParser<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> YamlParser<'a> {
    fn next(&mut self) -> Result<Event<'a>, FormatError> {
        match self.events.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(syntax(error.to_string())),
            None => Err(FormatError::Truncated { form: Form::Yaml }),
        }
    }

    fn end(&mut self) -> Result<(), FormatError> {
        loop {
            match self.next()? {
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(()),
                _ => return Err(syntax("there is a second document".into())),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<SopsNode, FormatError> {
        if depth > DEEPEST {
            return Err(syntax(format!("it is nested deeper than {DEEPEST} levels")));
        }
        match event {
            Event::Scalar(text, style, 0, None) => Ok(scalar(&text, style)),
            Event::SequenceStart(0, None) => self.list(depth),
            Event::MappingStart(0, None) => self.map(depth),
            Event::Alias(_) => Err(syntax("it has an alias".into())),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                Err(syntax("it has an anchor or a tag".into()))
            }
            _ => Err(FormatError::Truncated { form: Form::Yaml }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<SopsNode, FormatError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(SopsNode::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<SopsNode, FormatError> {
        let mut entries = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(SopsNode::Map(entries)),
                Event::Scalar(text, style, 0, None) => key(&text, style)?,
                _ => return Err(syntax("it has a key that is no text".into())),
            };
            if !seen.insert(key.clone()) {
                return Err(FormatError::Twice { key });
            }
            let event = self.next()?;
            entries.push((key, self.node(event, depth + 1)?));
        }
    }
}

fn key(text: &str, style: ScalarStyle) -> Result<String, FormatError> {
    match scalar(text, style) {
        SopsNode::Text(text) if text != "<<" || style != ScalarStyle::Plain => Ok(text),
        other => Err(syntax(format!("it has a key that is {}: `{}`", other.kind(), text.escape_debug()))),
    }
}

/// The type that sops gives to a scalar.
fn scalar(text: &str, style: ScalarStyle) -> SopsNode {
    if style != ScalarStyle::Plain {
        return SopsNode::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => SopsNode::Null,
        "true" | "True" | "TRUE" => SopsNode::Bool(true),
        "false" | "False" | "FALSE" => SopsNode::Bool(false),
        _ if decimal(text) => number(text),
        _ if odd(text) => SopsNode::Odd(text.to_owned()),
        _ => SopsNode::Text(text.to_owned()),
    }
}

/// A whole number or fraction that every reader takes for the same.
fn decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0')) && digits.len() < 18
}

fn number(text: &str) -> SopsNode {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(whole), _) => SopsNode::Number(whole.to_string()),
        (_, Ok(fraction)) => SopsNode::Number(fraction.to_string()),
        _ => SopsNode::Odd(text.to_owned()),
    }
}

/// What begins as a number and is none of the plain ones: hexadecimal, octal, underscored, exponents, times, infinities.
/// Versions and the like with two dots are texts for everybody.
fn odd(text: &str) -> bool {
    let begins = text.trim_start_matches(['-', '+']).trim_start_matches('.');
    let lower = begins.to_ascii_lowercase();
    let numeric = begins.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    lower == "inf" || lower == "nan" || (numeric && text.matches('.').count() < 2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn one(text: &str) -> SopsNode {
        let SopsNode::Map(mut entries) = read(format!("a: {text}\n").as_bytes()).unwrap() else { unreachable!() };
        entries.remove(0).1
    }

    #[test]
    fn a_scalar_has_the_type_that_sops_gives_it() {
        for (text, node) in [
            ("x", SopsNode::Text("x".into())),
            ("\"1\"", SopsNode::Text("1".into())),
            ("'true'", SopsNode::Text("true".into())),
            ("yes", SopsNode::Text("yes".into())),
            ("3.9.0", SopsNode::Text("3.9.0".into())),
            ("1", SopsNode::Number("1".into())),
            ("-12", SopsNode::Number("-12".into())),
            ("1.50", SopsNode::Number("1.5".into())),
            ("true", SopsNode::Bool(true)),
            ("~", SopsNode::Null),
            ("", SopsNode::Null),
            ("2001-01-01", SopsNode::Odd("2001-01-01".into())),
            ("0x1f", SopsNode::Odd("0x1f".into())),
            ("017", SopsNode::Odd("017".into())),
            ("1_000", SopsNode::Odd("1_000".into())),
            ("1e3", SopsNode::Odd("1e3".into())),
            (".inf", SopsNode::Odd(".inf".into())),
        ] {
            assert_eq!(one(text), node, "{text}");
        }
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for text in [
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: 1\n---\nb: 1\n",
            "<<: {a: 1}\n",
            "1: a\n",
            "? [a]\n: b\n",
            "a: [",
            "",
            "a: \"x",
        ] {
            assert!(
                matches!(read(text.as_bytes()), Err(FormatError::Syntax { .. } | FormatError::Truncated { .. })),
                "{text}"
            );
        }
        assert_eq!(read(b"a: 1\na: 2\n"), Err(FormatError::Twice { key: "a".into() }));
        assert!(read(format!("a: {}", "[".repeat(10_000)).as_bytes()).is_err());
    }
}
