use artifacts_text::Explain;

/// Reports why a file of identities cannot be used. It shows nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The file holds neither an SSH private key nor age identities.
    #[error("{name}: not an identity: {why}")]
    None {
        /// Path of the file.
        name: String,
        /// Reason.
        why: String,
    },
    /// The file holds the public key.
    #[error("{name} is a public key; expected the private one")]
    Public {
        /// Path of the file.
        name: String,
    },
    /// age cannot use this kind of SSH key.
    #[error("{name}: unsupported SSH key type; expected ssh-ed25519 or ssh-rsa")]
    Kind {
        /// Path of the file.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read {name}: {why}")]
    Unreadable {
        /// Path of the file.
        name: String,
        /// Error of the operating system.
        why: String,
    },
    /// The identity belongs to a plugin that is not allowed.
    #[error("{name}: needs age plugin `{plugin}`, which is not enabled")]
    Plugin {
        /// Path of the file.
        name: String,
        /// Name of the plugin.
        plugin: String,
    },
}

impl Explain for IdentityError {
    fn kind(&self) -> &'static str {
        "identity"
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::None { .. } => {
                "pass an SSH private key such as ~/.ssh/id_ed25519, or a file written by `age-keygen`".to_owned()
            }
            Self::Public { .. } => "pass the file without .pub".to_owned(),
            Self::Kind { .. } => "use an ssh-ed25519, ssh-rsa or age key".to_owned(),
            Self::Plugin { plugin, .. } => format!("if you trust this plugin, pass `--age-plugin {plugin}`"),
            Self::Unreadable { .. } => "check the file's permissions, or pass another one with -i".to_owned(),
        })
    }
}
