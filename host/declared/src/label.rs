use std::collections::BTreeSet;
use std::fmt;

use artifacts_text::visible_ascii;

use crate::RecipientName;

/// So much of a label that anyone could have written is shown, in characters.
const SHOWN: usize = 60;

/// Says who a recipient is, for people. It is never identity: what is accepted and compared is the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// By the declarations: names of an admin, or of targets whose own key it is.
    Declared(BTreeSet<String>),
    /// By a component, a receipt or the comment of a key. Anyone could have written it, so it is shown in quotes.
    Claimed(String),
    /// By no one: the option and the position that have its key.
    Position(String),
}

impl Label {
    /// Returns the names, by which labels are compared. A position is no name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (many, one) = match self {
            Self::Declared(names) => (Some(names), None),
            Self::Claimed(name) => (None, Some(name)),
            Self::Position(_) => (None, None),
        };
        many.into_iter().flatten().chain(one).map(String::as_str)
    }

    /// Returns whether it is by the declarations.
    pub fn is_declared(&self) -> bool {
        matches!(self, Self::Declared(_))
    }
}

/// Shows visible ASCII alone.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(names) => {
                let names: Vec<_> = names.iter().map(|name| bare_or_quoted(name)).collect();
                f.write_str(&names.join(", "))
            }
            Self::Claimed(name) => f.write_str(&quoted(name)),
            Self::Position(place) => f.write_str(&visible_ascii(place)),
        }
    }
}

/// Shows a name as it is where nothing in it could be taken for something else, and in quotes otherwise. A target may have almost any
/// name, and whoever can push may declare one.
pub fn bare_or_quoted(name: &str) -> String {
    if RecipientName::new(name).is_ok() { name.to_owned() } else { quoted(name) }
}

fn quoted(name: &str) -> String {
    let begin: String = name.chars().take(SHOWN).collect();
    let more = if begin.len() < name.len() { "..." } else { "" };
    let quoted = begin.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}{more}\"", visible_ascii(&quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_declared_is_shown_without_quotes() {
        let declared = |names: &[&str]| Label::Declared(names.iter().map(ToString::to_string).collect());
        assert_eq!(declared(&["web1"]).to_string(), "web1");
        assert_eq!(declared(&["root", "alice"]).to_string(), "alice, root");
        assert_eq!(Label::Claimed("alice".to_owned()).to_string(), "\"alice\"");
        assert_eq!(Label::Position("publicUserKeys[1] of web1".to_owned()).names().count(), 0);
        assert_eq!(declared(&["root", "alice"]).names().collect::<Vec<_>>(), ["alice", "root"]);
    }

    #[test]
    fn a_target_whose_name_is_no_word_is_shown_in_quotes() {
        let of = |name: &str| Label::Declared(BTreeSet::from([name.to_owned()])).to_string();
        assert_eq!(of("alice (YubiKey), recipients of web1"), "\"alice (YubiKey), recipients of web1\"");
        assert_eq!(of("web1, alice"), "\"web1, alice\"");
        assert_eq!(of("alice@web1.example.org"), "alice@web1.example.org");
    }

    #[test]
    fn no_label_leaves_its_quotes_or_is_anything_but_short_visible_ascii() {
        for hostile in [
            "a\" joins 3",
            "\u{1b}[2J",
            "\u{202e}ecila",
            "\u{430}lice",
            "a\nb",
            "\\\"",
            &"x".repeat(1 << 20),
            &"\u{200b}".repeat(500),
        ] {
            let shown = Label::Claimed(hostile.to_owned()).to_string();
            assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{shown}");
            assert!(shown.len() < 700, "{} bytes", shown.len());
            let inside = shown.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            assert!(
                inside.is_some_and(|inside| !inside.replace("\\\\", "").replace("\\\"", "").contains('"')),
                "{shown}"
            );
        }
        let target = Label::Declared(BTreeSet::from(["web\u{441}".to_owned()]));
        assert_eq!(target.to_string(), "\"web\\u{441}\"");
    }
}
