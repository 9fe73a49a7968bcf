//! Patterns of one component of a name, as shells have them: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before what stands for itself.

/// Holds a pattern of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Any characters, or none.
    Many,
    /// One character.
    One,
    /// This character.
    Is(char),
    /// A character of these ranges, or of none of them.
    Of { ranges: Vec<(char, char)>, negated: bool },
}

/// Characters that a pattern gives a meaning.
const SPECIAL: [char; 4] = ['*', '?', '[', '\\'];

/// Returns whether a text is more than the name that it spells.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(SPECIAL)
}

/// Returns the pattern that matches a name alone.
pub(crate) fn escape(name: &str) -> String {
    let escaped = |c: char| SPECIAL.contains(&c).then_some('\\').into_iter().chain([c]);
    name.chars().flat_map(escaped).collect()
}

impl Pattern {
    /// Reads a pattern. A bracket that is never closed, and a backslash at the end, stand for themselves.
    pub(crate) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            let (piece, left) = match c {
                '*' => (Piece::Many, after),
                '?' => (Piece::One, after),
                '[' => class(after).unwrap_or((Piece::Is('['), after)),
                '\\' => match after.chars().next() {
                    Some(escaped) => (Piece::Is(escaped), after.get(escaped.len_utf8()..).unwrap_or_default()),
                    None => (Piece::Is('\\'), after),
                },
                c => (Piece::Is(c), after),
            };
            pieces.push(piece);
            rest = left;
        }
        Self(pieces)
    }

    /// Returns whether all of a name matches. Takes time in proportion to the lengths of both, multiplied.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut piece, mut at) = (0, 0);
        // Where the last `*` is, and what it has taken so far.
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() {
            match (self.0.get(piece), name.get(at)) {
                (Some(Piece::Many), _) => {
                    star = Some((piece, at));
                    piece += 1;
                }
                (Some(one), Some(c)) if one.takes(*c) => (piece, at) = (piece + 1, at + 1),
                _ => match &mut star {
                    Some((begin, taken)) => {
                        *taken += 1;
                        (piece, at) = (*begin + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        self.0.get(piece..).unwrap_or_default().iter().all(|piece| *piece == Piece::Many)
    }
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Many | Self::One => true,
            Self::Is(own) => *own == c,
            Self::Of { ranges, negated } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// Reads what follows an opening bracket, up to the closing one: a `]` that comes first stands for itself.
fn class(text: &str) -> Option<(Piece, &str)> {
    let (negated, mut rest) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        let (first, after) = one(rest)?;
        if first == (']', false) && !ranges.is_empty() {
            return Some((Piece::Of { ranges, negated }, after));
        }
        let last = after.strip_prefix('-').and_then(one).filter(|(last, _)| *last != (']', false));
        let ((last, _), left) = last.unwrap_or((first, after));
        ranges.push((first.0, last));
        rest = left;
    }
}

/// Reads one character, and whether a backslash is before it.
fn one(text: &str) -> Option<((char, bool), &str)> {
    let c = text.chars().next()?;
    let after = text.get(c.len_utf8()..)?;
    match (c, after.chars().next()) {
        ('\\', Some(escaped)) => Some(((escaped, true), after.get(escaped.len_utf8()..)?)),
        _ => Some(((c, false), after)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    #[test]
    fn patterns_are_those_of_shells() {
        for (pattern, matched, others) in [
            ("*", &["", "a", "tls"][..], &[][..]),
            ("web?", &["web1", "webé"], &["web", "web10"]),
            ("*-tls", &["-tls", "a-tls", "a-tls-tls"], &["tls", "a-tls2"]),
            ("a*b*c", &["abc", "a b c", "abbcc", "abcbc"], &["ab", "acb"]),
            ("w[a-c1]", &["wa", "wc", "w1"], &["wd", "w", "w-"]),
            ("w[!a-c]", &["wd", "w]"], &["wa"]),
            ("w[^a]", &["wb"], &["wa"]),
            ("w[]a]", &["w]", "wa"], &["w"]),
            ("w[a-]", &["wa", "w-"], &["wb"]),
            ("w[", &["w["], &["w"]),
            ("w[a", &["w[a"], &["wa"]),
            ("[*]", &["*"], &["a"]),
            (r"\*\?", &["*?"], &["ab"]),
            (r"a\", &[r"a\"], &["a"]),
            (r"[\]a]", &["]", "a"], &[r"\"]),
        ] {
            let parsed = Pattern::new(pattern);
            let not = |name: &&&str| parsed.matches(name) != matched.contains(*name);
            let wrong: Vec<&&str> = matched.iter().chain(others).filter(not).collect();
            assert!(wrong.is_empty(), "{pattern} {wrong:?}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = Pattern::new(&"a*".repeat(100));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(98))));
    }

    proptest! {
        #[test]
        fn an_escaped_name_matches_itself_alone(name in ".{1,20}", other in ".{1,20}") {
            let pattern = Pattern::new(&escape(&name));
            prop_assert!(pattern.matches(&name));
            prop_assert!(name == other || !pattern.matches(&other));
        }

        #[test]
        fn any_text_is_a_pattern(text in any::<String>(), name in any::<String>()) {
            Pattern::new(&text).matches(&name);
            prop_assert!(is_pattern(&text) || Pattern::new(&text).matches(&text));
        }
    }
}
