use age_core::format::{FILE_KEY_BYTES, Stanza};
use age_core::secrecy::ExposeSecret as _;
use artifacts_digest::sha512;
use artifacts_seam::Secret;
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use crate::hybrid::HybridIdentity;
use crate::identity_error::IdentityError;
use crate::pkcs8::{self, Converted};
use crate::plugin::PluginIdentity;
use crate::private_form::{PrivateForm, damaged, empty, is_used, label, legacy_passphrase, not_an_identity};
use crate::x25519::X25519Identity;

/// Holds an identity that decrypts without asking anyone.
pub(crate) struct UnlockedIdentity {
    /// Kind for the audit log: `age`, `age-pq`, `ssh-ed25519` or `ssh-rsa`.
    pub kind: &'static str,
    identity: Box<dyn age::Identity + Send + Sync>,
}

impl UnlockedIdentity {
    fn new(kind: &'static str, identity: impl age::Identity + Send + Sync + 'static) -> Self {
        Self { kind, identity: Box::new(identity) }
    }

    /// Unwraps the file key, if this identity matches one of the stanzas. If it fails on a stanza, the stanza may be
    /// altered, or belong to another identity with the same tag: the next identity may match.
    pub fn unwrap(&self, stanzas: &[Stanza]) -> Option<Unwrapped> {
        let key = self.identity.unwrap_stanzas(stanzas)?.ok()?;
        Some(Unwrapped { key: Zeroizing::new(*key.expose_secret()), identity: self.kind.to_owned() })
    }
}

/// Holds the key of one file, and the kind of identity that unwrapped it.
pub(crate) struct Unwrapped {
    pub key: Zeroizing<[u8; FILE_KEY_BYTES]>,
    pub identity: String,
}

/// Holds the content of a file of identities.
#[derive(Default)]
pub(crate) struct IdentityFile {
    /// Identities that can be used at once.
    pub keys: Vec<UnlockedIdentity>,
    pub plugins: Vec<PluginIdentity>,
    /// SSH keys under a passphrase.
    pub locked_ssh: Vec<PrivateKey>,
    /// An age file under a passphrase, with identities inside.
    pub locked_file: Option<Secret>,
    /// Reasons why other parts of the file cannot be used. The parts above are not affected.
    pub unusable: Vec<IdentityError>,
}

impl IdentityFile {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.plugins.is_empty() && self.locked_ssh.is_empty() && self.locked_file.is_none()
    }
}

/// Reads a file of identities; `name` is for messages. As for age and ssh-keygen, line endings, blank lines, blanks at the ends of
/// lines, comments and a byte-order mark make no difference.
///
/// # Errors
/// When no part of it is an identity.
pub(crate) fn read(name: &str, content: &Secret) -> Result<IdentityFile, IdentityError> {
    let bytes = content.expose();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"age-encryption.org/") {
        return Ok(IdentityFile { locked_file: Some(Secret::new(bytes.to_vec())), ..IdentityFile::default() });
    }
    // A comment may be in any encoding; a line that has to be read is ASCII.
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let mut found = IdentityFile::default();
    let mut lines = text.lines().map(str::trim).enumerate();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(found_label) = label(line, "BEGIN") else {
            found.line(name, number + 1, line);
            continue;
        };
        let mut pem = Zeroizing::new(format!("{line}\n"));
        for (_, line) in lines.by_ref() {
            pem.push_str(line);
            pem.push('\n');
            if label(line, "END").is_some() {
                break;
            }
        }
        found.block(name, found_label, &pem);
    }
    if found.is_empty() {
        return Err(found.unusable.into_iter().next().unwrap_or_else(|| empty(name)));
    }
    Ok(found)
}

impl IdentityFile {
    fn line(&mut self, name: &str, number: usize, line: &str) {
        if let Ok(key) = line.parse::<X25519Identity>() {
            self.keys.push(UnlockedIdentity::new("age", key));
        } else if let Ok(key) = line.parse::<HybridIdentity>() {
            self.keys.push(UnlockedIdentity::new("age-pq", key));
        } else if let Some(identity) = PluginIdentity::parse(name, line) {
            self.plugins.push(identity);
        } else {
            self.unusable.push(not_an_identity(name, number, line));
        }
    }

