use std::collections::BTreeSet;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use age::{DecryptError, scrypt};
use age_core::format::Stanza;
use age_core::secrecy::SecretString;
use artifacts_seam::Secret;
use ssh_key::{Algorithm, PrivateKey};
use zeroize::Zeroizing;

use crate::header::unarmored;
use crate::identity::{self, IdentityFile, UnlockedIdentity, Unwrapped};
use crate::plugin::PluginIdentity;
use crate::{IdentityError, Prompter, public_key};

/// Number of times that a passphrase is asked for.
const TRIES: usize = 3;

/// Identities under a passphrase. It is asked for when a file needs it, once.
pub(crate) struct PassphraseIdentity {
    name: String,
    prompter: Arc<dyn Prompter>,
    what: LockedKind,
    /// Plugins whose identities may be used.
    allowed: BTreeSet<String>,
    state: Mutex<UnlockState>,
}

enum LockedKind {
    Ssh { key: Box<PrivateKey>, tag: String },
    File(Secret),
}

enum UnlockState {
    Closed,
    Open(Arc<UnlockedIdentities>),
    /// Not asked again, for this reason.
    Refused(String),
}

/// What is under a passphrase.
struct UnlockedIdentities {
    keys: Vec<UnlockedIdentity>,
    plugins: Vec<PluginIdentity>,
}

/// Describes the result of a passphrase.
enum Unlocked {
    Identities(UnlockedIdentities),
    WrongPassphrase,
    /// The passphrase is right, and the content cannot be used, for this reason.
    Unusable(String),
}

impl PassphraseIdentity {
    pub fn ssh(name: &str, key: PrivateKey, prompter: Arc<dyn Prompter>) -> Result<Self, String> {
        let wire = key.public_key().to_bytes().map_err(|error| error.to_string())?;
        let tag = public_key::tag_of_blob(&wire);
        Ok(Self::new(name, LockedKind::Ssh { key: Box::new(key), tag }, BTreeSet::new(), prompter))
    }

    /// Takes a file that is encrypted; identities of these plugins in it may be used.
    pub fn file(name: &str, content: Secret, allowed: BTreeSet<String>, prompter: Arc<dyn Prompter>) -> Self {
        Self::new(name, LockedKind::File(content), allowed, prompter)
    }

    fn new(name: &str, what: LockedKind, allowed: BTreeSet<String>, prompter: Arc<dyn Prompter>) -> Self {
        Self { name: name.to_owned(), prompter, what, allowed, state: Mutex::new(UnlockState::Closed) }
    }

    /// Returns the identities of plugins, once they are unlocked.
    pub fn of_plugins(&self) -> Vec<PluginIdentity> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            UnlockState::Open(inside) => inside.plugins.clone(),
            UnlockState::Closed | UnlockState::Refused(_) => Vec::new(),
        }
    }

    /// Returns its name and the reason why it was not unlocked, if it may match one of these stanzas.
    pub fn closed(&self, stanzas: &[Stanza]) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            UnlockState::Refused(why) if self.fits(stanzas) => Some(format!("{}: {why}", self.name)),
            _ => None,
        }
    }

    /// Returns its name, if it was unlocked or is known to match none without being unlocked.
    pub fn tried(&self, stanzas: &[Stanza]) -> Option<&str> {
        self.closed(stanzas).is_none().then_some(self.name.as_str())
    }

    /// Returns whether it may match one of these stanzas: an SSH key is known by its public key, which needs no
    /// passphrase.
    fn fits(&self, stanzas: &[Stanza]) -> bool {
        let LockedKind::Ssh { key, tag } = &self.what else { return true };
        let (kind, converts) = match key.algorithm() {
            Algorithm::Ed25519 => ("ssh-ed25519", true),
            _ => ("ssh-rsa", false),
        };
        let own = |stanza: &Stanza| stanza.tag == kind && stanza.args.first() == Some(tag);
        stanzas.iter().any(|stanza| own(stanza) || (converts && stanza.tag == "X25519"))
    }

    /// Unwraps the file key, if what is under the passphrase matches one of the stanzas.
    pub fn unwrap(&self, stanzas: &[Stanza]) -> Option<Unwrapped> {
        self.inside(stanzas)?.keys.iter().find_map(|key| key.unwrap(stanzas))
    }

    /// Returns what is under the passphrase. Whoever else needs it waits while a person is asked, and no longer.
    fn inside(&self, stanzas: &[Stanza]) -> Option<Arc<UnlockedIdentities>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, UnlockState::Closed) && self.fits(stanzas) {
            *state = self.unlock();
        }
        if let UnlockState::Open(inside) = &*state { Some(Arc::clone(inside)) } else { None }
    }

    fn unlock(&self) -> UnlockState {
        let question = format!("Passphrase for {}", self.name);
        let mut what = question.clone();
        for tried in 0..TRIES {
            let Some(passphrase) = self.prompter.passphrase(&what) else { return UnlockState::Refused(refused(tried)) };
            match self.what.open(&self.name, &passphrase, &self.allowed) {
                Unlocked::Identities(inside) => return UnlockState::Open(Arc::new(inside)),
                Unlocked::Unusable(why) => return UnlockState::Refused(why),
                Unlocked::WrongPassphrase => what = format!("Wrong passphrase. {question}"),
            }
        }
        UnlockState::Refused(refused(TRIES))
    }
}

