use artifacts_text::has_hidden;

use crate::{Remark, private_key};

/// Beginnings of the public keys that files of other tools are encrypted to.
const PUBLIC: [&str; 4] = ["age1", "ssh-", "sk-ssh-", "ecdsa-"];

/// Returns whether a text is a public key, as far as that shows: what is not may be a private one, and is shown nowhere.
pub fn is_public_key(text: &str) -> bool {
    PUBLIC.iter().any(|begin| text.trim_start().starts_with(begin)) && is_showable(text)
}

/// Returns whether a declared recipient, of whatever kind, may be shown: all of it is visible, and nothing of it private.
pub fn is_showable(text: &str) -> bool {
    !has_hidden(text.trim()) && private_key(&text.to_ascii_uppercase()).is_none()
}

/// Says of a key that it is left out. It is not shown.
pub fn not_public(subject: impl Into<String>) -> Remark {
    let why = "a key there is not a public key, or has a hidden character: it is left out";
    Remark::new(subject, why, "fix it there, then import again; if it is a private key, replace it everywhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_certainly_a_public_key_is_none() {
        for public in ["age1x", "ssh-ed25519 AAAA root@web1\n", " ssh-rsa BBBB John Doe", "age1yubikey1q"] {
            assert!(is_public_key(public), "{public:?}");
        }
        let private =
            ["AGE-SECRET-KEY-1X", "age-secret-key-1x", "AGE-PLUGIN-YUBIKEY-1X", "-----BEGIN OPENSSH PRIVATE KEY-----"];
        let others =
            ["", "x", "age1x\nAGE-SECRET-KEY-1X", "ssh-rsa B age-secret-key-1x", "age1\u{1b}", "ssh-rsa \u{202e}"];
        for other in private.into_iter().chain(others) {
            assert!(!is_public_key(other), "{other:?}");
        }
        assert!(is_showable("85D7 7543") && !is_showable("a\tb") && !is_showable(private[0]));
    }
}