    fn block(&mut self, name: &str, label: &str, pem: &str) {
        let result = PrivateForm::of_label(name, label).and_then(|form| match form {
            PrivateForm::OpenSsh => self.openssh(name, pem),
            PrivateForm::OldRsa => old_rsa(name, pem).map(|key| self.keys.push(key)),
            PrivateForm::Pkcs8 => self.pkcs8(name, pem),
            PrivateForm::AgeFile => {
                self.locked_file = Some(Secret::new(pem.as_bytes().to_vec()));
                Ok(())
            }
        });
        self.unusable.extend(result.err());
    }

    fn pkcs8(&mut self, name: &str, pem: &str) -> Result<(), IdentityError> {
        let none = |why: String| IdentityError::None { name: name.to_owned(), why };
        let keys = match pkcs8::read(pem) {
            Some(Converted::Rsa(pem)) => vec![old_rsa(name, &pem)?],
            Some(Converted::Ed25519(key)) => unlocked(&key).map_err(none)?,
            Some(Converted::Other) => return Err(IdentityError::Kind { name: name.to_owned() }),
            None => return Err(damaged(name)),
        };
        self.keys.extend(keys);
        Ok(())
    }

    fn openssh(&mut self, name: &str, pem: &str) -> Result<(), IdentityError> {
        let none = |why: String| IdentityError::None { name: name.to_owned(), why };
        let kind = || IdentityError::Kind { name: name.to_owned() };
        let key = PrivateKey::from_openssh(&*wrapped(pem)).map_err(|error| match error {
            ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. } => kind(),
            other => none(other.to_string()),
        })?;
        if !is_used(key.algorithm().as_str()) {
            return Err(kind());
        }
        if key.is_encrypted() {
            self.locked_ssh.push(key);
        } else {
            self.keys.extend(unlocked(&key).map_err(none)?);
        }
        Ok(())
    }
}

/// Wraps a PEM block into lines of one length, which ssh-keygen does not require.
fn wrapped(pem: &str) -> Zeroizing<String> {
    const COLUMNS: usize = 70;
    let mut text = Zeroizing::new(String::with_capacity(pem.len() + pem.len() / COLUMNS + 1));
    let mut column = 0;
    for line in pem.lines() {
        if line.starts_with("-----") {
            if column > 0 {
                text.push('\n');
                column = 0;
            }
            text.push_str(line);
            text.push('\n');
            continue;
        }
        for char in line.chars().filter(|char| !char.is_whitespace()) {
            text.push(char);
            column += 1;
            if column == COLUMNS {
                text.push('\n');
                column = 0;
            }
        }
    }
    text
}

/// Returns the identities of an SSH key: for files that are encrypted to it and, if it is an Ed25519 key, for files
/// that are encrypted to the age key that ssh-to-age derives from it, as sops-nix uses it.
pub(crate) fn unlocked(key: &PrivateKey) -> Result<Vec<UnlockedIdentity>, String> {
    let pem = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    let own = age::ssh::Identity::from_buffer(pem.as_bytes(), None).map_err(|error| error.to_string())?;
    let Some(pair) = key.key_data().ed25519() else { return Ok(vec![UnlockedIdentity::new("ssh-rsa", own)]) };
    let kind = "ssh-ed25519";
    Ok(vec![UnlockedIdentity::new(kind, own), UnlockedIdentity::new(kind, converted(pair.private.as_ref()))])
}

/// Derives the age identity of an Ed25519 seed: the scalar of the signing key (RFC 8032, section 5.1.5).
pub(crate) fn converted(seed: &[u8]) -> X25519Identity {
    let mut scalar = Zeroizing::new([0; 32]);
    scalar.copy_from_slice(&sha512(seed)[..32]);
    X25519Identity::new(&scalar)
}

/// Reads the form that ssh-keygen wrote before 2014, with age's own reader.
fn old_rsa(name: &str, text: &str) -> Result<UnlockedIdentity, IdentityError> {
    match age::ssh::Identity::from_buffer(text.as_bytes(), None) {
        Ok(key @ age::ssh::Identity::Unencrypted(_)) => Ok(UnlockedIdentity::new("ssh-rsa", key)),
        Ok(_) => Err(legacy_passphrase(name)),
        Err(_) => Err(damaged(name)),
    }
}
