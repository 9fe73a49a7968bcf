/// Quotes a text as a string literal of the Nix language.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn nothing_ends_the_literal_or_interpolates() {
        assert_eq!(string("web1"), "\"web1\"");
        assert_eq!(string("a\"b\\c${d}$$"), r#""a\"b\\c\${d}\$\$""#);
        assert_eq!(string("a\nb"), "\"a\\nb\"");
    }
}
