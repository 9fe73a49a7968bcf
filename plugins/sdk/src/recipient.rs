use crate::bindings::exports::artifacts::backend::storage::KeyKind;

/// Represents who can decrypt a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient {
    /// The public key.
    pub key: String,
    /// Whose it is, for people.
    pub label: Option<String>,
}

impl Recipient {
    /// Creates one without a label.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), label: None }
    }

    /// Returns the type of the key, which the host computes, too.
    pub fn kind(&self) -> KeyKind {
        if self.key.starts_with("ssh-ed25519 ") {
            return KeyKind::SshEd25519;
        }
        if self.key.starts_with("ssh-rsa ") {
            return KeyKind::SshRsa;
        }
        // Bech32 has no `1` in its data, so the last one ends the name.
        match self.key.strip_prefix("age1").map(|rest| rest.rsplit_once('1').map(|(name, _)| name)) {
            None => KeyKind::Other,
            Some(None) => KeyKind::X25519,
            Some(Some("tag")) => KeyKind::Tag,
            Some(Some("tagpq")) => KeyKind::Tagpq,
            Some(Some("pq")) => KeyKind::Pq,
            Some(Some(_)) => KeyKind::Plugin,
        }
    }
}

impl From<String> for Recipient {
    fn from(key: String) -> Self {
        Self::new(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_the_key() {
        for (key, kind) in [
            ("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdzdrkpsqszqsqq", KeyKind::X25519),
            ("ssh-ed25519 AAAA", KeyKind::SshEd25519),
            ("ssh-rsa AAAA", KeyKind::SshRsa),
            ("age1tag1qq", KeyKind::Tag),
            ("age1tagpq1qq", KeyKind::Tagpq),
            ("age1pq1qq", KeyKind::Pq),
            ("age1yubikey1qq", KeyKind::Plugin),
            ("85D77543", KeyKind::Other),
        ] {
            assert_eq!(Recipient::new(key).kind(), kind, "{key}");
        }
    }
}
