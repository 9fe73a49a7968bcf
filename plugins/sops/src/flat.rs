//! Metadata of files that have no maps and lists: `age__list_0__map_recipient`.

use crate::error::FormatError;
use crate::node::SopsNode;

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// The one field that is not a text.
const TRUTH: &str = "mac_only_encrypted";

/// A step into a map or a list.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Returns the map that these fields were made of, in whatever order they are.
pub(crate) fn unflattened(fields: &[(String, String)]) -> Result<SopsNode, FormatError> {
    let mut root = SopsNode::Map(Vec::new());
    for (name, text) in fields {
        let value = match text.as_str() {
            "true" | "false" if name == TRUTH => SopsNode::Bool(text == "true"),
            // A line break would end the field.
            _ => SopsNode::Text(text.replace("\\n", "\n")),
        };
        let fault = || FormatError::Field {
            field: name.escape_debug().to_string(),
            expected: "a field once, as sops flattens it",
            found: "another".to_owned(),
        };
        let steps = steps(name).ok_or_else(fault)?;
        place(&mut root, &steps, value, fields.len()).ok_or_else(fault)?;
    }
    Ok(root)
}

/// Returns the way that a name says.
fn steps(name: &str) -> Option<Vec<Step<'_>>> {
    let next = |text: &str| [text.find(MAP), text.find(LIST)].into_iter().flatten().min().unwrap_or(text.len());
    let (first, mut rest) = name.split_at(next(name));
    let mut steps = vec![Step::Key(first)];
    while !rest.is_empty() {
        let (is_list, inner) = match rest.strip_prefix(LIST) {
            Some(inner) => (true, inner),
            None => (false, rest.strip_prefix(MAP)?),
        };
        let (step, after) = inner.split_at(next(inner));
        steps.push(if is_list { Step::Index(step.parse().ok()?) } else { Step::Key(step) });
        rest = after;
    }
    Some(steps)
}

/// Puts a value where these steps lead, into lists of at most so many items; none where there is something else.
fn place(node: &mut SopsNode, steps: &[Step<'_>], value: SopsNode, longest: usize) -> Option<()> {
    let Some((step, rest)) = steps.split_first() else {
        return matches!(node, SopsNode::Null).then(|| *node = value);
    };
    let inner = match step {
        Step::Key(key) => {
            if matches!(node, SopsNode::Null) {
                *node = SopsNode::Map(Vec::new());
            }
            let SopsNode::Map(entries) = node else { return None };
            let at = entries.iter().position(|(other, _)| other == key).unwrap_or(entries.len());
            if at == entries.len() {
                entries.push(((*key).to_owned(), SopsNode::Null));
            }
            &mut entries.get_mut(at)?.1
        }
        Step::Index(index) => {
            if matches!(node, SopsNode::Null) {
                *node = SopsNode::List(Vec::new());
            }
            let SopsNode::List(items) = node else { return None };
            if *index >= items.len() && *index < longest {
                items.resize(index + 1, SopsNode::Null);
            }
            items.get_mut(*index)?
        }
    };
    place(inner, rest, value, longest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<SopsNode, FormatError> {
        let fields: Vec<_> = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        unflattened(&fields)
    }

    #[test]
    fn fields_are_put_together_in_any_order() {
        let fields = [
            ("age__list_1__map_recipient", "age1b"),
            ("age__list_0__map_enc", "a\\nb"),
            ("mac_only_encrypted", "true"),
            ("age__list_0__map_recipient", "age1a"),
        ];
        let map = |pairs: &[(&str, SopsNode)]| {
            SopsNode::Map(pairs.iter().map(|(key, node)| ((*key).to_owned(), node.clone())).collect())
        };
        let text = |text: &str| SopsNode::Text(text.to_owned());
        let first = map(&[("enc", text("a\nb")), ("recipient", text("age1a"))]);
        let age = SopsNode::List(vec![first, map(&[("recipient", text("age1b"))])]);
        assert_eq!(read(&fields).unwrap(), map(&[("age", age), ("mac_only_encrypted", SopsNode::Bool(true))]));
    }

    #[test]
    fn what_sops_does_not_write_is_refused() {
        for fields in [
            &[("a", "x"), ("a", "y")][..],
            &[("a", "x"), ("a__map_b", "y")],
            &[("a__map_b", "x"), ("a__list_0", "y")],
            &[("a__list_x", "y")],
            &[("a__list_99999999", "y")],
        ] {
            assert!(matches!(read(fields), Err(FormatError::Field { .. })), "{fields:?}");
        }
    }
}
