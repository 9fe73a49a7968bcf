use artifacts_text::Explain;

/// Reports why something cannot be encrypted or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not a recipient.
    #[error("invalid recipient `{recipient}`: {why}; expected age1…, ssh-ed25519 … or ssh-rsa …")]
    Recipient {
        /// The text, shortened and escaped.
        recipient: String,
        /// Reason.
        why: String,
    },
    /// The recipient belongs to an age plugin.
    #[error("recipient `{recipient}` needs age plugin `{plugin}`; plugin recipients are not supported yet")]
    Plugin {
        /// The text, shortened and escaped.
        recipient: String,
        /// Name of the plugin, `yubikey` for `age-plugin-yubikey`.
        plugin: String,
    },
    /// The text is a private key.
    #[error("expected a recipient, found a private key (not shown)")]
    PrivateKey,
    /// There is no recipient: encrypting to none would lose the secret.
    #[error("no recipients; expected at least one")]
    NoRecipient,
    /// The age crate failed, with this message.
    #[error("age could not encrypt: {0}")]
    Encrypt(String),
    /// The bytes are not an age file.
    #[error("not an age file: {0}")]
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
                Some("use the public key, and replace the key pair: the private key is now in the Nix store")
            }
            Self::NoRecipient => {
                Some("set a public key of the machine, of the user or of an admin in the backend's configuration")
            }
            Self::Encrypt(_) | Self::NotAge(_) => None,
        };
        hint.map(str::to_owned)
    }
}
