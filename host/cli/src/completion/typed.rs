//! A command line as it is typed: its words, without their quotes, and how the last one goes on.

/// Holds the words of an unfinished command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TypedLine {
    /// The words before the one that is being typed.
    pub before: Vec<String>,
    /// The word that is being typed, up to the cursor.
    pub current: String,
    /// The quotes in which it is open.
    quote: Quote,
    /// The length of the part of it that the shell leaves as it is, in bytes.
    kept: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Quote {
    #[default]
    None,
    Single,
    Double,
}

/// Characters that bash replaces as well if a word is broken at them: `rl_special_prefixes` of readline.
const SPECIAL: &str = "@$";

/// Characters that need no quotes anywhere in a word.
const PLAIN: &str = "_-./@%+:,=";

impl TypedLine {
    /// Reads a line of bash up to the cursor. `breaks` are the characters at which bash begins what it replaces.
    pub fn new(line: &str, breaks: &str) -> Self {
        Self::read(line, breaks, true)
    }

    /// Reads a line, or one word.
    fn read(line: &str, breaks: &str, is_line: bool) -> Self {
        let mut typed = Self::default();
        let mut chars = line.chars();
        let mut is_open = false;
        let mut before_quote = 0;
        while let Some(c) = chars.next() {
            match (typed.quote, c) {
                (Quote::None, ' ' | '\t' | '\n') if is_line => {
                    if std::mem::take(&mut is_open) {
                        typed.before.push(std::mem::take(&mut typed.current));
                    }
                    typed.kept = 0;
                    continue;
                }
                (Quote::None, '\'' | '"') => {
                    before_quote = typed.kept;
                    typed.quote = if c == '"' { Quote::Double } else { Quote::Single };
                    typed.kept = typed.current.len();
                }
                (Quote::Single, '\'') | (Quote::Double, '"') => {
                    (typed.quote, typed.kept) = (Quote::None, before_quote);
                }
                (Quote::None, '\\') => typed.current.extend(chars.next()),
                (Quote::Double, '\\') => match chars.next() {
                    Some(escaped) if "$`\"\\".contains(escaped) => typed.current.push(escaped),
                    other => typed.current.extend(['\\'].into_iter().chain(other)),
                },
                (quote, c) => {
                    let before = typed.current.len();
                    typed.current.push(c);
                    if quote == Quote::None && breaks.contains(c) {
                        typed.kept = if SPECIAL.contains(c) { before } else { typed.current.len() };
                    }
                }
            }
            is_open = true;
        }
        typed
    }

    /// Takes words that another shell has taken apart.
    pub fn of_words(before: Vec<String>, current: String) -> Self {
        Self { before, current, ..Self::default() }
    }

    /// Returns what bash has to put in the place of the current word for a candidate that begins with it.
    pub fn replacement(&self, candidate: &str) -> String {
        let text = candidate.get(self.kept..).unwrap_or_default();
        let mut quoted = String::new();
        for (at, c) in text.char_indices() {
            match self.quote {
                Quote::Single if c == '\'' => quoted.push_str(r"'\''"),
                // Inside double quotes a backslash before it would stay.
                Quote::Double if c == '!' => quoted.push_str(r#""\!""#),
                Quote::Double if "$`\"\\".contains(c) => quoted.extend(['\\', c]),
                Quote::None if !is_plain(c) || (at == 0 && self.kept == 0 && "=:".contains(c)) => {
                    quoted.extend(['\\', c]);
                }
                _ => quoted.push(c),
            }
        }
        quoted
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() || PLAIN.contains(c)
}

/// Returns a word without its quotes, which may be open.
pub fn unquoted(word: &str) -> String {
    TypedLine::read(word, "", false).current
}

/// Returns the words of a whole command line.
#[cfg(test)]
pub fn words(line: &str) -> Vec<String> {
    let TypedLine { mut before, .. } = TypedLine::new(&format!("{line} "), "");
    before.retain(|word| !word.is_empty());
    before
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    /// What readline has by default.
    const BREAKS: &str = " \t\n\"'@><=;|&(:";

    fn replaced(line: &str, candidate: &str) -> String {
        TypedLine::new(line, BREAKS).replacement(candidate)
    }

    #[test]
    fn words_lose_their_quotes() {
        let typed = TypedLine::new(r#"artifacts get 'a b' "c \"d" e\ f $(i"#, BREAKS);
        assert_eq!(typed.before, ["artifacts", "get", "a b", "c \"d", "e f"]);
        assert_eq!(typed.current, "$(i");
        for (open, current) in
            [("x ", ""), ("x '", ""), ("x 'a b", "a b"), ("x \"a $b", "a $b"), (r"x a\", "a"), ("", "")]
        {
            assert_eq!(TypedLine::new(open, BREAKS).current, current, "{open}");
        }
        assert_eq!([unquoted(r"a\ b"), unquoted("'a  b"), unquoted("a  ")], ["a b", "a  b", "a  "]);
        assert_eq!(words("artifacts get 'a b' ''"), ["artifacts", "get", "a b"]);
    }

    #[test]
    fn what_is_inserted_is_quoted_as_the_word_was_begun() {
        for (line, candidate, inserted) in [
            ("get ", "a b", r"a\ b"),
            ("get ", "$(id)", r"\$\(id\)"),
            ("get ", "~x", r"\~x"),
            ("get '", "it's", r"it'\''s"),
            ("get \"$", "$(id)`!\"", r#"\$(id)\`"\!"\""#),
            (r"get a\ ", "a b", r"a\ b"),
            ("get 'a b'", "a b/c d", r"a\ b/c\ d"),
            // What follows an `@`, a break or a quote is all that is replaced.
            ("get alice@we", "alice@web1/a b", r"@web1/a\ b"),
            ("get a:w", "a:web1/a b", r"web1/a\ b"),
            ("get 'alice@we", "alice@web1/a b", "alice@web1/a b"),
            ("get x'", "xa b", "a b"),
        ] {
            assert_eq!(replaced(line, candidate), inserted, "{line}");
        }
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_what_is_inserted_as_the_candidate(name in "[a-c '\"$`!*?~#&;()<>{}|\\[\\]é=^-]{1,8}") {
            let word = |open: &&str| {
                let typed = TypedLine::new(&format!("artifacts get {open}"), BREAKS);
                format!("{open}{}{open}", typed.replacement(&name))
            };
            let words = ["", "'", "\""].iter().map(word).collect::<Vec<_>>().join(" ");
            let said = Command::new("bash").args(["-c", &format!("printf '%s\\n' {words}")]).output().unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&said.stdout), format!("{name}\n{name}\n{name}\n"), "{}", words);
        }
    }
}
