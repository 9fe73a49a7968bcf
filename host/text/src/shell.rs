/// Quotes a text as one word of a shell's command: the names are a repository's, and the command is there to be copied.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./-_@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::shell_word;

    #[test]
    fn a_word_is_what_it_was_to_a_shell_and_plain_where_it_can_be() {
        assert_eq!(shell_word("per-user/alice@laptop/c++_1.0"), "per-user/alice@laptop/c++_1.0");
        for text in ["two words", "$HOME", "`id`", "it's", "a;b", "", "'", "\\"] {
            let script = format!("printf %s {}", shell_word(text));
            let said = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), text);
        }
    }
}
