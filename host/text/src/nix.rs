/// Words of the language, which are no keys as they are.
const KEYWORDS: [&str; 9] = ["assert", "else", "if", "in", "inherit", "let", "rec", "then", "with"];

/// Writes a name as Nix reads it as the key of a set: in quotes where it needs them.
pub fn nix_attribute(name: &str) -> String {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_plain = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-'".contains(c));
    if is_plain && !KEYWORDS.contains(&name) { name.to_owned() } else { nix_string(name) }
}

/// Writes a text as Nix reads it as a string. Nix has these escapes and no others.
pub fn nix_string(text: &str) -> String {
    let mut string = "\"".to_owned();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => string.push_str("\\n"),
            '\r' => string.push_str("\\r"),
            '\t' => string.push_str("\\t"),
            '"' | '\\' => string.extend(['\\', c]),
            '$' if rest.peek() == Some(&'{') => string.push_str("\\$"),
            c => string.push(c),
        }
    }
    string.push('"');
    string
}

#[cfg(test)]
mod tests {
    use super::{nix_attribute, nix_string};

    #[test]
    fn a_name_is_a_key_as_it_is_or_in_quotes() {
        for plain in ["a", "_a-b'", "order", "or", "null", "tls-ca"] {
            assert_eq!(nix_attribute(plain), plain);
        }
        for quoted in ["rec", "if", "with", "in", "1a", "a.b", "a b", "é", "-a", "*", ""] {
            assert_eq!(nix_attribute(quoted), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn a_string_has_the_escapes_of_nix_and_no_others() {
        for (text, string) in [
            ("a/b", r#""a/b""#),
            ("${x} $x $${x}", r#""\${x} $x $\${x}""#),
            (r#"" \ '"#, r#""\" \\ '""#),
            ("e\u{301} 'é' \u{1f511}\u{200d}", "\"e\u{301} 'é' \u{1f511}\u{200d}\""),
            ("\u{7f}\n\r\t", "\"\u{7f}\\n\\r\\t\""),
            ("$ $\"$\\${", r#""$ $\"$\\\${""#),
        ] {
            assert_eq!(nix_string(text), string);
        }
    }
}
