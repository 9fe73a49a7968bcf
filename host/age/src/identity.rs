use std::str::FromStr;

use age::x25519;
use age_core::format::{FILE_KEY_BYTES, Stanza};
use age_core::secrecy::ExposeSecret as _;
use artifacts_seam::Secret;
use bech32::Hrp;
use sha2::{Digest, Sha512};
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::plugin::{self, PluginIdentity};

/// What opens files without asking anybody.
pub(crate) struct Key {
    /// For the record: `age`, `ssh-ed25519` or `ssh-rsa`.
    pub kind: &'static str,
    identity: Box<dyn age::Identity + Send + Sync>,
}

impl Key {
    fn new(kind: &'static str, identity: impl age::Identity + Send + Sync + 'static) -> Self {
        Self { kind, identity: Box::new(identity) }
    }

    /// The file key, if this key opens one of the stanzas. One that fails on a stanza may have met an altered one, or another's
    /// with the same tag: the next key may do.
    pub fn unwrap(&self, stanzas: &[Stanza]) -> Option<Unwrapped> {
        let key = self.identity.unwrap_stanzas(stanzas)?.ok()?;
        Some(Unwrapped { key: Zeroizing::new(*key.expose_secret()), identity: self.kind.to_owned() })
    }
}

/// The key of one file, and what kind of identity opened it.
pub(crate) struct Unwrapped {
    pub key: Zeroizing<[u8; FILE_KEY_BYTES]>,
    pub identity: String,
}

/// Why a file of identities cannot be used. Nothing of its content is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Neither an ssh private key nor age identities.
    #[error("{name} holds no identity: {why}")]
    None {
        /// The file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The public half.
    #[error("{name} is a public key; expected the private one")]
    Public {
        /// The file.
        name: String,
    },
    /// A kind of ssh key that age cannot use.
    #[error("{name} is an ssh key of a kind that age cannot use; expected ssh-ed25519 or ssh-rsa")]
    Kind {
        /// The file.
        name: String,
    },
    /// An identity of a plugin that may not be run.
    #[error("{name} needs the age plugin `{plugin}`, which is not allowed")]
    Plugin {
        /// The file.
        name: String,
        /// The plugin's name.
        plugin: String,
    },
}

impl IdentityError {
    /// What a person can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::None { .. } => "name a file like ~/.ssh/id_ed25519, or one that age-keygen made",
            Self::Public { .. } => "name the file without .pub",
            Self::Kind { .. } => "use an ssh-ed25519, ssh-rsa or age key",
            Self::Plugin { .. } => "allow the plugin by its name if you trust the program",
        }
    }
}

/// What a file of identities holds.
pub(crate) enum Found {
    /// Usable at once.
    Keys { keys: Vec<Key>, plugins: Vec<PluginIdentity> },
    /// An ssh key under a passphrase.
    LockedSsh(Box<PrivateKey>),
    /// An age file under a passphrase, with identities inside.
    LockedFile(Secret),
}

/// Reads a file of identities; `name` is for messages.
pub(crate) fn read(name: &str, content: &Secret) -> Result<Found, IdentityError> {
    let none = |why: &str| IdentityError::None { name: name.to_owned(), why: why.to_owned() };
    let bytes = content.expose();
    if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----") {
        return Ok(Found::LockedFile(content.clone()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| none("it is no text"))?;
    if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return match PrivateKey::from_openssh(text) {
            Ok(key) => ssh(name, key),
            Err(ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. }) => {
                Err(IdentityError::Kind { name: name.to_owned() })
            }
            Err(error) => Err(none(&error.to_string())),
        };
    }
    if text.starts_with("-----BEGIN RSA PRIVATE KEY-----") {
        return old_rsa(text).map(only).map_err(none);
    }
    if text.starts_with("ssh-") || text.starts_with("age1") {
        return Err(IdentityError::Public { name: name.to_owned() });
    }
    lines(name, text)
}

fn only(key: Key) -> Found {
    Found::Keys { keys: vec![key], plugins: Vec::new() }
}

fn ssh(name: &str, key: PrivateKey) -> Result<Found, IdentityError> {
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Rsa { .. } => {}
        _ => return Err(IdentityError::Kind { name: name.to_owned() }),
    }
    if key.is_encrypted() {
        return Ok(Found::LockedSsh(Box::new(key)));
    }
    let keys = unlocked(&key).map_err(|why| IdentityError::None { name: name.to_owned(), why })?;
    Ok(Found::Keys { keys, plugins: Vec::new() })
}

/// What an ssh key opens: what is sealed to it, and, if it is an ed25519 one, what is sealed to the age key that ssh-to-age
/// makes of it. sops-nix reads the latter.
pub(crate) fn unlocked(key: &PrivateKey) -> Result<Vec<Key>, String> {
    let pem = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    let own = age::ssh::Identity::from_buffer(pem.as_bytes(), None).map_err(|error| error.to_string())?;
    let Some(pair) = key.key_data().ed25519() else { return Ok(vec![Key::new("ssh-rsa", own)]) };
    let kind = "ssh-ed25519";
    Ok(vec![Key::new(kind, own), Key::new(kind, converted(pair.private.as_ref())?)])
}

/// The age identity of an ed25519 seed: the scalar that the signing key is made of.
fn converted(seed: &[u8]) -> Result<x25519::Identity, String> {
    let scalar = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
    let hrp = Hrp::parse("age-secret-key-").map_err(|error| error.to_string())?;
    let text = bech32::encode_upper::<bech32::Bech32>(hrp, &scalar[..32]).map_err(|error| error.to_string())?;
    x25519::Identity::from_str(&Zeroizing::new(text)).map_err(str::to_owned)
}

/// The form that ssh-keygen wrote before 2014; age's own reader knows it.
fn old_rsa(text: &str) -> Result<Key, &'static str> {
    match age::ssh::Identity::from_buffer(text.as_bytes(), None) {
        Ok(key @ age::ssh::Identity::Unencrypted(_)) => Ok(Key::new("ssh-rsa", key)),
        Ok(_) => Err("it is encrypted in an old, weak form; rewrite it with `ssh-keygen -p -f FILE`"),
        Err(_) => Err("it is damaged"),
    }
}

/// age identities, one a line.
pub(crate) fn lines(name: &str, text: &str) -> Result<Found, IdentityError> {
    let none = |why: String| IdentityError::None { name: name.to_owned(), why };
    let mut keys: Vec<Key> = Vec::new();
    let mut plugins = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Ok(key) = line.parse::<x25519::Identity>() {
            keys.push(Key::new("age", key));
        } else if let Some(identity) = plugin::parse(line) {
            plugins.push(identity);
        } else {
            return Err(none(format!("line {} is no age identity", number + 1)));
        }
    }
    if keys.is_empty() && plugins.is_empty() {
        Err(none("it is empty".to_owned()))
    } else {
        Ok(Found::Keys { keys, plugins })
    }
}
