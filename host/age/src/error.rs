use artifacts_text::Explain;

/// Why something could not be sealed or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no recipient at all.
    #[error("`{recipient}` is no recipient: {why}; expected age1…, ssh-ed25519 … or ssh-rsa …")]
    Recipient {
        /// The text, shortened and escaped.
        recipient: String,
        /// What is wrong with it.
        why: String,
    },
    /// It belongs to an age plugin.
    #[error("`{recipient}` is a recipient of the age plugin `{plugin}`, and recipients of plugins cannot be used yet")]
    Plugin {
        /// The text, shortened and escaped.
        recipient: String,
        /// The plugin's name.
        plugin: String,
    },
    /// It is the secret half.
    #[error("a private key stands where a recipient is expected (it is not shown here)")]
    PrivateKey,
    /// Sealing to nobody would lose the secret.
    #[error("no recipient is given; expected at least one")]
    NoRecipient,
    /// age itself failed.
    #[error("age could not encrypt: {0}")]
    Encrypt(String),
    /// The bytes are no age file.
    #[error("this is no age file: {0}")]
    NotAge(&'static str),
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "encryption"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Recipient { .. } => Some(
                "a public key is one line: the output of `age-keygen -y`, or the content of a file like ssh_host_ed25519_key.pub",
            ),
            Self::Plugin { .. } => Some("use an x25519 (age1…), ssh-ed25519 or ssh-rsa public key"),
            Self::PrivateKey => {
                Some("put the public key there, and make a new key pair: the private one is in the configuration")
            }
            Self::NoRecipient => {
                Some("set a public key of the machine, of the user or of an admin in the backend's configuration")
            }
            Self::Encrypt(_) | Self::NotAge(_) => None,
        };
        hint.map(str::to_owned)
    }
}
