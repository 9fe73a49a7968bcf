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
    /// The text is an SSH key that can only sign.
    #[error("invalid recipient `{recipient}`: this kind of SSH key can sign, but nothing can be encrypted to it")]
    Signs {
        /// The text, shortened and escaped.
        recipient: String,
        /// Whether it is that of a security key.
        hardware: bool,
    },
    /// The recipient belongs to an age plugin that is not enabled.
    #[error("recipient `{recipient}` needs age plugin `{plugin}`, which is not enabled")]
    NotEnabled {
        /// The text, shortened and escaped.
        recipient: String,
        /// Name of the plugin, `yubikey` for `age-plugin-yubikey`.
        plugin: String,
    },
    /// The program of a plugin is nowhere.
    #[error("recipient `{recipient}` needs `age-plugin-{plugin}`, which is not in PATH")]
    NoProgram {
        /// The text, shortened and escaped.
        recipient: String,
        /// Name of the plugin.
        plugin: String,
    },
    /// The plugin failed, with this message.
    #[error("age-plugin-{plugin}: {why}")]
    Plugin {
        /// Name of the plugin.
        plugin: String,
        /// Reason, escaped.
        why: String,
    },
    /// The text is a private key.
    #[error("expected a recipient, found a private key (not shown)")]
    PrivateKey,
    /// There is no recipient: encrypting to none would lose the secret.
    #[error("no recipients; expected at least one")]
    NoRecipient,
    /// Some recipients are post-quantum, and others are not.
    #[error("age does not encrypt one file to post-quantum and other recipients")]
    Mixed,
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
            Self::Recipient { .. } => {
                "a public key is one line: the output of `age-keygen -y`, or the content of a file like ssh_host_ed25519_key.pub"
            }
            Self::Signs { hardware: true, .. } => {
                "use the same security key through an age plugin: `age-plugin-fido2-hmac -g`, or `age-plugin-yubikey` for a YubiKey"
            }
            Self::Signs { hardware: false, .. } => {
                "use an ssh-ed25519 or age key; of a key in hardware the recipient of its age plugin: age-plugin-yubikey, age-plugin-tpm, age-plugin-se"
            }
            Self::NotEnabled { plugin, .. } => {
                return Some(format!("if you trust this plugin, pass `--age-plugin {plugin}`"));
            }
            Self::NoProgram { plugin, .. } => {
                return Some(format!(
                    "install age-plugin-{plugin}, for example with `nix shell`, and run the command again"
                ));
            }
            Self::Plugin { .. } => "check the plugin and its recipient with `age -r RECIPIENT`",
            Self::PrivateKey => "use the public key, and replace the key pair: the private key is now in the Nix store",
            Self::NoRecipient => {
                "set a public key of the machine, of the user or of an admin in the backend's configuration"
            }
            Self::Mixed => {
                "give every recipient of this file a post-quantum key (`artifacts keygen --pq`), or none of them"
            }
            Self::Encrypt(_) | Self::NotAge(_) => return None,
        };
        Some(hint.to_owned())
    }
}
