/// Returns a public key as it is compared: without blanks around it and, if it is an SSH key, without its comment.
pub fn without_comment(text: &str) -> String {
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(kind), Some(blob)) if kind.starts_with("ssh-") => format!("{kind} {blob}"),
        _ => text.trim().to_owned(),
    }
}

/// Returns the comment of an SSH key, if it has one.
pub fn comment(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let is_ssh = words.next().is_some_and(|kind| kind.starts_with("ssh-"));
    let comment = words.skip(1).collect::<Vec<_>>().join(" ");
    (is_ssh && !comment.is_empty()).then_some(comment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_whatever_its_comment() {
        for text in ["ssh-ed25519 AAAA", " ssh-ed25519  AAAA\n", "ssh-ed25519 AAAA root@web1\n"] {
            assert_eq!(without_comment(text), "ssh-ed25519 AAAA");
        }
        assert_eq!(without_comment("age1x\n"), "age1x");
        assert_eq!(without_comment("85D7 7543"), "85D7 7543", "another kind of key has no comment");
        assert_eq!(without_comment(""), "");
    }

    #[test]
    fn a_comment_is_what_follows_an_ssh_key() {
        assert_eq!(comment("ssh-rsa AAAA John  Doe\n").as_deref(), Some("John Doe"));
        assert_eq!((comment("ssh-rsa AAAA"), comment("age1x more of it"), comment("")), (None, None, None));
    }
}