/// Explains why it stays locked after this number of wrong passphrases.
fn refused(wrong: usize) -> String {
    match wrong {
        0 => "no passphrase was entered".to_owned(),
        1 => "wrong passphrase".to_owned(),
        more => format!("wrong passphrase in {more} attempts"),
    }
}

impl LockedKind {
    fn open(&self, name: &str, passphrase: &Secret, allowed: &BTreeSet<String>) -> Unlocked {
        match self {
            Self::Ssh { key, .. } => match key.decrypt(passphrase.expose()) {
                Ok(key) => match identity::unlocked(&key) {
                    Ok(keys) => Unlocked::Identities(UnlockedIdentities { keys, plugins: Vec::new() }),
                    Err(why) => Unlocked::Unusable(why),
                },
                Err(_) => Unlocked::WrongPassphrase,
            },
            Self::File(content) => match decrypt(content, passphrase) {
                Ok(plain) => inside(name, &plain, allowed),
                Err(
                    DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys,
                ) => Unlocked::WrongPassphrase,
                Err(error) => Unlocked::Unusable(error.to_string().lines().next().unwrap_or_default().to_owned()),
            },
        }
    }
}

fn decrypt(content: &Secret, passphrase: &Secret) -> Result<Secret, DecryptError> {
    // What is no UTF-8 was never a passphrase of an age file.
    let text = std::str::from_utf8(passphrase.expose()).map_err(|_| DecryptError::DecryptionFailed)?;
    let key = scrypt::Identity::new(SecretString::from(text.to_owned()));
    let mut plain = Zeroizing::new(Vec::with_capacity(content.expose().len()));
    age::Decryptor::new_buffered(unarmored(content.expose()))?
        .decrypt(std::iter::once(&key as _))?
        .read_to_end(&mut plain)?;
    Ok(Secret::new(std::mem::take(&mut *plain)))
}

/// Returns the identities of a decrypted file. The other content is named only if there is none.
fn inside(name: &str, plain: &Secret, allowed: &BTreeSet<String>) -> Unlocked {
    match identity::read(name, plain) {
        Ok(IdentityFile { keys, plugins, .. }) => {
            let (plugins, denied): (Vec<_>, Vec<_>) =
                plugins.into_iter().partition(|identity| allowed.contains(&identity.plugin));
            if !keys.is_empty() || !plugins.is_empty() {
                return Unlocked::Identities(UnlockedIdentities { keys, plugins });
            }
            Unlocked::Unusable(match denied.first() {
                Some(PluginIdentity { plugin, .. }) => {
                    format!("needs age plugin `{plugin}`, which is not enabled; `--age-plugin {plugin}` enables it")
                }
                None => "an identity under a second passphrase is not supported".to_owned(),
            })
        }
        Err(IdentityError::None { why, .. }) => Unlocked::Unusable(why),
        Err(error) => Unlocked::Unusable(error.to_string()),
    }
}
