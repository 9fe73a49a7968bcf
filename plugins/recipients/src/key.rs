use artifacts_backend_sdk::Failure;

/// Reads a public key: an age recipient, or an ssh key, whose comment is dropped so that equal keys compare equal. Only its
/// shape is looked at, early and without asking the host; the host reads it in full when it seals.
///
/// # Errors
/// Of kind `config`, to be put behind the key's place. The text is not shown when it could be a private key.
pub fn read(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.contains("PRIVATE KEY") || text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
        return Err(Failure::config("is a private key; expected a public one")
            .hint("use the public key, and replace the key pair: the private key is in the Nix store now"));
    }
    if text.lines().count() > 1 {
        return Err(Failure::config(format!("has {} lines; expected one key", text.lines().count())));
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [recipient] if is_age(recipient) => Ok((*recipient).to_owned()),
        [kind @ ("ssh-ed25519" | "ssh-rsa"), blob, ..] if is_base64(blob) => Ok(format!("{kind} {blob}")),
        _ => Err(Failure::config(format!("is `{}`; expected a public key", shortened(text))).hint(hint(&words))),
    }
}

fn hint(words: &[&str]) -> &'static str {
    match words {
        [_, "ssh-ed25519" | "ssh-rsa", blob, ..] if is_base64(blob) => {
            "remove the host name before the key: `ssh-keyscan -t ed25519 HOST | cut -d' ' -f2-`"
        }
        [kind, ..] if kind.starts_with("sk-") => {
            "this SSH key only signs; use the same security key through an age plugin: `age-plugin-fido2-hmac -g`, or \
             `age-plugin-yubikey` for a YubiKey"
        }
        [kind, ..] if kind.starts_with("ecdsa-sha2-") => {
            "this SSH key only signs; use an ssh-ed25519 or age key; of a key in hardware the recipient of its age plugin: \
             age-plugin-yubikey, age-plugin-tpm, age-plugin-se"
        }
        _ => "a public key is `age1…`, `ssh-ed25519 AAAA…` or `ssh-rsa AAAA…`",
    }
}

fn is_age(text: &str) -> bool {
    text.strip_prefix("age1").is_some_and(|rest| {
        rest.len() >= 6
            && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_+.".contains(&byte))
    })
}

fn is_base64(text: &str) -> bool {
    text.starts_with("AAAA")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// Returns the beginning of a text, enough to find it again.
fn shortened(text: &str) -> String {
    let short: String = text.chars().take(40).flat_map(char::escape_default).collect();
    if text.chars().count() > 40 { format!("{short}…") } else { short }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::read;

    const AGE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdzdrkpsqszqsqq";
    const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";

    #[test]
    fn equal_keys_compare_equal_whatever_their_comment() {
        for text in [SSH.to_owned(), format!("{SSH} root@web1"), format!(" {SSH}  some  one\n")] {
            assert_eq!(read(&text).unwrap(), SSH);
        }
        assert_eq!(read(&format!("{AGE}\n")).unwrap(), AGE);
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let two = format!("{AGE}\n{AGE}");
        for text in [
            "",
            "age1",
            "AGE1QQ",
            "hello",
            "ssh-ed25519",
            "ssh-dss AAAAB3",
            "no-pty ssh-rsa AAAA",
            "ssh-rsa ÄÄÄÄ",
            &two,
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.kind, "config", "{text:?}");
            assert!(failure.hint.is_some() || failure.message.contains("lines"), "{}", failure.message);
        }
    }

    #[test]
    fn keys_of_every_kind_are_taken_and_keys_that_only_sign_are_told_what_to_use_instead() {
        for text in
            ["age1tag1qt8lw0ual6avl", "age1tagpq1m3e4wvp6hz", "age1pq1qqqqqq", "age1yubikey1qwt50d", "age1se1qqqqqq"]
        {
            assert_eq!(read(text).unwrap(), text);
        }
        for (text, instead) in [
            ("sk-ssh-ed25519@openssh.com AAAA", "age-plugin-fido2-hmac"),
            ("sk-ecdsa-sha2-nistp256@openssh.com AAAA", "age-plugin-yubikey"),
            ("ecdsa-sha2-nistp256 AAAA", "age-plugin-se"),
        ] {
            assert!(read(text).unwrap_err().hint.unwrap().contains(instead), "{text}");
        }
    }

    #[test]
    fn what_ssh_keyscan_prints_is_told_how_to_be_a_key() {
        for (text, told) in [(format!("web1 {SSH}"), true), (format!("<put a key here> {SSH}"), false)] {
            assert_eq!(read(&text).unwrap_err().hint.unwrap().contains("host name before the key"), told, "{text}");
        }
    }

    #[test]
    fn a_private_key_is_not_repeated() {
        for text in ["AGE-SECRET-KEY-1QQPQQQ", "age-secret-key-1qqpqqq", "-----BEGIN OPENSSH PRIVATE KEY-----\nQQPQQQ"]
        {
            let failure = read(text).unwrap_err();
            assert!(failure.message.contains("private key"), "{}", failure.message);
            assert!(!format!("{failure:?}").to_ascii_uppercase().contains("QQPQQQ"));
        }
    }
}
